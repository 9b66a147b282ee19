"""What one step of PPO on a language model has to know."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RLHFConfig:
    """Settings of reinforcement learning from human feedback by PPO.

    Raises:
        ValueError: if a number lies outside its range.
    """

    kl_coef: float = 0.2
    """Reward that is lost per nat by which a response is likelier than under the reference."""
    gamma: float = 1.0
    """Discount in [0, 1]."""
    lam: float = 0.95
    """How far advantages look before they trust the critic, in [0, 1]: 0 one token, 1 to the end."""
    clip_range: float = 0.2
    """How far the probability ratio may move from 1 before it stops paying."""
    value_clip: float = 0.2
    """How far the critic may move from what it said before that stops paying; infinite: freely."""
    value_coef: float = 0.1
    """Weight of the critic's loss."""
    epochs: int = 2
    """How often each response is used."""
    minibatch_size: int = 32
    """Responses that make one gradient; the last minibatch of an epoch may be smaller."""
    learning_rate: float = 3e-4
    """For whoever makes the optimizer."""
    max_grad_norm: float = 1.0
    """Length to which a longer gradient is shortened: that of the actor, and that of the critic."""
    max_new_tokens: int = 24
    """Tokens of a response at most, its end among them."""
    temperature: float = 1.0
    """By which all logits, also those of the reference, are divided."""
    missing_end_penalty: float = 1.0
    """A response that was cut off has at most 0 for its score, less this."""
    ptx_coef: float = 0.0
    """Weight of the language model's own loss on texts that were not generated, where there are such texts."""

    def __post_init__(self) -> None:
        for name in ("gamma", "lam"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("epochs", "minibatch_size", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("kl_coef", "value_coef", "missing_end_penalty", "ptx_coef"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        positive = ("clip_range", "value_clip", "learning_rate", "max_grad_norm", "temperature")
        for name in positive:
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
