"""Exercise 12.4: batches with little padding."""

from collections.abc import Callable
from itertools import accumulate

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers
from rlcourse.checks.probes import gpt2_ppo as probes


def oracle(lengths: Tensor, batch_tokens: int) -> list[Tensor]:
    """From each start, every size of batch is tried; the largest that fits is taken."""
    known = lengths.tolist()
    order = [row for _, row in sorted(zip(known, range(len(known)), strict=True))]
    found, start = [], 0
    while start < len(order):
        longest = list(accumulate((known[row] for row in order[start:]), max))
        fits = [size + 1 for size, ell in enumerate(longest) if (size + 1) * ell <= batch_tokens]
        found.append(torch.tensor(order[start : start + max(fits)]))
        start += max(fits)
    return found


class Buckets:
    """Batches as the exercise asks. A mistake overrides the one thing in which it differs."""

    def __init__(self, lengths: Tensor, batch_tokens: int) -> None:
        self.lengths = [int(length) for length in lengths]
        self.limit = batch_tokens
        self.done: list[list[int]] = []
        self.open: list[int] = []

    def order(self) -> list[int]:
        return sorted(range(len(self.lengths)), key=self.lengths.__getitem__)

    def refuse(self) -> None:
        if any(length > self.limit for length in self.lengths):
            raise ValueError("too long")

    def size_with(self, row: int) -> int:
        return max(self.lengths[each] for each in [*self.open, row]) * (len(self.open) + 1)

    def fits(self, row: int) -> bool:
        return self.size_with(row) <= self.limit

    def close(self) -> None:
        if self.open:
            self.done.append(self.open)
        self.open = []

    def finish(self) -> None:
        self.close()

    def run(self) -> list[Tensor]:
        self.refuse()
        for row in self.order():
            if not self.fits(row):
                self.close()
            self.open = [*self.open, row]
        self.finish()
        return [torch.tensor(batch, dtype=torch.int64) for batch in self.done]


def buckets(kind: type[Buckets]) -> Callable[[Tensor, int], list[Tensor]]:
    """The function that a way of dividing makes."""

    def bucket_by_length(lengths: Tensor, batch_tokens: int) -> list[Tensor]:
        return kind(lengths, batch_tokens).run()

    return bucket_by_length


class _TailDropped(Buckets):
    def finish(self) -> None:
        pass


class _NotSorted(Buckets):
    def order(self) -> list[int]:
        return list(range(len(self.lengths)))


class _LongestFirst(Buckets):
    def order(self) -> list[int]:
        return sorted(range(len(self.lengths)), key=lambda row: -self.lengths[row])


class _NoPadding(Buckets):
    def size_with(self, row: int) -> int:
        return sum(self.lengths[each] for each in [*self.open, row])


class _Strict(Buckets):
    def fits(self, row: int) -> bool:
        return self.size_with(row) < self.limit or not self.open


class _OneTooMany(Buckets):
    def size_with(self, row: int) -> int:
        return max(self.lengths[each] for each in [*self.open, row]) * len(self.open)


class _Places(Buckets):
    def run(self) -> list[Tensor]:
        order = self.order()
        return [
            torch.tensor([order.index(row) for row in batch.tolist()]) for batch in super().run()
        ]


class _FixedRows(Buckets):
    def size_with(self, row: int) -> int:
        return max(self.lengths) * (len(self.open) + 1)


class _Accepts(Buckets):
    def refuse(self) -> None:
        pass


class _Drops(Buckets):
    def refuse(self) -> None:
        pass

    def order(self) -> list[int]:
        return [row for row in super().order() if self.lengths[row] <= self.limit]


class _RowLost(Buckets):
    """The row that does not fit is left out."""

    def run(self) -> list[Tensor]:
        self.refuse()
        for row in self.order():
            if self.fits(row):
                self.open = [*self.open, row]
            else:
                self.close()
        self.finish()
        return [torch.tensor(batch, dtype=torch.int64) for batch in self.done]


class _Slices(Buckets):
    """Another right way: cuts in the sorted order."""

    def run(self) -> list[Tensor]:
        self.refuse()
        order = torch.tensor(self.order(), dtype=torch.int64)
        sorted_lengths = [self.lengths[row] for row in order.tolist()]
        cuts, start = [], 0
        for place, length in enumerate(sorted_lengths):
            if length * (place - start + 1) > self.limit:
                cuts.append(place - start)
                start = place
        sizes = [*cuts, len(order) - start]
        return list(order.split(sizes)) if len(order) else []


def _case(
    name: str, lengths: Tensor, batch_tokens: int, message: str, hidden: bool = False
) -> Case:
    inputs = {"lengths": lengths, "batch_tokens": batch_tokens}
    return Case(name, inputs, message, oracle=oracle, hidden=hidden)


