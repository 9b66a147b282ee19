"""Exercise 7.4: each reward weighted with the ratios up to it."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import off_policy as probes


def oracle(log_ratios: Tensor, mask: Tensor) -> Tensor:
    """For each step, add up the steps before it."""
    weights = torch.zeros(log_ratios.shape, dtype=log_ratios.dtype)
    for b in range(mask.shape[0]):
        for t in range(mask.shape[1]):
            if bool(mask[b, t]):
                past = [float(log_ratios[b, k]) for k in range(t + 1) if bool(mask[b, k])]
                weights[b, t] = math.exp(math.fsum(past))
    return weights


def _masked(log_ratios: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask > 0, log_ratios, 0.0)


def _loop(log_ratios: Tensor, mask: Tensor) -> Tensor:
    """Another right way: carry the sum along."""
    total, columns = torch.zeros_like(log_ratios[:, 0]), []
    for t in range(log_ratios.shape[1]):
        counts = mask[:, t] > 0
        total = total + torch.where(counts, log_ratios[:, t], 0.0)
        columns.append(torch.where(counts, total.exp(), 0.0))
    return torch.stack(columns, dim=1)


def _triangle(log_ratios: Tensor, mask: Tensor) -> Tensor:
    """Another right way: a lower triangular matrix adds up the past."""
    steps = log_ratios.shape[1]
    past = torch.ones(steps, steps, dtype=log_ratios.dtype).triu()
    return (_masked(log_ratios, mask) @ past).exp() * (mask > 0)


def _batch(seed: int, mask: list[list[float]]) -> dict[str, Tensor]:
    shape = torch.tensor(mask).shape
    return {
        "log_ratios": 0.5 * normal(seed, *shape),
        "mask": torch.tensor(mask, dtype=torch.float64),
    }


def _given(log_ratios: list[list[float]], mask: list[list[float]]) -> dict[str, Tensor]:
    double = torch.float64
    return {
        "log_ratios": torch.tensor(log_ratios, dtype=double),
        "mask": torch.tensor(mask, dtype=double),
    }


LOG2 = math.log(2.0)

EXERCISE = ExerciseSpec(
    number="7.4",
    title="Per-decision weights",
    targets=("per_decision_weights",),
    points=2,
    minutes=15,
    difficulty=2,
    section="Only the past counts",
    statement="""
One weight for each step: the product of the ratios of all actions up to and with it. Each row is one trajectory. What
stands on padding does not matter, not even if it is infinite; the weight there is 0.
""",
    hints=(
        "A reward depends on the actions up to it and on none after. So its weight is made of those alone.",
        "A product of ratios is the exponential of a sum of log-ratios along T, up to and with t. Masked: add 0.",
        "torch.where puts 0 where the mask is 0; a cumulative sum along dim 1; exp; torch.where again for the padding.",
    ),
    checks=(
        Case(
            "hand value",
            _given([[LOG2, -LOG2, 2 * LOG2], [-LOG2, -LOG2, 0.0]], [[1, 1, 1], [1, 1, 1]]),
            "ratios 2, 1/2, 4 and 1/2, 1/2, 1",
            expected=torch.tensor([[2.0, 1.0, 4.0], [0.5, 0.25, 0.25]], dtype=torch.float64),
        ),
        Case(
            "three trajectories",
            _batch(0, [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]),
            "rows of 4, 2 and 3 steps, compared with a loop; gradient by finite differences",
            oracle=oracle,
            gradients=("log_ratios",),
        ),
        Law(probes.weighted_rewards_have_the_mean_of_the_target, "unbiased"),
        Law(probes.later_actions_change_no_earlier_weight, "only the past counts"),
        Law(probes.one_row_does_not_see_another, "rows are trajectories"),
        Case(
            "a gap",
            _batch(2, [[1, 0, 1, 1], [0, 1, 1, 1]]),
            "a step that does not count in the middle has a ratio of 1",
            oracle=oracle,
            gradients=("log_ratios",),
        ),
        Case(
            "anything on the padding",
            _given([[LOG2, math.inf], [LOG2, math.nan]], [[1, 0], [1, 0]]),
            "infinity and NaN stand on the padding",
            expected=torch.tensor([[2.0, 0.0], [2.0, 0.0]], dtype=torch.float64),
        ),
        Case(
            "very large logarithms",
            _given([[-1e4, 1e4, LOG2]], [[1, 1, 1]]),
            "log-ratios −10,000 and +10,000: after both the weight is 1 again, and then 2",
            expected=torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64),
        ),
        Case(
            "single precision, bool mask",
            {"log_ratios": torch.zeros(1, 3), "mask": torch.tensor([[True, True, False]])},
            "float32 in, float32 out; the mask may be bool",
            expected=torch.tensor([[1.0, 1.0, 0.0]]),
        ),
        Case(
            "other trajectories",
            _batch(4, [[1, 1, 1], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 1]]),
            "five rows",
            oracle=oracle,
            gradients=("log_ratios",),
            hidden=True,
        ),
        Case(
            "other large logarithms",
            _given(
                [[-2e4, 2e4, 0.0, -LOG2], [0.0, -LOG2, math.nan, math.inf]], [[1] * 4, [1, 1, 0, 0]]
            ),
            "log-ratios of 20,000, and NaN on padding",
            expected=torch.tensor(
                [[0.0, 1.0, 1.0, 0.5], [1.0, 0.5, 0.0, 0.0]], dtype=torch.float64
            ),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "cumulated over the batch",
            lambda log_ratios, mask: _masked(log_ratios, mask).cumsum(0).exp() * (mask > 0),
            "Rows are different trajectories. Cumulate along T, which is dim 1.",
        ),
        Mistake(
            "the future is included",
            lambda log_ratios, mask: (
                _masked(log_ratios, mask).sum(1, keepdim=True).exp() * (mask > 0)
            ),
            "That is the weight of the whole trajectory: unbiased too, but noisier. Leave out what comes after.",
        ),
        Mistake(
            "only the future",
            lambda log_ratios, mask: (
                _masked(log_ratios, mask).flip(1).cumsum(1).flip(1).exp() * (mask > 0)
            ),
            "The actions *before* a reward decide how likely it was to be reached.",
        ),
        Mistake(
            "its own action is left out",
            lambda log_ratios, mask: (
                (_masked(log_ratios, mask).cumsum(1) - _masked(log_ratios, mask)).exp() * (mask > 0)
            ),
            "rewards[:, t] follows actions[:, t]: the ratio at t belongs to it.",
        ),
        Mistake(
            "each step by itself",
            lambda log_ratios, mask: _masked(log_ratios, mask).exp() * (mask > 0),
            "The earlier actions brought us here: their ratios are part of the product.",
        ),
        Mistake(
            "a product of exponentials",
            lambda log_ratios, mask: _masked(log_ratios, mask).exp().cumprod(1) * (mask > 0),
            "exp(10000) is infinite and 0 · ∞ is NaN. Add the logarithms first, then take the exponential.",
        ),
        Mistake(
            "padding multiplied away",
            lambda log_ratios, mask: (log_ratios * mask).cumsum(1).exp() * mask,
            "0 · ∞ and 0 · NaN are NaN. Choose with torch.where instead of multiplying.",
        ),
        Mistake(
            "detached",
            lambda log_ratios, mask: _loop(log_ratios.detach(), mask),
            "The weights depend on the policy: gradients must flow to log_ratios.",
        ),
    ),
    variants={"a loop": _loop, "a triangular matrix": _triangle},
)
