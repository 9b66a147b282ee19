"""What one update of an actor and a critic has to know."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ActorCriticConfig:
    """Settings of one update.

    Raises:
        ValueError: if a number lies outside its range.
    """

    gamma: float = 0.99
    """Discount in [0, 1]."""
    lam: float = 0.95
    """How far advantages look before they trust the critic, in [0, 1]: 0 one step, 1 to the end."""
    critic_coef: float = 1.0
    """Weight of the critic's loss."""
    entropy_coef: float = 0.01
    """Weight of the entropy, which is maximized."""
    max_grad_norm: float = 0.5
    """Length to which a longer gradient of all parameters together is shortened."""
    standardize: bool = True
    """Whether the actor's advantages are shifted to mean 0 and scaled to deviation 1 in a batch."""

    def __post_init__(self) -> None:
        for name in ("gamma", "lam"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("critic_coef", "entropy_coef"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.max_grad_norm <= 0.0:
            raise ValueError(f"max_grad_norm must be positive, got {self.max_grad_norm}")