EXERCISE = ExerciseSpec(
    number="12.4",
    title="Batches with little padding",
    targets=("bucket_by_length",),
    points=2,
    minutes=20,
    difficulty=3,
    section="Padding is work for nothing",
    statement="""
A batch is a rectangle as wide as its longest row; the rest is padding, and the device works on it as on anything
else. Put rows of like length together, as many as a rectangle of `batch_tokens` holds. Short rows then come in large
batches, long ones in small batches, and every batch is about the same work.
""",
    hints=(
        "If rows come from the shortest to the longest, the one that is just added is the longest of its batch.",
        "A batch of n rows with one more of length l becomes (n + 1) * l tokens. Begin a new batch if that is "
        "too much.",
        "Raise for a row that fits nowhere; for each row in the order of lengths.argsort(stable=True): open a "
        "batch if there is none "
        "or the last is full; put the row in. Tensors in the end.",
    ),
    checks=(
        Case(
            "hand value",
            {"lengths": torch.tensor([5, 1, 2, 4, 1]), "batch_tokens": 6},
            "lengths 5, 1, 2, 4, 1: the rectangles are 3 × 2, 1 × 4 and 1 × 5",
            expected=(torch.tensor([1, 4, 2]), torch.tensor([3]), torch.tensor([0])),
        ),
        _case("twenty rows", 1 + integers(1, 9, 20), 24, "random lengths up to 9"),
        _case("just enough room", torch.tensor([3, 3, 3, 3]), 6, "two rows of three fill six"),
        _case("one batch", torch.tensor([2, 4, 1]), 100, "everything fits into one"),
        _case("rows of their own", torch.tensor([7, 6, 8]), 8, "each row needs a batch of its own"),
        Case(
            "no row",
            {"lengths": torch.zeros(0, dtype=torch.int64), "batch_tokens": 8},
            "no row, no batch",
            expected=(),
        ),
        Case(
            "a row that fits nowhere",
            {"lengths": torch.tensor([2, 9, 3]), "batch_tokens": 8},
            "nine tokens do not fit into eight",
            raises=ValueError,
        ),
        Law(probes.every_row_is_there_once, "every row is in one batch"),
        Law(probes.rectangles_fit, "no rectangle is too large"),
        Law(probes.the_order_of_the_rows_hardly_matters, "the same lengths in another order"),
        _case("fifty rows", 1 + integers(2, 30, 50), 64, "lengths up to 30", hidden=True),
        _case(
            "again just enough", torch.tensor([4, 2, 4, 2, 4]), 8, "rows of 2 and 4", hidden=True
        ),
        Case(
            "another row that fits nowhere",
            {"lengths": torch.tensor([3, 1, 4]), "batch_tokens": 3},
            "four tokens do not fit into three",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "again no row",
            {"lengths": torch.zeros(0, dtype=torch.int64), "batch_tokens": 1},
            "no row, no batch",
            expected=(),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the last batch dropped",
            buckets(_TailDropped),
            "Rows are missing: the batch that was still open in the end belongs to the result.",
        ),
        Mistake(
            "not sorted",
            buckets(_NotSorted),
            "The rows were taken as they come, so that long and short ones share a rectangle. Sort by length.",
        ),
        Mistake(
            "the longest first",
            buckets(_LongestFirst),
            "Begin with the shortest: argsort without descending.",
        ),
        Mistake(
            "padding not counted",
            buckets(_NoPadding),
            "A batch takes rows × longest tokens, not the sum of the lengths: padding takes room too.",
        ),
        Mistake(
            "a full batch counts as too full",
            buckets(_Strict),
            "A rectangle of just batch_tokens still fits.",
        ),
        Mistake(
            "one row too many",
            buckets(_OneTooMany),
            "Count the row that is about to be added: n + 1 rows, not n.",
        ),
        Mistake(
            "places for row numbers",
            buckets(_Places),
            "The result holds places in the sorted order; what is wanted are numbers of rows.",
        ),
        Mistake(
            "every batch as for the longest row",
            buckets(_FixedRows),
            "All batches have equally many rows. A batch's width is its own longest row, not that of all.",
        ),
        Mistake(
            "too long a row accepted",
            buckets(_Accepts),
            "A row longer than batch_tokens must raise a ValueError: the device would run out of memory.",
        ),
        Mistake(
            "too long a row dropped",
            buckets(_Drops),
            "A row that fits nowhere vanished without a word. Raise a ValueError.",
        ),
        Mistake(
            "rows lost between batches",
            buckets(_RowLost),
            "The row that did not fit begins the next batch; it must not be skipped.",
        ),
    ),
    variants={"lists": buckets(Buckets), "cuts": buckets(_Slices)},
)
