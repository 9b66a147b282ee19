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
from rlcourse.support.training_run import Part, TrainingRun, restore

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
    save_every: int = 20
    """Updates between two checkpoints, where the run is kept in a folder."""
    update: ActorCriticConfig = field(default_factory=ActorCriticConfig)
    """Discount, lambda and coefficients of each update."""

    def __post_init__(self) -> None:
        for name in ("total_steps", "steps", "save_every"):
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
    run: TrainingRun | None = None,
) -> list[dict[str, float]]:
    """Train an agent in place.

    Args:
        agent: actor and critic.
        envs: B environments in NEXT_STEP mode.
        config: how long, how fast.
        generator: all randomness; advanced.
        update: one update; another one to see what a bug does.
        run: where to log and to keep checkpoints; one that resumes goes on exactly.

    Returns:
        one row of numbers an update: ``steps`` so far, ``return`` of the last 20 episodes (NaN
        before there is one), and what the update reports. Of a run that resumes, all rows.
    """
    run = run or TrainingRun(None, config)
    for _ in train(agent, envs, config, generator, update, run):
        pass
    return run.rows


def train(
    agent: ActorCritic,
    envs: VectorEnv[Any, Any, Any],
    config: A2CConfig,
    generator: torch.Generator,
    update: Update = actor_critic_step,
    run: TrainingRun | None = None,
) -> Iterator[dict[str, float]]:
    """As ``a2c``, row by row, so that a caller can draw or stop; a run that resumes, the new rows.

    The first rows of a run that was cut after a checkpoint are made again, and come out the same.
    """
    run = run or TrainingRun(None, config)
    collector = Collector(envs, draw_seed(generator))
    optimizer = torch.optim.Adam(agent.parameters(), config.learning_rate, eps=config.adam_eps)
    parts: dict[str, Part] = {
        "agent": agent,
        "optimizer": optimizer,
        "collector": collector,
        "generator": generator,
    }
    if (state := run.load()) is not None:
        restore(parts, state)
    updates = range(len(run.rows), config.total_steps // (envs.num_envs * config.steps))
    for index in (progress := Progress(updates, "a2c")):
        if config.stop_at is not None and collector.recent_return(20) >= config.stop_at:
            break
        rollout = collector.collect(numpy_forward(agent), config.steps, generator)
        metrics = update(agent, rollout, optimizer, config.update)
        row = {"return": collector.recent_return(20), **metrics}
        run.log(collector.total_steps, **row)
        progress.report(**row)
        if (index + 1) % config.save_every == 0:
            run.save_parts(parts)
        yield run.rows[-1]
    run.save_parts(parts)
    run.close()
