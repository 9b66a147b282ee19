"""Exercise 6.6: explained variance."""

import math

import torch
from torch import Tensor

from autograder.checks.sequence_oracles import mean_and_variance
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import actor_critic as probes


def oracle(values: Tensor, returns: Tensor) -> Tensor:
    """With exactly rounded sums; NaN where all returns are equal."""
    _, variances = mean_and_variance(torch.stack([returns, returns - values], dim=1))
    if float(variances[0]) == 0.0:
        return torch.tensor(math.nan, dtype=torch.float64)
    return 1.0 - variances[1] / variances[0]


def _ratio(values: Tensor, returns: Tensor) -> Tensor:
    return (returns - values).var() / returns.var()


def _numpy_like(values: Tensor, returns: Tensor) -> Tensor:
    total = returns.var()
    if total == 0:
        return torch.full_like(total, torch.nan)
    return 1 - (returns - values).var() / total


def _centred(values: Tensor, returns: Tensor) -> Tensor:
    centred = returns - returns.mean()
    errors = returns - values
    total = centred.square().sum()
    left = (errors - errors.mean()).square().sum()
    return torch.where(total == 0, torch.nan, 1 - left / total)


def _pair(seed: int, count: int, noise: float, offset: float) -> dict[str, Tensor]:
    """A critic of some quality, shifted."""
    returns = 3.0 * normal(seed, count) + 2.0
    return {"values": returns + noise * normal(seed + 1, count) + offset, "returns": returns}


EXERCISE = ExerciseSpec(
    number="6.6",
    title="Explained variance",
    targets=("explained_variance",),
    points=2,
    minutes=12,
    difficulty=2,
    section="Is the critic any good?",
    statement="""
The one number to watch about a critic: which part of the returns' variance it accounts for. 1 is perfect, 0 is as good
as a constant, below 0 is worse than a constant. If all returns are equal there is nothing to explain: NaN.
""",
    hints=(
        "Compare how much the returns vary with how much of it is left once the critic's word is subtracted.",
        "1 − Var(G − V) / Var(G): variances, not deviations, and not mean squares. Var(G) = 0 gives NaN.",
        "total = returns.var(); 1 − (returns − values).var() / total; torch.where(total > 0, that, torch.nan).",
    ),
    checks=(
        Case(
            "hand value",
            {
                "values": torch.tensor([1.0, 1.0, 3.0, 3.0], dtype=torch.float64),
                "returns": torch.tensor([0.0, 2.0, 2.0, 4.0], dtype=torch.float64),
            },
            "the returns have variance 2, what the critic leaves over has variance 1",
            expected=torch.tensor(0.5, dtype=torch.float64),
        ),
        Case(
            "a fair critic",
            _pair(0, 12, 1.0, 1.5),
            "twelve steps, a critic that is always too high",
            oracle=oracle,
        ),
        Case(
            "a bad critic",
            _pair(2, 9, 8.0, 0.0),
            "worse than a constant: a negative number",
            oracle=oracle,
        ),
        Case(
            "nothing to explain",
            {"offset": 2.0},
            "all returns are 2: NaN, not −inf",
            probe=probes.nothing_to_explain_is_nan,
            expected=torch.tensor(math.nan, dtype=torch.float64),
        ),
        Law(probes.a_constant_offset_of_the_critic_is_forgiven, "variances know no offsets"),
        Case(
            "single precision",
            {"values": torch.zeros(2), "returns": torch.tensor([0.0, 2.0])},
            "float32 in, float32 out; a critic that says nothing explains nothing",
            expected=torch.tensor(0.0),
        ),
        Case(
            "another critic", _pair(4, 15, 2.0, -3.0), "fifteen steps", oracle=oracle, hidden=True
        ),
        Case("a worse critic", _pair(6, 7, 9.0, 1.0), "seven steps", oracle=oracle, hidden=True),
        Case(
            "constant returns",
            {"offset": -1.0},
            "all returns are −1",
            probe=probes.nothing_to_explain_is_nan,
            expected=torch.tensor(math.nan, dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "values and returns swapped",
            lambda values, returns: oracle(returns, values),
            "The denominator is the variance of what came, not of what was said.",
        ),
        Mistake(
            "ratio of standard deviations",
            lambda values, returns: torch.where(
                returns.var() > 0, 1 - _ratio(values, returns).sqrt(), torch.nan
            ),
            "Variances were asked for: no square roots.",
        ),
        Mistake(
            "zero variance gives an infinity",
            lambda values, returns: 1 - _ratio(values, returns),
            "If all returns are equal, the division by 0 gives −inf and spoils every mean. NaN was asked for.",
        ),
        Mistake(
            "mean squares instead of variances",
            lambda values, returns: torch.where(
                returns.var() > 0,
                1 - (returns - values).square().mean() / returns.var(correction=0),
                torch.nan,
            ),
            "That is R². Here a constant offset of the critic is forgiven: use variances above and below.",
        ),
        Mistake(
            "unexplained instead of explained",
            lambda values, returns: torch.where(
                returns.var() > 0, _ratio(values, returns), torch.nan
            ),
            "That is the part that is left. Subtract it from 1.",
        ),
        Mistake(
            "sample variance over population variance",
            lambda values, returns: torch.where(
                returns.var() > 0,
                1 - (returns - values).var() / returns.var(correction=0),
                torch.nan,
            ),
            "One variance was divided by N, the other by N − 1. Either will do, but both the same.",
        ),
    ),
    variants={"an if": _numpy_like, "sums of squares": _centred},
)
