"""Exercise 6.3: the actor's loss."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import actor_critic as probes


def oracle(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """Collect the steps that count, then take their mean."""
    terms = [
        -log_probs[b, t] * advantages[b, t].detach()
        for b in range(mask.shape[0])
        for t in range(mask.shape[1])
        if bool(mask[b, t])
    ]
    return torch.stack(terms).mean() if terms else 0.0 * log_probs.sum()


def _sum(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    return -(mask * advantages.detach() * log_probs).sum()


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _batch(seed: int, mask: list[list[float]]) -> dict[str, Tensor]:
    """Numbers also on the padding, where they must not count."""
    shape = torch.tensor(mask).shape
    return {
        "log_probs": -normal(seed, *shape).abs(),
        "advantages": normal(seed + 1, *shape),
        "mask": _double(mask),
    }


EXERCISE = ExerciseSpec(
    number="6.3",
    title="The actor's loss",
    targets=("actor_loss",),
    points=2,
    minutes=12,
    difficulty=2,
    section="Two losses, two stop-gradients",
    statement="""
The loss of chapter 2 with the advantage as weight, and with one difference: a row is now a piece of a trajectory,
cut wherever the batch was full, so the mean is taken over **steps**. Advantages are constants here. An empty mask
gives 0.
""",
    hints=(
        "Make actions more probable that were better than expected: weight each log-probability with its advantage.",
        "−Σ mask · A · log π / Σ mask. The A must not be differentiated; the divisor must not be 0.",
        "Multiply mask, advantages.detach() and log_probs; sum; divide by mask.sum().clamp(min=1); a minus in front.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "log_probs": _double([[-1.0, -2.0], [-3.0, -4.0]]),
                "advantages": _double([[1.0, 2.0], [-1.0, 5.0]]),
                "mask": _double([[1.0, 1.0], [1.0, 0.0]]),
            },
            "(1·1 + 2·2 − 3·1) / 3, the last step does not count",
            expected=torch.tensor(2.0 / 3.0, dtype=torch.float64),
        ),
        Case(
            "value and gradient",
            _batch(0, [[1, 1, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]]),
            "three rows, compared with a loop; gradient by finite differences",
            oracle=oracle,
            gradients=("log_probs",),
            detached=("advantages",),
        ),
        Law(
            probes.shifting_all_advantages_by_a_constant_changes_the_mean_only,
            "linear in the advantages",
        ),
        Law(probes.a_batch_twice_is_as_good_as_once, "a mean over steps"),
        Law(probes.a_bool_mask_will_do, "masks of both kinds"),
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
                "log_probs": -torch.ones(1, 2),
                "advantages": torch.full((1, 2), 3.0),
                "mask": torch.ones(1, 2),
            },
            "float32 in, float32 out",
            expected=torch.tensor(3.0),
        ),
        Case(
            "another batch",
            _batch(4, [[1, 1, 1], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 0]]),
            "five rows",
            oracle=oracle,
            gradients=("log_probs",),
            detached=("advantages",),
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
            "wrong sign",
            lambda log_probs, advantages, mask: -oracle(log_probs, advantages, mask),
            "An optimizer minimizes: without the minus good actions become improbable.",
        ),
        Mistake(
            "the advantage carries gradient",
            lambda log_probs, advantages, mask: (
                -(mask * advantages * log_probs).sum() / mask.sum().clamp(min=1)
            ),
            "The actor would teach the critic to call its actions good. Detach the advantages.",
        ),
        Mistake(
            "log-probabilities detached",
            lambda log_probs, advantages, mask: oracle(log_probs.detach(), advantages, mask),
            "The gradient must reach the policy through log_probs; detach the advantages instead.",
        ),
        Mistake(
            "padding counted in the mean",
            lambda log_probs, advantages, mask: _sum(log_probs, advantages, mask) / mask.numel(),
            "A plain .mean() divides by B·T. Divide by the number of steps that count.",
        ),
        Mistake(
            "the mask is forgotten",
            lambda log_probs, advantages, mask: -(advantages.detach() * log_probs).mean(),
            "Masked columns hold resets and padding: nobody acted there.",
        ),
        Mistake(
            "sum instead of mean",
            _sum,
            "Twice as many steps must not double the gradient.",
        ),
        Mistake(
            "mean over trajectories",
            lambda log_probs, advantages, mask: _sum(log_probs, advantages, mask) / len(mask),
            "That was chapter 2, where a row was a whole episode. A row is a piece now; take the mean over steps.",
        ),
    ),
    variants={
        "select": lambda log_probs, advantages, mask: (
            -(log_probs * advantages.detach())[mask > 0].sum() / (mask > 0).sum().clamp(min=1)
        ),
        "where": lambda log_probs, advantages, mask: (
            torch.where(mask > 0, -advantages.detach() * log_probs, 0.0).sum()
            / torch.clamp(mask.sum(), min=1)
        ),
    },
)
