"""Exercise 8.2: two numbers that tell how far the policy has moved."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import ppo as probes


def _mean(terms: list[float]) -> Tensor:
    return torch.tensor(math.fsum(terms) / max(len(terms), 1), dtype=torch.float64)


def _ratios(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> list[float]:
    keep = mask > 0
    differences = (log_probs - old_log_probs)[keep].tolist()
    return [math.exp(difference) for difference in differences]


def fraction_oracle(
    log_probs: Tensor, old_log_probs: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    """Count those beyond either end."""
    ratios = _ratios(log_probs, old_log_probs, mask)
    return _mean([float(r > 1 + clip_eps or r < 1 - clip_eps) for r in ratios])


def kl_oracle(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    """The area between the ratio and its tangent at 1, step by step."""
    return _mean([r - 1 - math.log(r) for r in _ratios(log_probs, old_log_probs, mask)])


def fraction(
    outside: Callable[[Tensor, float], Tensor],
    mean: Callable[[Tensor, Tensor], Tensor] = lambda x, mask: (
        (mask * x).sum() / mask.sum().clamp(min=1)
    ),
) -> Callable[..., Tensor]:
    def clip_fraction(
        log_probs: Tensor, old_log_probs: Tensor, mask: Tensor, clip_eps: float
    ) -> Tensor:
        ratio = (log_probs - old_log_probs).detach().exp()
        return mean(outside(ratio, clip_eps).to(log_probs.dtype), mask)

    return clip_fraction


def divergence(
    term: Callable[[Tensor], Tensor],
    mean: Callable[[Tensor, Tensor], Tensor] = lambda x, mask: (
        (mask * x).sum() / mask.sum().clamp(min=1)
    ),
) -> Callable[..., Tensor]:
    """Made of the log-ratio of each step."""

    def approx_kl(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
        return mean(term((log_probs - old_log_probs).detach()), mask)

    return approx_kl


def live_divergence(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    d = log_probs - old_log_probs
    return (mask * (d.exp() - 1 - d)).sum() / mask.sum().clamp(min=1)


def plain_mean(x: Tensor, mask: Tensor) -> Tensor:
    return x.mean()


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _batch(seed: int, mask: list[list[float]]) -> dict[str, Tensor]:
    shape = torch.tensor(mask).shape
    old = -normal(seed, *shape).abs() - 0.1
    return {
        "log_probs": old + 0.4 * normal(seed + 1, *shape),
        "old_log_probs": old,
        "mask": _double(mask),
    }


RATIOS = _double([[1.0, 1.3, 0.7], [1.1, 0.85, 9.0]])
KNOWN = {
    "log_probs": RATIOS.log() - 2.0,
    "old_log_probs": torch.full((2, 3), -2.0, dtype=torch.float64),
    "mask": _double([[1, 1, 1], [1, 1, 0]]),
}
EMPTY = {name: x[:1] for name, x in KNOWN.items()} | {"mask": _double([[0, 0, 0]])}
ROWS: list[list[float]] = [[1, 1, 1, 1, 0], [1, 1, 0, 1, 1], [1, 1, 1, 0, 1]]
MORE_ROWS: list[list[float]] = [[1, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 0]]
FRACTION, KL = "clip_fraction", "approx_kl"

EXERCISE = ExerciseSpec(
    number="8.2",
    title="How far has it moved?",
    targets=(FRACTION, KL),
    points=2,
    minutes=15,
    difficulty=2,
    section="Two numbers to watch",
    statement="""
