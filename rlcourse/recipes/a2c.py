r"""A2C (Mnih et al., 2016): many environments, short rollouts, an actor and a critic.

Collect, update, report, in that order. Made of chapter 6; read it beside its page,
``book/06_actor_critic.md``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from rlcourse.actor_critic import actor_critic_step
from rlcourse.support.actor_critic_config import ActorCriticConfig
from rlcourse.support.collector import Collector
from rlcourse.support.networks import ActorCritic, numpy_forward
from rlcourse.support.progress import Progress
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import draw_seed

Update = Callable[
    [ActorCritic, Rollout, torch.optim.Optimizer, ActorCriticConfig], dict[str, float]
]


@dataclass(frozen=True, slots=True)
class A2CConfig:
    """Settings of one run; the defaults are those of CartPole on the page.

    Raises:
        ValueError: if a number lies outside its range.
    """

    total_steps: int = 100_000
    """Columns of all environments together after which training stops."""
    steps: int = 16
    """T, the steps of each environment between two updates."""
    learning_rate: float = 3e-3
    """Step size of Adam, the same from first to last."""
    adam_eps: float = 1e-5
    """Added to the root in Adam's divisor."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of actor and critic."""
    stop_at: float | None = None
    """Mean return of the last 20 episodes at which to stop early."""
    update: ActorCriticConfig = field(default_factory=ActorCriticConfig)
    """Discount, lambda and coefficients of each update."""

    def __post_init__(self) -> None:
        for name in ("total_steps", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "adam_eps"):
            if getattr(self, name) <= 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


def make_agent(
    envs: VectorEnv[Any, Any, Any], config: A2CConfig, generator: torch.Generator
) -> ActorCritic:
    """An actor and a critic of the size that the environments need.

    Raises:
        ValueError: if observations are no rows of numbers, or actions are not discrete.
    """
    shape, actions = envs.single_observation_space.shape, envs.single_action_space
    if not shape or not isinstance(actions, spaces.Discrete):
        raise ValueError("a2c needs observations that are rows of numbers, and discrete actions")
    return ActorCritic(shape[0], int(actions.n), generator, config.hidden)


def a2c(
    agent: ActorCritic,
    envs: VectorEnv[Any, Any, Any],
    config: A2CConfig,
    generator: torch.Generator,
    update: Update = actor_critic_step,
) -> list[dict[str, float]]:
    """Train an agent in place.

    Args:
        agent: actor and critic.
        envs: B environments in NEXT_STEP mode.
        config: how long, how fast.
        generator: all randomness; advanced.
        update: one update; another one to see what a bug does.

    Returns:
        one row of numbers an update: ``steps`` so far, ``return`` of the last 20 episodes (NaN
        before there is one), and what the update reports.
    """
    return list(train(agent, envs, config, generator, update))


def train(
    agent: ActorCritic,
    envs: VectorEnv[Any, Any, Any],
    config: A2CConfig,
    generator: torch.Generator,
    update: Update = actor_critic_step,
) -> Iterator[dict[str, float]]:
    """As ``a2c``, row by row, so that a caller can log, draw or stop."""
    collector = Collector(envs, draw_seed(generator))
    optimizer = torch.optim.Adam(agent.parameters(), config.learning_rate, eps=config.adam_eps)
    updates = range(config.total_steps // (envs.num_envs * config.steps))
    for _ in (progress := Progress(updates, "a2c")):
        rollout = collector.collect(numpy_forward(agent), config.steps, generator)
        metrics = update(agent, rollout, optimizer, config.update)
        recent = collector.recent_return(20)
        row = {"steps": float(collector.total_steps), "return": recent, **metrics}
        progress.report(**row)
        yield row
        if config.stop_at is not None and recent >= config.stop_at:
            return
