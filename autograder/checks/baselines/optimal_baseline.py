"""Exercise 3.5: the constant baseline of least variance."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import baselines as probes


def oracle(squared_norms: Tensor, returns: Tensor) -> Tensor:
    """The lowest point of the parabola through three values of the mean of ‖g‖²(R − b)²."""

    def spread(b: float) -> float:
        pairs = zip(squared_norms.tolist(), returns.tolist(), strict=True)
        return math.fsum(norm * (r - b) ** 2 for norm, r in pairs)

    left, middle, right = spread(-1.0), spread(0.0), spread(1.0)
    curvature = left - 2 * middle + right
    lowest = 0.5 * (left - right) / curvature if curvature else 0.0
    return torch.tensor(lowest, dtype=returns.dtype)


def _nothing(squared_norms: Tensor) -> bool:
    return not bool(squared_norms.any())


def _zero(returns: Tensor) -> Tensor:
    return torch.zeros((), dtype=returns.dtype)


def _weighted(weights: Tensor, returns: Tensor) -> Tensor:
    if _nothing(weights):
        return _zero(returns)
    return (weights.detach() * returns.detach()).sum() / weights.detach().sum()


def _normalized_first(squared_norms: Tensor, returns: Tensor) -> Tensor:
    """Another right way: weights that sum to 1."""
    if _nothing(squared_norms):
        return _zero(returns)
    shares = squared_norms.detach() / squared_norms.detach().sum()
    return shares @ returns.detach()


def _least_squares(squared_norms: Tensor, returns: Tensor) -> Tensor:
    """Another right way: the constant that fits the returns best, each counted ‖g‖² times."""
    if _nothing(squared_norms):
        return _zero(returns)
    root = squared_norms.detach().sqrt()[:, None]
    solution: Tensor = torch.linalg.lstsq(root, root * returns.detach()[:, None]).solution
    return solution.reshape(())


def _batch(seed: int, count: int) -> dict[str, Tensor]:
    return {"squared_norms": normal(seed, count).square(), "returns": 4.0 + normal(seed + 1, count)}


EXERCISE = ExerciseSpec(
    number="3.5",
    title="The best constant baseline",
    targets=("optimal_baseline",),
    points=2,
    minutes=15,
    difficulty=2,
    section="The best baseline",
    statement="""
Which constant leaves the least variance? Not quite the mean: a trajectory whose score is long moves the
gradient more and has more of a say. Given the squared lengths of the scores and the returns of a batch, return
the best constant, as data.
""",
    hints=(
        "Only one part of the variance depends on b: the mean of ‖g‖²(R − b)². It is a parabola in b. Where is its "
        "lowest point?",
        "Set the derivative to zero: Σ ‖g‖²(R − b) = 0, so b is a mean of the returns in which each counts "
        "‖g‖² times.",
        "Sum of squared_norms times returns, over the sum of squared_norms, everything detached. If that sum is 0, "
        "return a zero of the same dtype.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "squared_norms": torch.tensor([1.0, 3.0], dtype=torch.float64),
                "returns": torch.tensor([10.0, 2.0], dtype=torch.float64),
            },
            "returns 10 and 2, the second with three times the squared norm: (10 + 6) / 4",
            expected=torch.tensor(4.0, dtype=torch.float64),
        ),
        Case(
            "many trajectories",
            _batch(0, 8),
            "eight trajectories, compared with the lowest point of the parabola; a constant",
            oracle=oracle,
            detached=("squared_norms", "returns"),
        ),
        Law(probes.no_other_baseline_is_better, "it is the best one"),
        Law(probes.returns_may_be_shifted_and_scaled, "it moves with the returns"),
        Case(
            "no score at all",
            {
                "squared_norms": torch.zeros(3, dtype=torch.float64),
                "returns": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
            },
            "a policy that is sure of everything: no baseline matters, and 0 is asked for",
            expected=torch.tensor(0.0, dtype=torch.float64),
        ),
        Case(
            "large scores",
            {
                "squared_norms": torch.tensor([1e8, 1e8, 2e8], dtype=torch.float64),
                "returns": torch.tensor([1e4, -1e4, 6.0], dtype=torch.float64),
            },
            "squared norms of 100,000,000 and returns of ±10,000",
            expected=torch.tensor(3.0, dtype=torch.float64),
        ),
        Case(
            "single precision",
            {"squared_norms": torch.tensor([2.0, 2.0]), "returns": torch.tensor([1.0, 4.0])},
            "float32 in, float32 out; with equal norms it is the mean",
            expected=torch.tensor(2.5),
        ),
        Case(
            "other trajectories",
            _batch(2, 5),
            "five trajectories; a constant",
            oracle=oracle,
            detached=("squared_norms", "returns"),
            hidden=True,
        ),
        Case(
            "no score again",
            {"squared_norms": torch.zeros(2), "returns": torch.tensor([-1.0, 5.0])},
            "squared norms that are all zero",
            expected=torch.tensor(0.0),
            hidden=True,
        ),
        Case(
            "some scores are zero",
            {
                "squared_norms": torch.tensor([0.0, 0.5, 0.0, 1.5], dtype=torch.float64),
                "returns": torch.tensor([9.0, 1.0, -7.0, 3.0], dtype=torch.float64),
            },
            "trajectories without a score do not count",
            expected=torch.tensor(2.5, dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "mean return",
            lambda squared_norms, returns: (
                _zero(returns) if _nothing(squared_norms) else returns.detach().mean()
            ),
            "That is the baseline of exercise 3.3. Here each return counts as much as its score is long, squared.",
        ),
        Mistake(
            "norm not squared",
            lambda squared_norms, returns: _weighted(squared_norms.sqrt(), returns),
            "The variance is made of squares: weight with ‖g‖², which is what you were given.",
        ),
        Mistake(
            "norm squared twice",
            lambda squared_norms, returns: _weighted(squared_norms.square(), returns),
            "The norms come squared already.",
        ),
        Mistake(
            "mean of the products",
            lambda squared_norms, returns: (squared_norms * returns).detach().mean(),
            "Divide by the mean of the squared norms, or the baseline has not the unit of a return.",
        ),
        Mistake(
            "upside down",
            lambda squared_norms, returns: (
                _zero(returns)
                if _nothing(squared_norms)
                else squared_norms.detach().sum() / (squared_norms * returns).detach().sum()
            ),
            "Numerator and denominator are swapped: with equal norms it should be the mean return.",
        ),
        Mistake(
            "carries gradient",
            lambda squared_norms, returns: (
                _zero(returns)
                if _nothing(squared_norms)
                else (squared_norms * returns).sum() / squared_norms.sum()
            ),
            "A baseline is a constant: detach what it is made of.",
        ),
        Mistake(
            "zero over zero",
            lambda squared_norms, returns: (
                (squared_norms * returns).detach().sum() / squared_norms.detach().sum()
            ),
            "If every score is zero this is NaN, which then sits in every weight. Return 0 there.",
        ),
    ),
    variants={"shares": _normalized_first, "least squares": _least_squares},
)
