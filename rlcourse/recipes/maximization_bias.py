"""Why the largest of several estimates is too large: Sutton and Barto (2018), example 6.7, and worse.

All runs are played side by side, with the chapter's own targets.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.q_learning import double_q_target, q_target
from rlcourse.value_functions import epsilon_greedy


def expected_maximum(actions: int, noise: float, points: int = 4001) -> float:
    """Mean of the largest of ``actions`` estimates whose true values are all 0.

    Args:
        actions: how many independent normal numbers.
        noise: their standard deviation.
        points: of the numerical integral.
    """
    x = torch.linspace(-8.0, 8.0, points, dtype=torch.float64)
    normal = torch.distributions.Normal(0.0, 1.0)
    density = actions * normal.cdf(x) ** (actions - 1) * normal.log_prob(x).exp()
    return noise * float(torch.trapezoid(x * density, x))


@dataclass(frozen=True, slots=True)
class LeftOrRight:
    """The world of example 6.7, and how it is learned; the defaults are those of the book.

    From A, *right* ends the episode and pays 0; *left* leads to B and pays 0. In B every action ends
    the episode and pays a normal number with a negative mean: left is a mistake.

    Raises:
        ValueError: if there is nothing to choose or to learn from.
    """

    actions: int = 10
    """Actions in B."""
    mean: float = -0.1
    """Mean reward of each of them."""
    deviation: float = 1.0
    """Standard deviation of their rewards."""
    step_size: float = 0.1
    """How far a value moves towards its target."""
    epsilon: float = 0.1
    """Probability of a random action."""
    episodes: int = 300
    """Episodes of each run."""
    runs: int = 1000
    """Independent repetitions."""

    def __post_init__(self) -> None:
        for name in ("actions", "episodes", "runs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


LEFT = 0


class Learners:
    """One table of values for each of R runs, or two if learning is double.

    Args:
        config: world and settings.
        double: whether one table chooses and the other judges, in turn by a coin.
        generator: for all draws; advanced.
    """

    def __init__(self, config: LeftOrRight, double: bool, generator: torch.Generator) -> None:
        self.config, self.double, self.generator = config, double, generator
        self.at_a = torch.zeros(2, config.runs, 2, dtype=torch.float64)
        self.at_b = torch.zeros(2, config.runs, config.actions, dtype=torch.float64)
        self.rows = torch.arange(config.runs)

    def choose(self, q: Tensor) -> Tensor:
        """(R) ε-greedy actions from the tables (2, R, A); of two tables, from their sum."""
        seen = q.sum(dim=0) if self.double else q[0]
        policy = epsilon_greedy(seen, self.config.epsilon)
        return policy.multinomial(1, generator=self.generator)[:, 0]

    def learning(self) -> Tensor:
        """(R) which table learns now."""
        if not self.double:
            return torch.zeros(self.config.runs, dtype=torch.int64)
        return torch.randint(2, (self.config.runs,), generator=self.generator)

    def move(
        self, q: Tensor, table: Tensor, actions: Tensor, targets: Tensor, where: Tensor
    ) -> None:
        """Move the values of some actions towards their targets in the runs that say so."""
        here = table, self.rows, actions
        q[here] += self.config.step_size * where * (targets - q[here])

    def episode(self) -> Tensor:
        """(R) bool: who went left."""
        config = self.config
        first, table = self.choose(self.at_a), self.learning()
        left, nothing = first == LEFT, torch.zeros(config.runs, dtype=torch.float64)
        online = self.at_b[table, self.rows]
        if self.double:
            judge = self.at_b[1 - table, self.rows]
            targets = double_q_target(nothing, left.double(), online, judge)
        else:
            targets = q_target(nothing, left.double(), online)
        self.move(self.at_a, table, first, targets, torch.ones_like(left))
        then, table = self.choose(self.at_b), self.learning()
        noise = torch.randn(config.runs, generator=self.generator, dtype=torch.float64)
        self.move(self.at_b, table, then, config.mean + config.deviation * noise, left)
        return left


def share_going_left(config: LeftOrRight, double: bool, generator: torch.Generator) -> Tensor:
    """(episodes) in which part of the runs the first action was *left*."""
    learners = Learners(config, double, generator)
    return torch.stack([learners.episode().double().mean() for _ in range(config.episodes)])