Two numbers that every run of PPO prints. `clip_fraction`: the part of the steps whose ratio has left $1 \\pm
\\epsilon$,
on either side, whatever the advantage. `approx_kl`: the mean of $\\rho - 1 - \\log \\rho$, an unbiased estimate of the
divergence from the old policy to the new one that cannot become negative. Both are for looking at: no gradient.
""",
    hints=(
        "Both begin with the log-ratio of each step that counts and end with a mean.",
        "Fraction: mean of 1(|ρ − 1| > ε). Divergence: mean of (ρ − 1) − log ρ, where log ρ is the "
        "difference you have.",
        "Compare the distance of the ratio from 1 with clip_eps and turn the answer into floats. For the "
        "other: exponentiate, "
        "subtract 1 and the log-ratio itself. Detach; mask; divide by the number of steps that count, at least 1.",
    ),
    checks=(
        Case(
            "fraction by hand",
            KNOWN | {"clip_eps": 0.2},
            "ratios 1, 1.3, 0.7, 1.1, 0.85, and 9 on padding: two of five are outside 1 ± 0.2",
            expected=torch.tensor(0.4, dtype=torch.float64),
            target=FRACTION,
        ),
        Case(
            "fraction of a batch",
            _batch(0, ROWS) | {"clip_eps": 0.25},
            "three rows, counted one by one",
            oracle=fraction_oracle,
            detached=("log_probs", "old_log_probs"),
            target=FRACTION,
        ),
        Case(
            "no width",
            KNOWN | {"clip_eps": 0.0, "mask": _double([[1, 1, 0], [0, 0, 0]])},
            "with a clip of no width a ratio of exactly 1 is still inside",
            expected=torch.tensor(0.5, dtype=torch.float64),
            target=FRACTION,
        ),
        Case(
            "fraction of one",
            KNOWN | {"clip_eps": 0.2, "mask": _double([[0, 1, 0], [0, 0, 0]])},
            "a single step counts, and it is outside",
            expected=torch.tensor(1.0, dtype=torch.float64),
            target=FRACTION,
        ),
        Case(
            "fraction of nothing",
            EMPTY | {"clip_eps": 0.2},
            "no step counts: 0, not NaN",
            expected=torch.tensor(0.0, dtype=torch.float64),
            target=FRACTION,
        ),
        Case(
            "fraction in single precision",
            {
                "log_probs": torch.ones(1, 2),
                "old_log_probs": torch.zeros(1, 2),
                "mask": torch.ones(1, 2),
                "clip_eps": 0.2,
            },
            "float32 in, float32 out",
            expected=torch.tensor(1.0),
            target=FRACTION,
        ),
        Case(
            "divergence by hand",
            KNOWN,
            "the mean of ρ − 1 − log ρ over ratios 1, 1.3, 0.7, 1.1, 0.85",
            expected=torch.tensor(
                (-0.05 - math.log(1.3 * 0.7 * 1.1 * 0.85)) / 5, dtype=torch.float64
            ),
            target=KL,
        ),
        Case(
            "divergence of a batch",
            _batch(4, ROWS),
            "three rows",
            oracle=kl_oracle,
            detached=("log_probs", "old_log_probs"),
            target=KL,
        ),
        Case(
            "divergence of one",
            KNOWN | {"mask": _double([[0, 1, 0], [0, 0, 0]])},
            "a single step counts, with ratio 1.3",
            expected=torch.tensor(0.3 - math.log(1.3), dtype=torch.float64),
            target=KL,
        ),
        Law(probes.a_policy_that_stood_still_has_none, "no move, no divergence", target=KL),
        Law(probes.every_term_is_positive, "a divergence is never negative", target=KL),
        Case(
            "divergence of nothing",
            EMPTY,
            "no step counts: 0, not NaN",
            expected=torch.tensor(0.0, dtype=torch.float64),
            target=KL,
        ),
        Case(
            "fraction of another batch",
            _batch(12, MORE_ROWS) | {"clip_eps": 0.25},
            "four rows",
            oracle=fraction_oracle,
            target=FRACTION,
            hidden=True,
        ),
        Case(
            "divergence of another batch",
            _batch(12, MORE_ROWS),
            "four rows",
            oracle=kl_oracle,
            detached=("log_probs",),
            target=KL,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "counts only ratios above",
            fraction(lambda r, e: r - 1 > e),
            "A ratio may leave on either side. Take the absolute value of its distance from 1.",
            target=FRACTION,
        ),
        Mistake(
            "distance from 0",
            fraction(lambda r, e: r.abs() > e),
            "A policy that stood still has ratio 1, not 0.",
            target=FRACTION,
        ),
        Mistake(
            "distance of the log-ratio",
            fraction(lambda r, e: r.log().abs() > e),
            "The clip is about ρ, not about log ρ: 1 − ε and 1 + ε are not equally far from 1 in logs.",
            target=FRACTION,
        ),
        Mistake(
            "counts instead of a fraction",
            fraction(lambda r, e: (r - 1).abs() > e, lambda x, mask: (mask * x).sum()),
            "Divide by the number of steps that count.",
            target=FRACTION,
        ),
        Mistake(
            "the mask is forgotten",
            fraction(lambda r, e: (r - 1).abs() > e, plain_mean),
            "On padding nobody acted.",
            target=FRACTION,
        ),
        Mistake(
            "minus the mean log-ratio",
            divergence(lambda d: -d),
            "Also unbiased, but its terms have both signs, so that a small batch may report a negative divergence.",
            target=KL,
        ),
        Mistake(
            "half the square",
            divergence(lambda d: d.square() / 2),
            "Half the squared log-ratio is never negative either, but biased.",
            target=KL,
        ),
        Mistake(
            "ratio upside down",
            divergence(lambda d: (-d).exp() - 1 + d),
            "ρ is new over old, because the actions came from the old policy.",
            target=KL,
        ),
        Mistake(
            "the 1 is missing",
            divergence(lambda d: d.exp() - d),
            "A policy that has not moved has divergence 0: ρ − 1 − log ρ.",
            target=KL,
        ),
        Mistake(
            "the divergence carries gradient",
            live_divergence,
            "This number is for looking at. Detach it, so that it cannot slip into a loss.",
            target=KL,
        ),
        Mistake(
            "padding in the divergence",
            divergence(lambda d: d.exp() - 1 - d, plain_mean),
            "On padding nobody acted.",
            target=KL,
        ),
    ),
    variants={
        "clip_fraction.either side": fraction(lambda r, e: (r > 1 + e) | (r < 1 - e)),
        "clip_fraction.by clamping": fraction(lambda r, e: r.clamp(1 - e, 1 + e) != r),
        "approx_kl.without expm1": divergence(lambda d: d.exp() - 1 - d),
    },
)
