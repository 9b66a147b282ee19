"""Exercise 5.1: a ring of transitions."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import q_learning as probes
from rlcourse.support.transitions import Transitions

Generator = torch.Generator


class Ring:
    """Keeps columns as the exercise asks. A mistake overrides the one step in which it differs."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.added = capacity, 0
        self.columns: list[Tensor] | None = None

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def places(self, count: int) -> Tensor:
        return torch.arange(self.added, self.added + count).remainder(self.capacity)

    def add(self, transitions: Transitions) -> None:
        if self.columns is None:
            self.columns = [x.new_zeros(self.capacity, *x.shape[1:]) for x in transitions]
        places = self.places(len(transitions.actions))
        for column, new in zip(self.columns, transitions, strict=True):
            column.index_copy_(0, places, new[: len(places)])
        self.added += len(places)

    def draw(self, n: int, generator: Generator) -> Tensor:
        return torch.randint(len(self), (n,), generator=generator)

    def sample(self, n: int, generator: Generator) -> Transitions:
        assert self.columns is not None
        rows = self.draw(n, generator)
        return Transitions(*(column[rows] for column in self.columns))


class SamplesTheUnwritten(Ring):
    def draw(self, n: int, generator: Generator) -> Tensor:
        return torch.randint(self.capacity, (n,), generator=generator)


class FoldsTheUnwritten(Ring):
    def draw(self, n: int, generator: Generator) -> Tensor:
        rows = torch.randint(self.capacity, (n,), generator=generator)
        return rows.clamp(max=len(self) - 1)


class WrapsTooEarly(Ring):
    def places(self, count: int) -> Tensor:
        return torch.arange(self.added, self.added + count) % max(self.capacity - 1, 1)


class WrapsTooLate(Ring):
    def places(self, count: int) -> Tensor:
        return torch.arange(self.added, self.added + count) % (self.capacity + 1)


class StopsWhenFull(Ring):
    def places(self, count: int) -> Tensor:
        return torch.arange(self.added, min(self.added + count, self.capacity))


class NeverTheNewest(Ring):
    def draw(self, n: int, generator: Generator) -> Tensor:
        return torch.randint(max(len(self) - 1, 1), (n,), generator=generator)


class OnlyTheNewest(Ring):
    def draw(self, n: int, generator: Generator) -> Tensor:
        back = torch.randint(min(2, len(self)), (n,), generator=generator)
        return (self.added - 1 - back) % self.capacity


class MixesRows(Ring):
    def sample(self, n: int, generator: Generator) -> Transitions:
        assert self.columns is not None
        return Transitions(*(column[self.draw(n, generator)] for column in self.columns))


class WithoutReplacement(Ring):
    def draw(self, n: int, generator: Generator) -> Tensor:
        return torch.randperm(len(self), generator=generator)[:n]


class GlobalGenerator(Ring):
    def draw(self, n: int, generator: Generator) -> Tensor:
        return torch.randint(len(self), (n,))


class ForgetsToCount(Ring):
    """Counts calls instead of rows."""

    def add(self, transitions: Transitions) -> None:
        before = self.added
        super().add(transitions)
        self.added = before + 1


class KeepsReferences(Ring):
    """A list of what was passed in, and of who passed it in."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.rows: list[list[Tensor]] = []

    def keep(self, x: Tensor) -> Tensor:
        return x

    def add(self, transitions: Transitions) -> None:
        count = len(transitions.actions)
        self.rows += [[self.keep(x[row]) for x in transitions] for row in range(count)]
        self.rows = self.rows[-self.capacity :]
        self.added += count

    def sample(self, n: int, generator: Generator) -> Transitions:
        drawn = [self.rows[int(row)] for row in self.draw(n, generator)]
        return Transitions(*(torch.stack(column) for column in zip(*drawn, strict=True)))


class ListOfCopies(KeepsReferences):
    """Another right way: a list of copied rows, the oldest dropped."""

    def keep(self, x: Tensor) -> Tensor:
        return x.clone()


class UniformNumbers(Ring):
    """Another right way to draw."""

    def draw(self, n: int, generator: Generator) -> Tensor:
        share = torch.rand(n, generator=generator, dtype=torch.float64)
        return (share * len(self)).long()


def expected_sample(capacity: int, sizes: Tensor) -> dict[str, Any]:
    """The newest rows, all of them, evenly."""
    total = int(sizes.sum())
    kept = min(total, capacity)
    return {
        "rows": torch.arange(total - kept + 1, total + 1),
        "drawn": 600,
        "together": True,
        "evenly": True,
        "length": kept,
    }


def expected_columns(pixels: int) -> dict[str, Any]:
    picture = (7, pixels, pixels, "torch.uint8")
    return {
        "observations": picture,
        "actions": (7, "torch.int64"),
        "rewards": (7, "torch.float32"),
        "discounts": (7, "torch.float64"),
        "next_observations": picture,
    }


def _inputs(capacity: int, *sizes: int) -> dict[str, Any]:
    return {"capacity": capacity, "sizes": torch.tensor(sizes)}


EXERCISE = ExerciseSpec(
    number="5.1",
    title="A replay buffer",
    targets=("ReplayBuffer",),
    points=4,
    minutes=25,
    difficulty=3,
    section="Learning from the past: replay",
    statement="""
Keep the latest `capacity` transitions and draw from them. `add` writes a batch of new rows behind those that came
before; when the last row of the ring is reached, it goes on with the first. `sample` draws `n` rows, each time every
row *that has been written* with the same probability.

