"""Exercise 7.2: the effective sample size."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import off_policy as probes


def oracle(log_weights: Tensor) -> Tensor:
    """In Python floats with exactly rounded sums."""
    logs = log_weights.tolist()
    weights = [math.exp(log - max(logs)) for log in logs]
    size = math.fsum(weights) ** 2 / math.fsum(w * w for w in weights)
    return torch.tensor(size, dtype=log_weights.dtype)


def _of_weights(weights: Tensor) -> Tensor:
    return weights.sum().square() / weights.square().sum()


def _shifted(log_weights: Tensor) -> Tensor:
    return _of_weights((log_weights - log_weights.max()).exp())


def _perplexity(log_weights: Tensor) -> Tensor:
    entropy: Tensor = torch.special.entr(log_weights.softmax(0)).sum()
    return entropy.exp()


def _from_the_spread(log_weights: Tensor) -> Tensor:
    """Another right way: N / (1 + squared coefficient of variation)."""
    weights = (log_weights - log_weights.max()).exp()
    return len(weights) / (1 + weights.var(correction=0) / weights.mean().square())


def _double(*numbers: float) -> dict[str, Tensor]:
    return {"log_weights": torch.tensor(numbers, dtype=torch.float64)}


EXERCISE = ExerciseSpec(
    number="7.2",
    title="Effective sample size",
    targets=("effective_sample_size",),
    points=2,
    minutes=12,
    difficulty=2,
    section="How many samples are left?",
    statement="""
How many samples of equal weight are the weighted ones worth? Between 1 and N, not divided by N. The weights come as
logarithms, of any size.
""",
    hints=(
        "If all weights but one are tiny, there is one sample. If all are equal, there are N.",
        "(Σ w)² / Σ w². A common factor cancels, so make the largest weight 1, or stay with logarithms to the end.",
        "weights = a softmax of log_weights; they sum to 1, so what remains is one over the sum of their squares.",
    ),
    checks=(
        Case(
            "hand value",
            _double(math.log(1.0), math.log(2.0), math.log(3.0)),
            "weights 1, 2 and 3: 36 / 14",
            expected=torch.tensor(36.0 / 14.0, dtype=torch.float64),
        ),
        Case(
            "equal weights",
            _double(-3.0, -3.0, -3.0, -3.0, -3.0),
            "five equal weights are worth five samples",
            expected=torch.tensor(5.0, dtype=torch.float64),
        ),
        Case(
            "some weights",
            {"log_weights": normal(0, 12)},
            "twelve weights, compared with sums of Python floats",
            oracle=oracle,
        ),
        Law(probes.a_common_factor_changes_nothing, "only proportions count"),
        Law(probes.every_sample_twice_is_worth_twice_as_much, "it is not divided by N"),
        Case(
            "very large logarithms",
            _double(1e4, 1e4, -1e4),
            "log-weights of ±10,000: two samples",
            expected=torch.tensor(2.0, dtype=torch.float64),
        ),
        Case(
            "a weight of zero",
            _double(-math.inf, 0.0, 0.0),
            "a log-weight of −∞ is a weight of 0",
            expected=torch.tensor(2.0, dtype=torch.float64),
        ),
        Case(
            "single precision",
            {"log_weights": torch.zeros(3)},
            "float32 in, float32 out",
            expected=torch.tensor(3.0),
        ),
        Case(
            "other weights",
            {"log_weights": 2.0 * normal(1, 30)},
            "thirty weights",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "very small logarithms",
            _double(-1e4, -1e4 + math.log(2.0), -2e4),
            "log-weights far below any exponential",
            expected=torch.tensor(1.8, dtype=torch.float64),
            hidden=True,
        ),
        Case(
            "a single sample",
            _double(-7.0),
            "one sample is worth one",
            expected=torch.tensor(1.0, dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "weights that overflow",
            lambda log_weights: _of_weights(log_weights.exp()),
            "exp(10000) is infinite. A common factor cancels: make the largest weight 1 before you sum.",
        ),
        Mistake(
            "divided by N",
            lambda log_weights: _shifted(log_weights) / len(log_weights),
            "That is the share that is left. The number of samples was asked for.",
        ),
        Mistake(
            "logarithms taken for weights",
            _of_weights,
            "What comes in are logarithms of weights.",
        ),
        Mistake(
            "the inverse",
            lambda log_weights: 1.0 / _shifted(log_weights),
            "Equal weights must give N, not 1/N.",
        ),
        Mistake(
            "the sum is not squared",
            lambda log_weights: (
                (log_weights - log_weights.max()).exp().sum()
                / (log_weights - log_weights.max()).exp().square().sum()
            ),
            "(Σ w)² stands above: without the square a common factor does not cancel.",
        ),
        Mistake(
            "exponential of the entropy",
            _perplexity,
            "That also lies between 1 and N, but it is another measure. Use sums of weights and of their squares.",
        ),
    ),
    variants={"shift by the largest": _shifted, "coefficient of variation": _from_the_spread},
)
