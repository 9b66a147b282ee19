"""What one update of PPO has to know."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PPOConfig:
    """Settings of one update.

    Raises:
        ValueError: if a number lies outside its range.
    """

    gamma: float = 0.99
    """Discount in [0, 1]."""
    lam: float = 0.95
    """How far advantages look before they trust the critic, in [0, 1]: 0 one step, 1 to the end."""
    epochs: int = 6
    """How often each step of the batch is used."""
    minibatch_size: int = 256
    """Steps that make one gradient; the last minibatch of an epoch may be smaller."""
    clip_eps: float = 0.2
    """How far the probability ratio may move from 1 before it stops paying."""
    value_clip_eps: float = math.inf
    """How far the critic may move from what it said before that stops paying; infinite: freely."""
    critic_coef: float = 1.0
    """Weight of the critic's loss."""
    entropy_coef: float = 0.01
    """Weight of the entropy, which is maximized."""
    max_grad_norm: float = 0.5
    """Length to which a longer gradient of all parameters together is shortened."""
    standardize: bool = True
    """Whether advantages are shifted to mean 0 and scaled to deviation 1 in each minibatch."""
    target_kl: float = math.inf
    """No further epoch after one whose mean ``approx_kl`` is above this; infinite: all epochs."""

    def __post_init__(self) -> None:
        for name in ("gamma", "lam"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("epochs", "minibatch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("critic_coef", "entropy_coef"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("clip_eps", "value_clip_eps", "max_grad_norm", "target_kl"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
