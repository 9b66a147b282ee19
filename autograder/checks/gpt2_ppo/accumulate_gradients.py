"""Exercise 12.2: gradients of a batch that does not fit."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import gpt2_ppo as probes

Batch = Mapping[str, Tensor]
Loss = Callable[[nn.Module, Batch], Tensor]


def oracle(seed: int, sizes: list[list[int]], kind: str, already: float) -> dict[str, Any]:
    """All tokens in one list, and the gradient of a straight line by hand."""
    xs, ys = [], []
    for batch in probes.ragged(seed, sizes):
        counted = batch["mask"] > 0
        xs.append(batch["x"][counted])
        ys.append(batch["y"][counted])
    x, y = torch.cat(xs), torch.cat(ys)
    model, count = probes.Line(seed), max(len(x), 1)
    errors = x @ model.weight.detach() + model.bias.detach() - y
    return {
        "loss": errors.square().sum() / 2 / count,
        "gradient of the weight": already + x.T @ errors / count,
        "gradient of the bias": already + errors.sum().reshape(1) / count,
        "carries a graph": False,
    }


def one_by_one(seed: int, sizes: list[list[int]]) -> list[bool]:
    """Nothing before the first call; something before all others."""
    return [place > 0 for place in range(len(sizes))]


class Accumulation:
    """As the exercise asks. A mistake overrides the one thing in which it differs."""

    def __init__(self, model: nn.Module, batches: Sequence[Batch], loss_fn: Loss) -> None:
        self.model, self.batches, self.loss_fn = model, batches, loss_fn

    def size(self, batch: Batch) -> float:
        return float((batch["mask"] > 0).sum())

    def total(self) -> float:
        return max(sum(self.size(batch) for batch in self.batches), 1.0)

    def weight(self, batch: Batch) -> float:
        return self.size(batch) / self.total()

    def begin(self) -> None:
        pass

    def after(self) -> None:
        pass

    def run(self) -> Tensor:
        self.begin()
        found = torch.zeros((), dtype=torch.float64)
        for batch in self.batches:
            loss = self.loss_fn(self.model, batch) * self.weight(batch)
            loss.backward()
            self.after()
            found = found + self.told(loss, batch)
        return found

    def told(self, loss: Tensor, batch: Batch) -> Tensor:
        return loss.detach()


def accumulates(kind: type[Accumulation]) -> Callable[[nn.Module, Sequence[Batch], Loss], Tensor]:
    """The function that a way of accumulating makes."""

    def accumulate_gradients(
        model: nn.Module, microbatches: Sequence[Batch], loss_fn: Loss
    ) -> Tensor:
        return kind(model, microbatches, loss_fn).run()

    return accumulate_gradients


class _ByNumber(Accumulation):
    def weight(self, batch: Batch) -> float:
        return 1 / len(self.batches)


class _Summed(Accumulation):
    def weight(self, batch: Batch) -> float:
        return 1.0


class _ByRows(Accumulation):
    def size(self, batch: Batch) -> float:
        return float(len(batch["mask"]))


class _ByRectangle(Accumulation):
    def size(self, batch: Batch) -> float:
        return float(batch["mask"].numel())


class _Clipped(Accumulation):
    def after(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)


class _ZeroFirst(Accumulation):
    def begin(self) -> None:
        for parameter in self.model.parameters():
            parameter.grad = None


class _ZeroBetween(Accumulation):
    """Each backward replaces what was there."""

    def run(self) -> Tensor:
        found = torch.zeros((), dtype=torch.float64)
        for batch in self.batches:
            for parameter in self.model.parameters():
                parameter.grad = None
            loss = self.loss_fn(self.model, batch) * self.weight(batch)
            loss.backward()
            found = found + loss.detach()
        return found


class _AllGraphs(Accumulation):
    def run(self) -> Tensor:
        parts = [self.loss_fn(self.model, batch) * self.weight(batch) for batch in self.batches]
        loss = torch.stack(parts).sum()
        loss.backward()
        return loss.detach()


class _MeanOfMeans(Accumulation):
    """The gradient is right; what is told is not."""

    def told(self, loss: Tensor, batch: Batch) -> Tensor:
        return self.loss_fn(self.model, batch).detach() / len(self.batches)


class _KeepsTheGraph(Accumulation):
    def told(self, loss: Tensor, batch: Batch) -> Tensor:
        return loss


class _NoFloor(Accumulation):
    def weight(self, batch: Batch) -> float:
        total = sum(self.size(each) for each in self.batches)
        return self.size(batch) / total if total else float("nan")


class _NoBackward(Accumulation):
    def run(self) -> Tensor:
        found = torch.zeros((), dtype=torch.float64)
        for batch in self.batches:
            found = found + self.loss_fn(self.model, batch).detach() * self.weight(batch)
        return found


class _LastLost(Accumulation):
    def __init__(self, model: nn.Module, batches: Sequence[Batch], loss_fn: Loss) -> None:
        super().__init__(model, batches, loss_fn)
        self.batches = [*batches][: max(1, len(batches) - 1)]


class _SumsThenDivides(Accumulation):
    """Another right way: losses weighed by their tokens, gradients divided in the end."""

    def run(self) -> Tensor:
        before = [
            None if parameter.grad is None else parameter.grad.clone()
            for parameter in self.model.parameters()
        ]
        for parameter in self.model.parameters():
            parameter.grad = None
        found = torch.zeros((), dtype=torch.float64)
        for batch in self.batches:
            loss = self.loss_fn(self.model, batch) * self.size(batch)
            loss.backward()
            found = found + loss.detach()
        for parameter, old in zip(self.model.parameters(), before, strict=True):
            if parameter.grad is not None:
                parameter.grad = parameter.grad / self.total() + (0 if old is None else old)
        return found / self.total()


def _case(
    name: str,
    seed: int,
    sizes: list[list[int]],
    message: str,
    kind: str = "float64",
    already: float = 0.0,
    hidden: bool = False,
) -> Case:
    return Case(
        name,
        {"seed": seed, "sizes": sizes, "kind": kind, "already": already},
        message,
        probe=probes.accumulated,
        oracle=oracle,
        hidden=hidden,
    )


EXERCISE = ExerciseSpec(
    number="12.2",
    title="One batch in many parts",
    targets=("accumulate_gradients",),
    points=3,
    minutes=20,
    difficulty=3,
    section="A batch that does not fit",
    statement="""
