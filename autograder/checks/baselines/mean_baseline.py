"""Exercise 3.3: the mean return as a baseline."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import baselines as probes


def oracle(returns: Tensor) -> Tensor:
    """Exactly rounded sum of Python floats."""
    return torch.tensor(math.fsum(returns.tolist()) / len(returns), dtype=returns.dtype)


def _running(returns: Tensor) -> Tensor:
    """Another right way: a running mean."""
    mean = torch.zeros((), dtype=returns.dtype)
    for count, value in enumerate(returns.detach(), start=1):
        mean = mean + (value - mean) / count
    return mean


EXERCISE = ExerciseSpec(
    number="3.3",
    title="The mean as a baseline",
    targets=("mean_baseline",),
    points=1,
    minutes=10,
    difficulty=1,
    section="The mean of the batch",
    statement="""
The simplest baseline: the mean return of the batch, as a constant. Then find out *why* it is not quite without
bias. Write the weight of trajectory $i$ as $R_i - b$ and collect what multiplies $R_i$: of its own return only
the share $1 - \\frac1B$ is left, so the expected gradient is $\\frac{B-1}{B}$ of the exact one. The page checks
this over every possible batch.
""",
    hints=(
        "One number for the whole batch: what a trajectory earned on average.",
        "The baseline is a constant in the loss. Returns may carry a gradient (a penalty computed from "
        "log-probabilities "
        "does); it must stop here.",
        "Detach the returns, then take their mean. No correction: the factor (B − 1)/B is part of what is asked for.",
    ),
    checks=(
        Case(
            "hand value",
            {"returns": torch.tensor([9.0, 10.0, 14.0], dtype=torch.float64)},
            "returns 9, 10 and 14",
            expected=torch.tensor(11.0, dtype=torch.float64),
        ),
        Case(
            "many returns",
            {"returns": 3.0 + normal(0, 9)},
            "nine returns; the result is a single number without gradient",
            oracle=oracle,
            detached=("returns",),
        ),
        Law(probes.the_weights_sum_to_zero, "returns minus baseline balance"),
        Law(
            probes.the_expected_gradient_has_the_right_direction,
            "the bias is one of length, not of direction",
        ),
        Case(
            "large returns",
            {"returns": torch.tensor([1e4, -1e4, 3.0], dtype=torch.float64)},
            "returns of ±10,000",
            expected=torch.tensor(1.0, dtype=torch.float64),
        ),
        Case(
            "single precision",
            {"returns": torch.tensor([1.0, 2.0])},
            "float32 in, float32 out",
            expected=torch.tensor(1.5),
        ),
        Case(
            "other returns",
            {"returns": normal(1, 6) - 5.0},
            "six returns, below zero; a constant",
            oracle=oracle,
            detached=("returns",),
            hidden=True,
        ),
        Case(
            "one return",
            {"returns": torch.tensor([4.0], dtype=torch.float64)},
            "a batch of one: nothing is left of its gradient",
            expected=torch.tensor(4.0, dtype=torch.float64),
            detached=("returns",),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "carries gradient",
            lambda returns: returns.mean(),
            "A baseline is a constant: detach the returns, or the loss will change them too.",
        ),
        Mistake(
            "sum instead of mean",
            lambda returns: returns.detach().sum(),
            "The baseline is what one trajectory earns on average, whatever the size of the batch.",
        ),
        Mistake(
            "corrected for the bias",
            lambda returns: (
                returns.detach().sum() / (len(returns) - 1)
                if len(returns) > 1
                else torch.full((), float("nan"), dtype=returns.dtype)
            ),
            "Dividing the sum by B − 1 gives no mean. The factor (B − 1)/B belongs to the gradient; exercise 3.4 "
            "gets rid of it.",
        ),
        Mistake(
            "median",
            lambda returns: returns.detach().median() if len(returns) > 1 else returns[0],
            "The median is a fine baseline too, but the mean is asked for, and only with it the weights sum to zero.",
        ),
        Mistake(
            "one number for each return",
            lambda returns: returns.detach().mean().expand_as(returns),
            "Return a single number, of shape ().",
        ),
    ),
    variants={
        "running mean": _running,
        "sum over length": lambda returns: returns.detach().sum() / len(returns),
    },
)