The columns are made for you at the first `add`: `self.storage` holds five tensors with `capacity` rows each, all zeros.
`len(buffer)` counts with `self.added`, so keep that up to date.
""",
    hints=(
        "A ring needs one number: how many rows have ever come in. Its remainder by the capacity says where the next "
        "one goes; the smaller of both says how many can be drawn.",
        "For N new rows, N places: consecutive numbers from self.added on, each modulo the capacity. Assigning with "
        "column[places] = … copies. For sampling, one tensor of n row numbers serves all five columns.",
        "add: rows = (… + torch.arange(…)) % …; then for each of the five columns storage[index][rows] = new; count. "
        "sample: rows = torch.randint(…, (n,), generator=generator); index every column with rows; wrap in "
        "Transitions(*…).",
    ),
    checks=(
        Case(
            "before it is full",
            _inputs(8, 1, 1, 1),
            "capacity 8, three rows added one by one; 600 draws must show these three, evenly",
            probe=probes.what_is_sampled,
            oracle=expected_sample,
        ),
        Case(
            "just full",
            _inputs(4, 3, 1),
            "capacity 4, three rows and one more: nothing may be lost yet",
            probe=probes.what_is_sampled,
            oracle=expected_sample,
        ),
        Case(
            "round the corner",
            _inputs(5, 3, 3, 1),
            "capacity 5, rows 1 to 7 in batches of 3, 3 and 1: rows 3 to 7 are left",
            probe=probes.what_is_sampled,
            oracle=expected_sample,
        ),
        Case(
            "many times round",
            _inputs(3, 2, 2, 2, 2, 3),
            "capacity 3, eleven rows: the last three are left",
            probe=probes.what_is_sampled,
            oracle=expected_sample,
        ),
        Case(
            "tensors that are used again",
            {"steps": 4},
            "the same tensors are filled anew before each add: what was added must have been copied",
            probe=probes.tensors_that_are_used_again,
            oracle=lambda steps: torch.arange(1, steps + 1).double(),
        ),
        Case(
            "shapes and types",
            {"pixels": 2},
            "pictures in uint8, discounts in float64: what comes out has the type that went in",
            probe=probes.sizes_and_types,
            oracle=expected_columns,
        ),
        Law(probes.the_generator_decides_what_is_sampled, "all randomness is the generator's"),
        Law(probes.two_buffers_share_nothing, "each buffer has rows of its own"),
        Case(
            "half full, hidden",
            _inputs(12, 2, 3),
            "part of the ring is still unwritten",
            probe=probes.what_is_sampled,
            oracle=expected_sample,
            hidden=True,
        ),
        Case(
            "round the corner, hidden",
            _inputs(7, 5, 4, 4, 6),
            "batches that reach over the end of the ring",
            probe=probes.what_is_sampled,
            oracle=expected_sample,
            hidden=True,
        ),
        Case(
            "tensors that are used again, hidden",
            {"steps": 6},
            "the same tensors are filled anew before each add",
            probe=probes.tensors_that_are_used_again,
            oracle=lambda steps: torch.arange(1, steps + 1).double(),
            hidden=True,
        ),
        Case(
            "shapes and types, hidden",
            {"pixels": 3},
            "other pictures",
            probe=probes.sizes_and_types,
            oracle=expected_columns,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "unwritten rows are sampled",
            SamplesTheUnwritten,
            "Until the ring is full, most of it is zeros that nobody has lived through. Draw below len(self).",
        ),
        Mistake(
            "unwritten rows are folded onto the last one",
            FoldsTheUnwritten,
            "Every row must be equally probable: draw below the number of rows instead of cutting the draw off.",
        ),
        Mistake(
            "the ring wraps one row too early",
            WrapsTooEarly,
            "Places run from 0 to capacity − 1: take the remainder by capacity itself.",
        ),
        Mistake(
            "the ring wraps one row too late",
            WrapsTooLate,
            "Place number `capacity` does not exist: places run from 0 to capacity − 1.",
        ),
        Mistake(
            "full means full",
            StopsWhenFull,
            "When the ring is full, new rows take the place of the oldest. An agent that keeps only its first "
            "experience goes on learning how it stumbled.",
        ),
        Mistake(
            "the last row is never drawn",
            NeverTheNewest,
            "The upper end of torch.randint is exclusive already; no − 1 is needed.",
        ),
        Mistake(
            "only the newest rows are drawn",
            OnlyTheNewest,
            "Neighbours in time are alike, and that is what replay should undo: draw from all rows.",
        ),
        Mistake(
            "rows are mixed",
            MixesRows,
            "Draw the row numbers once and use them for all five columns: reward and action belong together.",
        ),
        Mistake(
            "drawn without replacement",
            WithoutReplacement,
            "Each draw is independent of the others, so n may be larger than the buffer. Fewer rows came than asked.",
        ),
        Mistake(
            "drawn from the global generator",
            GlobalGenerator,
            "Pass generator=generator to the draw, or nobody can repeat the run.",
        ),
        Mistake(
            "batches are counted, not rows",
            ForgetsToCount,
            "`added` must grow by the number of rows of the batch.",
        ),
        Mistake(
            "references are kept",
            KeepsReferences,
            "The caller fills the same tensors again, and your rows change with them. Copy the numbers.",
        ),
    ),
    variants={"list of copies": ListOfCopies, "uniform numbers": UniformNumbers, "ring": Ring},
)
