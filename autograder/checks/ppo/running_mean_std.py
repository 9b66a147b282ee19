"""Exercise 8.6: mean and deviation of everything seen."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import ppo as probes


class Statistics:
    """As the exercise asks, by sums of powers. A mistake overrides the one step in which it differs."""

    eps = 1e-8

    def __init__(self, shape: tuple[int, ...], limit: float = 10.0) -> None:
        self.mean = torch.zeros(shape, dtype=torch.float64)
        self.var = torch.ones(shape, dtype=torch.float64)
        self.count, self.limit = 0, limit

    def merge(self, mean: Tensor, var: Tensor, n: int) -> None:
        total = self.count + n
        old, new = self.count / total, n / total
        middle = old * self.mean + new * mean
        self.var = old * (self.var + (self.mean - middle) ** 2) + new * (var + (mean - middle) ** 2)
        self.mean, self.count = middle, total

    def update(self, x: Tensor) -> None:
        x = x.double()
        self.merge(x.mean(0), ((x - x.mean(0)) ** 2).mean(0), len(x))

    def scale(self) -> Tensor:
        return (self.var + self.eps).sqrt()

    def normalize(self, x: Tensor) -> Tensor:
        return ((x.double() - self.mean) / self.scale()).clamp(-self.limit, self.limit).to(x.dtype)


class AveragesVariances(Statistics):
    def merge(self, mean: Tensor, var: Tensor, n: int) -> None:
        total = self.count + n
        self.var = (self.count * self.var + n * var) / total
        self.mean, self.count = (self.count * self.mean + n * mean) / total, total


class WeighsBatchesAlike(Statistics):
    def merge(self, mean: Tensor, var: Tensor, n: int) -> None:
        super().merge(mean, var, 1)


class ForgetsThePast(Statistics):
    def merge(self, mean: Tensor, var: Tensor, n: int) -> None:
        self.mean, self.var, self.count = mean, var, self.count + n


class LearnsWhileLooking(Statistics):
    def normalize(self, x: Tensor) -> Tensor:
        self.update(x.reshape(-1, *self.mean.shape))
        return super().normalize(x)


class DividesByVariance(Statistics):
    def scale(self) -> Tensor:
        return self.var + self.eps


class KeepsTheMean(Statistics):
    def normalize(self, x: Tensor) -> Tensor:
        return (x.double() / self.scale()).clamp(-self.limit, self.limit).to(x.dtype)


class NoLimit(Statistics):
    def normalize(self, x: Tensor) -> Tensor:
        return ((x.double() - self.mean) / self.scale()).to(x.dtype)


class UnbiasedBatches(Statistics):
    def update(self, x: Tensor) -> None:
        x = x.double()
        self.merge(x.mean(0), ((x - x.mean(0)) ** 2).sum(0) / torch.tensor(len(x) - 1.0), len(x))


class KeepsAll(Statistics):
    """Another right way: remember every observation."""

    def __init__(self, shape: tuple[int, ...], limit: float = 10.0) -> None:
        super().__init__(shape, limit)
        self.seen = torch.zeros(0, *shape, dtype=torch.float64)

    def update(self, x: Tensor) -> None:
        self.seen = torch.cat([self.seen, x.double()])
        self.mean, self.var = self.seen.mean(0), self.seen.var(0, correction=0)
        self.count = len(self.seen)


def all_at_once(seed: int, sizes: tuple[int, ...], shift: float, spread: float) -> dict[str, Any]:
    """Two passes over all observations together."""
    x = torch.cat(
        [shift * (i + 1) + spread * normal(seed + i, size, 2, 3) for i, size in enumerate(sizes)]
    )
    mean = x.sum(0) / len(x)
    return {"mean": mean, "var": ((x - mean) ** 2).sum(0) / len(x), "count": float(len(x))}


def scaled(x: Tensor, seen: Tensor, limit: float) -> Tensor:
    """Number by number."""
    mean = seen.double().mean(0)
    deviation = ((seen.double() - mean).square().mean(0) + 1e-8).sqrt()
    result = (x.double() - mean) / deviation
    return torch.where(result.abs() > limit, limit * result.sign(), result).to(x.dtype)


def learned(
    name: str, seed: int, sizes: tuple[int, ...], shift: float, message: str, hidden: bool = False
) -> Case:
    inputs = {"seed": seed, "sizes": sizes, "shift": shift, "spread": 2.0}
    return Case(name, inputs, message, oracle=all_at_once, probe=probes.remembered, hidden=hidden)


def looked_at(name: str, seed: int, limit: float, message: str, hidden: bool = False) -> Case:
    inputs = {"x": 3 + 2 * normal(seed, 6, 3), "seen": 3 + normal(seed + 1, 9, 3), "limit": limit}
    return Case(name, inputs, message, oracle=scaled, probe=probes.normalized, hidden=hidden)


EXERCISE = ExerciseSpec(
    number="8.6",
    title="Running mean and deviation",
    targets=("RunningMeanStd",),
    points=3,
    minutes=25,
    difficulty=3,
    section="The scale of what it sees",
    statement="""
