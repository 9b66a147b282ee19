"""Settings of DQN and Double DQN."""

from dataclasses import dataclass, fields

from rlcourse.q_learning import linear_schedule


@dataclass(frozen=True, slots=True)
class DQNConfig:
    """Settings of one run; the defaults are those of CartPole on the page, with 8 environments.

    Raises:
        ValueError: if a number lies outside its range.
    """

    total_steps: int = 10_000
    """Steps of all environments together after which training stops."""
    double: bool = True
    """Whether the online network chooses the action of the target (Double DQN)."""
    gamma: float = 0.99
    """Discount in [0, 1]."""
    capacity: int = 20_000
    """Transitions in the replay buffer."""
    learning_starts: int = 500
    """Transitions in the buffer before the first update."""
    batch_size: int = 32
    """Transitions of one update."""
    steps: int = 4
    """Steps of each environment between two rounds of updates."""
    updates: int = 8
    """Updates of one round."""
    learning_rate: float = 2e-3
    """Step size of Adam, the same from first to last."""
    tau: float = 0.01
    """Share of the online network that the target network takes over; 1 makes a copy."""
    target_every: int = 1
    """Updates between two moves of the target network."""
    epsilon_start: float = 1.0
    """Probability of a random action at the first step."""
    epsilon_end: float = 0.04
    """Probability of a random action from step ``epsilon_steps`` on."""
    epsilon_steps: int = 4_000
    """Steps in which it falls."""
    max_grad_norm: float = 10.0
    """Length to which a longer gradient of all parameters together is shortened."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    log_every: int = 8
    """Rounds between two rows of the log."""
    save_every: int = 20
    """Rows of the log between two checkpoints."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is int and value < 1:
                raise ValueError(f"{field.name} must be at least 1, got {value}")
        for name in ("gamma", "tau", "epsilon_start", "epsilon_end"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("learning_rate", "max_grad_norm"):
            if getattr(self, name) <= 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    def epsilon(self, step: int) -> float:
        """Probability of a random action after so many steps."""
        return linear_schedule(step, self.epsilon_start, self.epsilon_end, self.epsilon_steps)
