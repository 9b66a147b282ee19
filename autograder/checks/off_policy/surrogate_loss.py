"""Exercise 7.5: the surrogate objective."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import off_policy as probes


def oracle(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """Collect the steps that count, then take their mean."""
    terms = [
        -math.exp(float(log_probs[b, t]) - float(old_log_probs[b, t])) * float(advantages[b, t])
        for b in range(mask.shape[0])
        for t in range(mask.shape[1])
        if bool(mask[b, t])
    ]
    return torch.tensor(math.fsum(terms) / max(len(terms), 1), dtype=log_probs.dtype)


def _mean(gains: Tensor, mask: Tensor) -> Tensor:
    return -(mask * gains).sum() / mask.sum().clamp(min=1)


def _right(log_probs: Tensor, old: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    return _mean((log_probs - old.detach()).exp() * advantages.detach(), mask)


def _select(log_probs: Tensor, old: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """Another right way: keep the steps that count."""
    kept = mask > 0
    ratios = torch.exp(log_probs[kept] - old[kept].detach())
    return -(ratios * advantages[kept].detach()).sum() / max(int(kept.sum()), 1)


def _where(log_probs: Tensor, old: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """Another right way: in a block without gradients for what is constant."""
    with torch.no_grad():
        weights = torch.where(mask > 0, advantages, 0.0) / mask.sum().clamp(min=1)
        constants = old.clone()
    return -torch.sum(torch.exp(log_probs - constants) * weights)


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _batch(seed: int, mask: list[list[float]]) -> dict[str, Tensor]:
    """Numbers also on the padding, where they must not count."""
    shape = torch.tensor(mask).shape
    return {
        "log_probs": -normal(seed, *shape).abs(),
        "old_log_probs": -normal(seed + 1, *shape).abs(),
        "advantages": normal(seed + 2, *shape),
        "mask": _double(mask),
    }


EXERCISE = ExerciseSpec(
    number="7.5",
    title="The surrogate objective",
    targets=("surrogate_loss",),
    points=3,
    minutes=20,
    difficulty=3,
    section="The surrogate",
    statement="""
