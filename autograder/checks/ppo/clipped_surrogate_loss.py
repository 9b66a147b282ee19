"""Exercise 8.1: the clipped surrogate."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import ppo as probes

Objective = Callable[[Tensor, Tensor, float], Tensor]


def oracle(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    """Step by step: a good action is paid up to 1 + eps, a bad one is blamed down to 1 - eps."""
    total, count = 0.0, 0
    for new, old, advantage, counts in zip(
        *(x.reshape(-1).tolist() for x in (log_probs, old_log_probs, advantages, mask)), strict=True
    ):
        ratio = math.exp(new - old)
        paid = min(ratio, 1 + clip_eps) if advantage > 0 else max(ratio, 1 - clip_eps)
        if counts:
            total, count = total + paid * advantage, count + 1
    return torch.tensor(-total / max(count, 1), dtype=torch.float64)


def clipped(ratio: Tensor, eps: float) -> Tensor:
    return ratio.clamp(1 - eps, 1 + eps)


def of(
    objective: Objective, divisor: Callable[[Tensor], Tensor] | None = None
) -> Callable[..., Tensor]:
    """A loss made of an objective for each step, otherwise as asked for."""

    def loss(
        log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
    ) -> Tensor:
        ratio = (log_probs - old_log_probs.detach()).exp()
        terms = mask * objective(ratio, advantages.detach(), clip_eps)
        return -terms.sum() / (divisor(mask) if divisor else mask.sum().clamp(min=1))

    return loss


def right(ratio: Tensor, a: Tensor, eps: float) -> Tensor:
    return torch.minimum(ratio * a, clipped(ratio, eps) * a)


def live(*names: str) -> Callable[..., Tensor]:
    """Right in value, with gradient into the inputs named, and into no other."""

    def loss(
        log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
    ) -> Tensor:
        given = {"log_probs": log_probs, "old_log_probs": old_log_probs, "advantages": advantages}
        new, old, a = (x if name in names else x.detach() for name, x in given.items())
        terms = mask * right((new - old).exp(), a, clip_eps)
        return -terms.sum() / mask.sum().clamp(min=1)

    return loss


def cases_by_sign(ratio: Tensor, a: Tensor, eps: float) -> Tensor:
    """Another right way: the figure of the paper, one side at a time."""
    return torch.where(a > 0, ratio.clamp(max=1 + eps), ratio.clamp(min=1 - eps)) * a


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


REGIONS = (
    _double([[1.0, 1.1, 1.5, 0.5], [1.5, 0.5, 0.9, 0.7]]),
    _double([[2.0, -1.0, 3.0, 3.0], [-2.0, -2.0, 1.0, 5.0]]),
    _double([[1, 1, 1, 1], [1, 1, 1, 0]]),
)


def _batch(seed: int, mask: list[list[float]], spread: float = 0.5) -> dict[str, object]:
    """Ratios on both sides of the clip, advantages of both signs; numbers also on the padding."""
    shape = torch.tensor(mask).shape
    old = -normal(seed, *shape).abs() - 0.1
    return {
        "log_probs": old + spread * normal(seed + 1, *shape),
        "old_log_probs": old,
        "advantages": normal(seed + 2, *shape),
        "mask": _double(mask),
        "clip_eps": 0.2,
    }


EXERCISE = ExerciseSpec(
    number="8.1",
    title="The clipped surrogate",
    targets=("clipped_surrogate_loss",),
    points=3,
    minutes=20,
    difficulty=3,
    section="The clip",
    statement="""
