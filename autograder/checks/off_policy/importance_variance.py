"""Exercise 7.3: how the variance of a product of ratios grows."""

import math

import torch
from torch import Tensor

from autograder.checks.sequence_oracles import importance_weight_variance
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import off_policy as probes


def oracle(p: Tensor, q: Tensor, steps: int) -> Tensor:
    """List every sequence of actions."""
    return torch.tensor(importance_weight_variance(p, q, steps), dtype=p.dtype)


def _chi_square(p: Tensor, q: Tensor) -> Tensor:
    return torch.where(p > 0, p * (p / q), 0.0).sum() - 1.0


def _by_logarithms(p: Tensor, q: Tensor, steps: int) -> Tensor:
    """Another right way, exact also for nearly equal distributions."""
    return torch.expm1(steps * torch.log1p(_chi_square(p, q)))


def _by_a_loop(p: Tensor, q: Tensor, steps: int) -> Tensor:
    """Another right way: under q, step by step, over the actions that p takes."""
    kept = p > 0
    ratios, moment = p[kept] / q[kept], torch.ones((), dtype=p.dtype)
    for _ in range(steps):
        moment = moment * (p[kept] * ratios).sum()
    return moment - 1


def _pair(seed: int, actions: int, steps: int) -> dict[str, Tensor | int]:
    return {
        "p": normal(seed, actions).softmax(0),
        "q": normal(seed + 1, actions).softmax(0),
        "steps": steps,
    }


def _given(p: list[float], q: list[float], steps: int) -> dict[str, Tensor | int]:
    double = torch.float64
    return {
        "p": torch.tensor(p, dtype=double),
        "q": torch.tensor(q, dtype=double),
        "steps": steps,
    }


EXERCISE = ExerciseSpec(
    number="7.3",
    title="Why products of ratios explode",
    targets=("importance_variance",),
    points=2,
    minutes=15,
    difficulty=2,
    section="Why products explode",
    statement="""
The weight of a sequence is a product of ratios. Its mean is 1. What is its variance, exactly, if all steps are
independent and alike? Mind actions that one of the two policies never takes.
""",
    hints=(
        "The weight has mean 1, so its variance is its mean square minus 1. And the mean of a product of independent "
        "factors is the product of the means.",
        "Under q the square of one ratio has the mean Σ_a q(a) (p(a)/q(a))² = Σ_a p(a)²/q(a). Now T such factors.",
        "One term for each action: p²/q where p > 0, else 0 (torch.where). Sum, to the power of steps, minus 1.",
    ),
    checks=(
        Case(
            "hand value",
            _given([0.5, 0.5], [0.25, 0.75], 1),
            "1/4 over 1/4 plus 1/4 over 3/4 is 4/3: variance 1/3",
            expected=torch.tensor(1.0 / 3.0, dtype=torch.float64),
        ),
        Case(
            "two steps",
            _given([0.5, 0.5], [0.25, 0.75], 2),
            "(4/3)² − 1",
            expected=torch.tensor(7.0 / 9.0, dtype=torch.float64),
        ),
        Case(
            "five steps",
            _pair(0, 3, 5),
            "all 243 sequences of five actions, listed",
            oracle=oracle,
        ),
        Law(probes.equal_distributions_have_no_variance, "p = q"),
        Law(probes.second_moments_multiply, "independent steps"),
        Case(
            "a hole in the behaviour",
            _given([0.5, 0.5, 0.0], [1.0, 0.0, 0.0], 2),
            "q never takes an action that p takes: no finite variance; the third action, which neither takes, adds "
            "nothing",
            expected=torch.tensor(math.inf, dtype=torch.float64),
        ),
        Case(
            "a narrower target",
            _given([1.0, 0.0, 0.0], [0.5, 0.5, 0.0], 3),
            "p takes one of two equally likely actions: weights 8 and 0, variance 7; the third action adds nothing",
            expected=torch.tensor(7.0, dtype=torch.float64),
        ),
        Case(
            "single precision",
            {"p": torch.tensor([1.0, 0.0]), "q": torch.tensor([0.5, 0.5]), "steps": 1},
            "float32 in, float32 out",
            expected=torch.tensor(1.0),
        ),
        Case("four steps", _pair(2, 4, 4), "all 256 sequences", oracle=oracle, hidden=True),
        Case("one step", _pair(4, 5, 1), "five actions, one step", oracle=oracle, hidden=True),
        Case(
            "another hole",
            _given([0.0, 0.2, 0.8], [0.0, 0.0, 1.0], 1),
            "an action that only p takes, and one that nobody takes",
            expected=torch.tensor(math.inf, dtype=torch.float64),
            hidden=True,
        ),
        Case(
            "another narrow target",
            _given([0.0, 1.0, 0.0], [0.75, 0.25, 0.0], 2),
            "a sure target",
            expected=torch.tensor(15.0, dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "linear in the number of steps",
            lambda p, q, steps: steps * _chi_square(p, q),
            "Variances of sums add up. This is a product: its mean squares multiply.",
        ),
        Mistake(
            "the two distributions are exchanged",
            lambda p, q, steps: _by_logarithms(q, p, steps),
            "The actions come from q: q belongs below.",
        ),
        Mistake(
            "the mean square",
            lambda p, q, steps: _by_logarithms(p, q, steps) + 1,
            "That is the mean of the squared weight. Subtract the square of its mean, which is 1.",
        ),
        Mistake(
            "the power of the variance",
            lambda p, q, steps: _chi_square(p, q) ** steps,
            "Mean squares multiply, variances do not: take the power before you subtract 1.",
        ),
        Mistake(
            "the number of steps is ignored",
            lambda p, q, steps: _chi_square(p, q),
            "That is one step. A sequence has `steps` of them.",
        ),
        Mistake(
            "zero over zero",
            lambda p, q, steps: (p * p / q).sum() ** steps - 1,
            "0²/0 is NaN. An action that p never takes adds nothing, whether q takes it or not.",
        ),
    ),
    variants={"logarithms": _by_logarithms, "a loop": _by_a_loop},
)
