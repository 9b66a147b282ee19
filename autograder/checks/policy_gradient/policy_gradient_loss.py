"""Exercise 2.4: the REINFORCE loss."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import policy_gradient as probes


def oracle(log_probs: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
    """Trajectory by trajectory, step by step."""
    total = log_probs.new_zeros(())
    for b in range(len(log_probs)):
        for t in range(log_probs.shape[1]):
            if mask[b, t] == 1:
                total = total - log_probs[b, t] * weights[b, t] / len(log_probs)
    return total


def _total(log_probs: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
    return -(mask * weights.detach() * log_probs).sum()


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _batch(seed: int, mask: list[list[float]]) -> dict[str, Tensor]:
    """Log-probabilities and weights, also on the padding, where they must not count."""
    shape = torch.tensor(mask).shape
    return {
        "log_probs": -normal(seed, *shape).abs(),
        "weights": normal(seed + 1, *shape),
        "mask": _double(mask),
    }


EXERCISE = ExerciseSpec(
    number="2.4",
    title="The REINFORCE loss",
    targets=("policy_gradient_loss",),
    points=3,
    minutes=15,
    difficulty=2,
    section="REINFORCE as a loss",
    statement="""
An optimizer wants a number to minimize. Write the surrogate whose gradient is minus the policy gradient: padded steps
do not count, the weights are constants, and the mean is taken over **trajectories**.
""",
    hints=(
        "Maximizing J is minimizing −J. The loss is a weighted sum of log-probabilities; its value means nothing, "
        "its gradient everything.",
        "−(1/B) Σ_b Σ_t mask · weight · log π: a sum over time, a mean over trajectories. The weights must not be "
        "differentiated.",
        "Multiply mask, weights.detach() and log_probs; sum over dim 1; mean over what is left; put a minus in front.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "log_probs": _double([[-1.0, -2.0], [-3.0, -4.0]]),
                "weights": _double([[1.0, 2.0], [3.0, 5.0]]),
                "mask": _double([[1.0, 1.0], [1.0, 0.0]]),
            },
            "(1·1 + 2·2 + 3·3) / 2, the last step is padding",
            expected=torch.tensor(7.0, dtype=torch.float64),
        ),
        Case(
            "value and gradient",
            _batch(0, [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]),
            "three trajectories of different length, compared with a loop; gradient by finite differences",
            oracle=oracle,
            gradients=("log_probs",),
            detached=("weights",),
        ),
        Law(probes.a_longer_padding_changes_nothing, "the width of the batch is an accident"),
        Case(
            "an empty trajectory",
            _batch(2, [[0, 0], [1, 1]]),
            "a trajectory that is all padding still counts in B",
            oracle=oracle,
            gradients=("log_probs",),
        ),
        Case(
            "single precision",
            {"log_probs": -torch.ones(1, 2), "weights": torch.ones(1, 2), "mask": torch.ones(1, 2)},
            "float32 in, float32 out",
            expected=torch.tensor(2.0),
        ),
        Case(
            "another batch",
            _batch(4, [[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 0]]),
            "five trajectories",
            oracle=oracle,
            gradients=("log_probs",),
            detached=("weights",),
            hidden=True,
        ),
        Case(
            "one trajectory",
            _batch(6, [[1, 1, 1, 1, 0]]),
            "a single trajectory",
            oracle=oracle,
            gradients=("log_probs",),
            detached=("weights",),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "wrong sign",
            lambda log_probs, weights, mask: -oracle(log_probs, weights.detach(), mask),
            "An optimizer minimizes: without the minus it learns to do badly.",
        ),
        Mistake(
            "mean over all steps",
            lambda log_probs, weights, mask: _total(log_probs, weights, mask) / mask.sum(),
            "Dividing by the number of steps makes long episodes count less. Sum over time, mean over trajectories.",
        ),
        Mistake(
            "mean over the padded batch",
            lambda log_probs, weights, mask: _total(log_probs, weights, mask) / mask.numel(),
            "A plain .mean() divides by B·T, padding included. Sum over time, mean over trajectories.",
        ),
        Mistake(
            "sum over trajectories",
            _total,
            "J is an expectation over trajectories: twice as many must not double the gradient. Divide by B.",
        ),
        Mistake(
            "probability instead of its logarithm",
            lambda log_probs, weights, mask: _total(log_probs.exp(), weights, mask) / len(mask),
            "The gradient of π is π times the score, so likely actions would count twice. Weight log π.",
        ),
        Mistake(
            "gradient flows into the weights",
            lambda log_probs, weights, mask: -(mask * weights * log_probs).sum(1).mean(),
            "Weights say how good an action was; they are data. Detach them, or a critic will learn to flatter.",
        ),
        Mistake(
            "padding counted",
            lambda log_probs, weights, mask: -(weights.detach() * log_probs).sum(1).mean(),
            "Steps behind the end of an episode were never played: multiply by the mask.",
        ),
        Mistake(
            "log-probabilities detached",
            lambda log_probs, weights, mask: -(mask * weights * log_probs.detach()).sum(1).mean(),
            "The gradient must reach the policy through log_probs; detach the weights instead.",
        ),
    ),
    variants={
        "einsum": lambda log_probs, weights, mask: (
            -torch.einsum("bt,bt,bt->", mask, weights.detach(), log_probs) / len(mask)
        ),
        "where": lambda log_probs, weights, mask: (
            -torch.where(mask > 0, weights.detach() * log_probs, 0.0).sum(dim=1).mean()
        ),
    },
)