Write the loss that gave PPO its name. A step's ratio times its advantage, but not more than the same with the ratio
clipped to $1 \\pm \\epsilon$; the mean over the steps that count; a minus in front. Only the policy being trained
receives a gradient.
""",
    hints=(
        "Two versions of the same number, one with the clip and one without. Be pessimistic: take the smaller.",
        "ρ = exp(log π − log π_old). Then min(ρA, clip(ρ, 1 − ε, 1 + ε) A), with the advantage inside the min.",
        "Exponentiate the difference; clamp a copy; torch.minimum of the two products; mask, sum, divide by the "
        "number of steps that count (at least 1), negate. Detach what belongs to the past.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "log_probs": REGIONS[0].log() - 1.0,
                "old_log_probs": -torch.ones(2, 4, dtype=torch.float64),
                "advantages": REGIONS[1],
                "mask": REGIONS[2],
                "clip_eps": 0.2,
            },
            "ratios 1, 1.1, 1.5, 0.5, 1.5, 0.5, 0.9 with advantages 2, −1, 3, 3, −2, −2, 1: "
            "2 − 1.1 + 3.6 + 1.5 − 3 − 1.6 + 0.9, seven steps count",
            expected=torch.tensor(-2.3 / 7.0, dtype=torch.float64),
        ),
        Case(
            "value and gradient",
            _batch(0, [[1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [0, 1, 1, 1, 0]]),
            "all regions, compared with a loop; the gradient, by finite differences, is zero exactly where "
            "the clip holds",
            oracle=oracle,
            gradients=("log_probs",),
            detached=("old_log_probs", "advantages"),
        ),
        Law(
            probes.the_first_gradient_is_the_policy_gradient, "at ratio 1 the clip changes nothing"
        ),
        Law(probes.a_huge_clip_is_no_clip, "without the clip it is the plain surrogate"),
        Law(probes.both_log_probabilities_may_be_shifted, "a ratio"),
        Law(probes.a_bool_mask_will_do, "masks of both kinds"),
        Law(probes.a_batch_twice_is_as_good_as_once, "a mean over steps"),
        Case(
            "a single step",
            _batch(8, [[0, 1, 0], [0, 0, 0]]),
            "only one step counts",
            oracle=oracle,
            gradients=("log_probs",),
        ),
        Case(
            "empty mask",
            _batch(2, [[0, 0], [0, 0]]),
            "no step counts: 0, not NaN",
            expected=torch.tensor(0.0, dtype=torch.float64),
        ),
        Case(
            "single precision",
            {
                "log_probs": torch.zeros(1, 2),
                "old_log_probs": torch.zeros(1, 2),
                "advantages": torch.full((1, 2), 3.0),
                "mask": torch.ones(1, 2),
                "clip_eps": 0.1,
            },
            "float32 in, float32 out",
            expected=torch.tensor(-3.0),
        ),
        Case(
            "another batch",
            _batch(4, [[1, 1, 1, 0], [1, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 1]]) | {"clip_eps": 0.3},
            "four rows",
            oracle=oracle,
            gradients=("log_probs",),
            detached=("old_log_probs", "advantages"),
            hidden=True,
        ),
        Case(
            "nothing counts",
            _batch(6, [[0, 0, 0]]),
            "an empty row",
            expected=torch.tensor(0.0, dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the larger of the two",
            of(lambda r, a, e: torch.maximum(r * a, clipped(r, e) * a)),
            "The bound is pessimistic: of the two products take the smaller one.",
        ),
        Mistake(
            "only the clipped product",
            of(lambda r, a, e: clipped(r, e) * a),
            "Without the min, a step that went the wrong way far enough gets no gradient and never comes back.",
        ),
        Mistake(
            "clipped from above only",
            of(lambda r, a, e: torch.minimum(r * a, r.clamp(max=1 + e) * a)),
            "A bad action has been made improbable enough at 1 − ε: the clip has two sides.",
        ),
        Mistake(
            "clipped from below only",
            of(lambda r, a, e: torch.minimum(r * a, r.clamp(min=1 - e) * a)),
            "A good action has been encouraged enough at 1 + ε: the clip has two sides.",
        ),
        Mistake(
            "clipped around 0",
            of(lambda r, a, e: torch.minimum(r * a, r.clamp(-e, e) * a)),
            "A ratio starts at 1, so it is kept within 1 ± ε. It is the log-ratio that starts at 0.",
        ),
        Mistake(
            "the product is clipped",
            of(lambda r, a, e: torch.minimum(r * a, (r * a).clamp(1 - e, 1 + e))),
            "Clip the ratio, then multiply with the advantage.",
        ),
        Mistake(
            "minimum of the ratios",
            of(lambda r, a, e: torch.minimum(r, clipped(r, e)) * a),
            "For a negative advantage the smaller ratio gives the larger product. Multiply first, then take the min.",
        ),
        Mistake(
            "wrong sign",
            of(lambda r, a, e: -right(r, a, e)),
            "An optimizer minimizes: without the minus good actions become improbable.",
        ),
        Mistake(
            "ratio upside down",
            of(lambda r, a, e: right(1 / r, a, e)),
            "New over old: exp(log_probs − old_log_probs).",
        ),
        Mistake(
            "log-ratio for ratio",
            of(lambda r, a, e: right(r.log(), a, e)),
            "The difference of log-probabilities is the log of the ratio. Exponentiate it.",
        ),
        Mistake(
            "the ratio is detached",
            live(),
            "The gradient reaches the policy through the ratio, d ρ = ρ d log π. Detach the old "
            "log-probabilities only.",
        ),
        Mistake(
            "the old policy is trained too",
            live("log_probs", "old_log_probs"),
            "old_log_probs were recorded when the actions were taken. They are constants.",
        ),
        Mistake(
            "the advantage carries gradient",
            live("log_probs", "advantages"),
            "Advantages are data here; the critic has a loss of its own.",
        ),
        Mistake(
            "padding counted in the mean",
            of(right, lambda mask: torch.tensor(float(mask.numel()), dtype=mask.dtype)),
            "Divide by the number of steps that count, not by B·T.",
        ),
        Mistake(
            "sum instead of mean",
            of(right, lambda mask: torch.ones((), dtype=mask.dtype)),
            "Twice as many steps must not double the gradient.",
        ),
    ),
    variants={"by the sign of the advantage": of(cases_by_sign), "in one expression": of(right)},
)