The loss that lets one batch be used several times: each advantage times the ratio of its own step, mean over the steps
that count. Think about each of the four inputs: which of them may a gradient reach? An empty mask gives 0.
""",
    hints=(
        "Put the ratio of new to old probability where the actor's loss of chapter 6 has the log-probability.",
        "−Σ mask · exp(log π − log π_old) · A / Σ mask. Only the new policy is being trained; the rest "
        "is data.",
        "ratio = exp of log_probs minus the detached old ones; mask · ratio · detached A; sum; divide by the "
        "mask's sum (at least 1); a minus.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "log_probs": _double([[math.log(0.6), math.log(0.1)], [math.log(0.5), -1.0]]),
                "old_log_probs": _double([[math.log(0.3), math.log(0.2)], [math.log(0.5), -9.0]]),
                "advantages": _double([[1.0, 2.0], [-6.0, 5.0]]),
                "mask": _double([[1.0, 1.0], [1.0, 0.0]]),
            },
            "ratios 2, 1/2 and 1: −(2·1 + ½·2 − 1·6) / 3; the last step does not count",
            expected=torch.tensor(1.0, dtype=torch.float64),
        ),
        Case(
            "value and gradient",
            _batch(0, [[1, 1, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]]),
            "three rows, compared with a loop; gradient by finite differences",
            oracle=oracle,
            gradients=("log_probs",),
            detached=("old_log_probs", "advantages"),
        ),
        Law(probes.at_the_old_policy_it_is_the_policy_gradient, "at the old policy"),
        Law(probes.a_batch_twice_is_as_good_as_once, "a mean over steps"),
        Law(probes.a_bool_mask_will_do, "masks of both kinds"),
        Case(
            "long texts",
            {
                "log_probs": _double([[-1000.0, -2000.0]]),
                "old_log_probs": _double([[-1001.0, -2000.0]]),
                "advantages": _double([[1.0, -3.0]]),
                "mask": _double([[1.0, 1.0]]),
            },
            "log-probabilities whose exponentials are 0: the ratios are e and 1",
            expected=torch.tensor((3.0 - math.e) / 2, dtype=torch.float64),
        ),
        Case(
            "a single step",
            _batch(12, [[0, 1, 0], [0, 0, 0]]),
            "only one step counts",
            oracle=oracle,
            gradients=("log_probs",),
        ),
        Case(
            "empty mask",
            _batch(3, [[0, 0], [0, 0]]),
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
            },
            "float32 in, float32 out",
            expected=torch.tensor(-3.0),
        ),
        Case(
            "another batch",
            _batch(6, [[1, 1, 1], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 0]]),
            "five rows",
            oracle=oracle,
            gradients=("log_probs",),
            detached=("old_log_probs", "advantages"),
            hidden=True,
        ),
        Case(
            "longer texts",
            {
                "log_probs": _double([[-3000.0], [-1e4]]),
                "old_log_probs": _double([[-3000.0], [-1e4]]),
                "advantages": _double([[2.0], [4.0]]),
                "mask": _double([[1.0], [1.0]]),
            },
            "log-probabilities of −10,000",
            expected=torch.tensor(-3.0, dtype=torch.float64),
            hidden=True,
        ),
        Case(
            "nothing counts",
            _batch(9, [[0, 0, 0]]),
            "an empty row",
            expected=torch.tensor(0.0, dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the old policy carries gradient",
            lambda log_probs, old_log_probs, advantages, mask: _mean(
                (log_probs - old_log_probs).exp() * advantages.detach(), mask
            ),
            "The policy that sampled is history. If both came from one network, the two gradients would cancel: "
            "detach old_log_probs.",
        ),
        Mistake(
            "the ratio is detached",
            lambda log_probs, old_log_probs, advantages, mask: _right(
                log_probs.detach(), old_log_probs, advantages, mask
            ),
            "Nothing is left to learn from. The ratio is differentiable: ∇ρ = ρ ∇log π.",
        ),
        Mistake(
            "the ratio only weights",
            lambda log_probs, old_log_probs, advantages, mask: _mean(
                (log_probs - old_log_probs).exp().detach() * log_probs * advantages.detach(), mask
            ),
            "A detached ratio times log π has the right gradient but not the right value. Here the ratio itself is "
            "the objective.",
        ),
        Mistake(
            "the ratio is upside down",
            lambda log_probs, old_log_probs, advantages, mask: _mean(
                (old_log_probs.detach() - log_probs).exp() * advantages.detach(), mask
            ),
            "New over old: an action that has become more probable has a ratio above 1.",
        ),
        Mistake(
            "the logarithm of the ratio",
            lambda log_probs, old_log_probs, advantages, mask: _mean(
                (log_probs - old_log_probs.detach()) * advantages.detach(), mask
            ),
            "The exponential is missing. Both agree to first order, so the gradient at the old policy will not tell.",
        ),
        Mistake(
            "wrong sign",
            lambda log_probs, old_log_probs, advantages, mask: (
                -_right(log_probs, old_log_probs, advantages, mask)
            ),
            "An optimizer minimizes: a minus in front.",
        ),
        Mistake(
            "the advantage carries gradient",
            lambda log_probs, old_log_probs, advantages, mask: _mean(
                (log_probs - old_log_probs.detach()).exp() * advantages, mask
            ),
            "Advantages are data: detach them, or the actor teaches the critic to praise it.",
        ),
        Mistake(
            "padding counted in the mean",
            lambda log_probs, old_log_probs, advantages, mask: (
                -(mask * (log_probs - old_log_probs.detach()).exp() * advantages.detach()).mean()
            ),
            "A plain .mean() divides by B·T. Divide by the number of steps that count.",
        ),
        Mistake(
            "the mask is forgotten",
            lambda log_probs, old_log_probs, advantages, mask: (
                -((log_probs - old_log_probs.detach()).exp() * advantages.detach()).mean()
            ),
            "Nobody acted on masked steps.",
        ),
        Mistake(
            "exponentials before the division",
            lambda log_probs, old_log_probs, advantages, mask: _mean(
                log_probs.exp() / old_log_probs.detach().exp() * advantages.detach(), mask
            ),
            "exp(−1000) is 0, and 0/0 is NaN. Subtract the logarithms first.",
        ),
    ),
    variants={"right": _right, "select": _select, "no_grad": _where},
)