A batch of 512 responses does not fit into memory with its graph; eight microbatches of 64 do. Their gradients, added
up, must be *exactly* the gradient of the whole batch. Responses have different lengths, so microbatches hold
different numbers of tokens: dividing by the number of microbatches is wrong. Clipping comes afterwards, once; it is
not part of this function.
""",
    hints=(
        "The whole batch's loss is a mean over tokens. In which proportion does each microbatch's mean enter it?",
        "Count the tokens of all microbatches first. The share of microbatch k is n_k over the total; the total is at "
        "least 1.",
        "counts, total; for each microbatch: loss times its share, backward, remember the detached value; the "
        "sum of what "
        "was remembered.",
    ),
    checks=(
        _case("equal parts", 1, [[3, 3], [3, 3]], "two microbatches of six tokens"),
        _case(
            "ragged parts",
            2,
            [[5, 2], [1], [4, 1, 3]],
            "7, 1 and 8 tokens: every token has the same weight",
        ),
        _case(
            "gradients that are there",
            3,
            [[2, 1], [4, 4]],
            "parameters come with a gradient of 0.5; yours is added",
            already=0.5,
        ),
        _case(
            "an empty part",
            4,
            [[2, 3], [0, 0], [1]],
            "one microbatch holds only padding: it adds nothing",
            kind="int64",
        ),
        _case("no token at all", 5, [[0], [0, 0]], "nothing counts: loss 0, gradient 0, no NaN"),
        Case(
            "one graph at a time",
            {"seed": 6, "sizes": [[2], [3], [1, 2]]},
            "whether gradients of the parts before are there when the next loss is asked for",
            probe=probes.gradients_before_each_call,
            oracle=one_by_one,
        ),
        Law(probes.how_rows_are_shared_out_does_not_matter, "the same rows in other microbatches"),
        _case("one token", 7, [[0], [1]], "a single token counts, in the second part"),
        _case(
            "other ragged parts",
            11,
            [[1, 1], [6], [2, 2, 5], [3]],
            "2, 6, 9 and 3 tokens",
            kind="bool",
            already=-0.25,
            hidden=True,
        ),
        _case("again one token", 12, [[1], [0, 0]], "a single token counts", hidden=True),
        _case("again no token", 13, [[0, 0]], "nothing counts", hidden=True),
        Case(
            "again one graph at a time",
            {"seed": 14, "sizes": [[4, 1], [2, 2]]},
            "gradients of the parts before",
            probe=probes.gradients_before_each_call,
            oracle=one_by_one,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "divided by the number of microbatches",
            accumulates(_ByNumber),
            "Microbatches hold different numbers of tokens: weigh each mean by its share of the tokens.",
        ),
        Mistake(
            "not divided",
            accumulates(_Summed),
            "The means of the microbatches were added up: the gradient grows with their number.",
        ),
        Mistake(
            "weighed by rows",
            accumulates(_ByRows),
            "Rows have different lengths; the mean is over tokens. Count where the mask is 1.",
        ),
        Mistake(
            "padding counted",
            accumulates(_ByRectangle),
            "The size of a microbatch is the sum of its mask, not its rows times its columns.",
        ),
        Mistake(
            "clipped per microbatch",
            accumulates(_Clipped),
            "Clipping parts of a gradient changes its direction. Clip once, when all parts are in.",
        ),
        Mistake(
            "earlier gradients thrown away",
            accumulates(_ZeroFirst),
            "Gradients are added to what is there, as backward does; who wants them fresh calls zero_grad before.",
        ),
        Mistake(
            "only the last microbatch is left",
            accumulates(_ZeroBetween),
            "The gradients of earlier microbatches were reset. Do not call zero_grad inside the loop.",
        ),
        Mistake(
            "all graphs at once",
            accumulates(_AllGraphs),
            "The gradient is right, but every graph is in memory until the end. Call backward in the loop.",
        ),
        Mistake(
            "the mean of the means is told",
            accumulates(_MeanOfMeans),
            "The gradients are right; the returned loss has to be weighed in the same way.",
        ),
        Mistake(
            "the graph is returned",
            accumulates(_KeepsTheGraph),
            "The returned loss still holds the graphs of all microbatches. Detach what you add up.",
        ),
        Mistake(
            "0 divided by 0",
            accumulates(_NoFloor),
            "If no token counts, the total is 0. Divide by at least 1.",
        ),
        Mistake(
            "no backward",
            accumulates(_NoBackward),
            "No gradient reached the parameters: call backward on each weighed loss, before you detach it.",
        ),
        Mistake(
            "the last microbatch lost",
            accumulates(_LastLost),
            "The last microbatch is missing.",
        ),
    ),
    variants={"shares": accumulates(Accumulation), "divided last": accumulates(_SumsThenDivides)},
)
