"""Equal steps in logits and equal distances in nats, for policies over three actions: chapter 7."""

import math

import torch
from torch import Tensor

from rlcourse.off_policy import categorical_kl

PLANE = torch.tensor([[2.0, -1.0, -1.0], [0.0, 1.0, -1.0]]).double()
PLANE = PLANE / PLANE.norm(dim=1, keepdim=True)
"""Two directions at right angles among the logits that sum to 0: others change no policy."""


def directions(points: int) -> Tensor:
    """(points, 3) directions of length 1 all around, the first and the last equal."""
    angles = torch.linspace(0.0, 2.0 * math.pi, points, dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], dim=1) @ PLANE


def logit_circle(policy: Tensor, radius: float, points: int = 121) -> Tensor:
    """(points, 3) policies whose logits lie ``radius`` away from those of ``policy`` (3,)."""
    return (policy.log() + radius * directions(points)).softmax(dim=-1)


def kl_contour(policy: Tensor, budget: float, points: int = 121) -> Tensor:
    """(points, 3) policies that lie ``budget`` nats from ``policy`` (3,): KL(policy || new).

    The divergence grows along each direction in the logits, so bisection finds where it has grown
    far enough.

    Raises:
        ValueError: if the budget is not positive.
    """
    if budget <= 0.0:
        raise ValueError(f"budget must be positive, got {budget}")
    logits, around = policy.log(), directions(points)
    low, high = torch.zeros(points, 1).double(), torch.full((points, 1), 1e3).double()
    for _ in range(60):
        middle = (low + high) / 2
        near = categorical_kl(logits.expand(points, 3), logits + middle * around) < budget
        low = torch.where(near[:, None], middle, low)
        high = torch.where(near[:, None], high, middle)
    return (logits + low * around).softmax(dim=-1)


def best_within(policy: Tensor, advantages: Tensor, budget: float) -> Tensor:
    """(3,) the policy at most ``budget`` nats away whose mean advantage is largest.

    It lies on the rim, because the mean advantage is linear in the policy.
    """
    rim = kl_contour(policy, budget, points=3601)
    return rim[(rim @ advantages).argmax()]