Observations come in batches and are not kept. Write `update`, which merges a batch into mean, variance and count
*exactly*,
and `normalize`, which only looks. However the data are cut into batches, the result is that of all data at once.
""",
    hints=(
        "Two heaps of numbers, each with a count, a mean and a variance. The variance of both together has "
        "three parts: "
        "one from each heap, and one because their means differ.",
        "n σ² = n₁ σ₁² + n₂ σ₂² + Δ² n₁ n₂ / n, with Δ the difference of the means; μ = μ₁ + Δ n₂ / n. "
        "Divisor n everywhere.",
        "In double precision: total = count + len(batch); the shift between the means; new variance from "
        "the three parts; "
        "new mean; new count. In normalize subtract, divide by the root of variance + eps, clamp to the "
        "limit, cast back.",
    ),
    checks=(
        learned("the first batch", 0, (5,), 1.0, "after one batch: its own mean and variance"),
        learned("three batches", 3, (4, 1, 7), 10.0, "batches of 4, 1 and 7 with different means"),
        Law(probes.any_cut_of_the_data_gives_the_same, "the cut into batches does not matter"),
        learned("far away", 6, (6, 6), 1e4, "means of 10,000 and 20,000 and a spread of 2"),
        looked_at("normalized", 9, 10.0, "minus the mean, divided by the deviation"),
        looked_at("cut off", 12, 1.0, "what lies more than the limit away is cut off"),
        Case(
            "a constant observation",
            {
                "x": torch.tensor([[5.0], [5.0]], dtype=torch.float64),
                "seen": torch.full((4, 1), 5.0, dtype=torch.float64),
                "limit": 10.0,
            },
            "variance 0: the result is 0, not NaN",
            expected=torch.zeros(2, 1, dtype=torch.float64),
            probe=probes.normalized,
        ),
        Case(
            "almost constant",
            {
                "x": torch.tensor([[1e-4], [0.0]], dtype=torch.float64),
                "seen": torch.zeros(4, 1, dtype=torch.float64),
                "limit": 10.0,
            },
            "variance 0: eps stands in the root, so 1e-4 becomes 1",
            expected=torch.tensor([[1.0], [0.0]], dtype=torch.float64),
            probe=probes.normalized,
        ),
        Law(probes.looking_changes_nothing, "frozen in evaluation"),
        Law(probes.batches_are_left_as_they_are, "inputs and their dtype"),
        learned("other batches", 15, (3, 8, 2), -5.0, "batches of 3, 8 and 2", hidden=True),
        looked_at("others normalized", 18, 1.5, "another limit", hidden=True),
        Law(probes.evaluating_twice_gives_the_same, "frozen in evaluation", hidden=True),
    ),
    mistakes=(
        Mistake(
            "variances are averaged",
            AveragesVariances,
            "Two batches of equal numbers, 0 and 10, have variance 0 each and 25 together: the means' "
            "difference counts.",
        ),
        Mistake(
            "every batch weighs the same",
            WeighsBatchesAlike,
            "A batch of seven observations weighs seven times as much as a batch of one.",
        ),
        Mistake(
            "only the last batch",
            ForgetsThePast,
            "Merge the batch into what is known; do not replace it.",
        ),
        Mistake(
            "learns while looking",
            LearnsWhileLooking,
            "normalize is called in evaluation too. Only update may change what is remembered.",
        ),
        Mistake(
            "divides by the variance",
            DividesByVariance,
            "Divide by the deviation, the root of the variance.",
        ),
        Mistake("the mean stays", KeepsTheMean, "Subtract the mean before you divide."),
        Mistake("nothing is cut off", NoLimit, "Cut the result off at ± limit."),
        Mistake(
            "divisor n − 1 in a batch",
            UnbiasedBatches,
            "The merge is exact for variances with divisor n; with n − 1 a batch of one gives NaN.",
        ),
    ),
    variants={"by weights": Statistics, "keeps everything": KeepsAll},
)
