r"""PPO (Schulman et al., 2017): collect, then train on the same batch for several epochs.

Collect, update, report, in that order; the diff to ``rlcourse.recipes.a2c`` is the update, and the
learning rate that runs out. Made of chapter 8; read it beside its page, ``book/08_ppo.md``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from rlcourse.ppo import RunningMeanStd, ppo_update
from rlcourse.support.collector import Collector, NumpyPolicy
from rlcourse.support.networks import ActorCritic, numpy_forward
from rlcourse.support.one_vector import OneVectorAdam
from rlcourse.support.ppo_config import PPOConfig
from rlcourse.support.progress import Progress
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import draw_seed
from rlcourse.support.training_run import Part, TrainingRun, restore

Update = Callable[
    [ActorCritic, Rollout, torch.optim.Optimizer, PPOConfig, torch.Generator], dict[str, float]
]
RECENT = 20
"""Episodes over which the reported return is a mean."""


@dataclass(frozen=True, slots=True)
class PPORunConfig:
    """Settings of one run; the defaults are those of CartPole on the page.

    Raises:
        ValueError: if a number lies outside its range.
    """

    total_steps: int = 82_000
    """Columns of all environments together after which training stops."""
    num_envs: int = 32
    """B, environments stepped side by side."""
    steps: int = 32
    """T, the steps of each environment between two updates."""
    learning_rate: float = 2.5e-3
    """Step size of Adam at first."""
    anneal_over: int = 100_000
    """Columns over which the step size falls to 0 along a line; 0 keeps it as it is."""
    adam_eps: float = 1e-5
    """Added to the root in Adam's divisor."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers of actor and critic."""
    normalize_observations: bool = False
    """Whether observations are brought to mean 0 and deviation 1 with numbers learned on the way."""
    reward_scale: float = 1.0
    """What rewards are multiplied with before the update sees them; reported are the true ones."""
    stop_at: float | None = None
    """Mean return of the last 20 episodes at which to stop early."""
    save_every: int = 10
    """Updates between two checkpoints, where the run is kept in a folder."""
    update: PPOConfig = field(default_factory=PPOConfig)
    """Epochs, minibatches, clip and coefficients of each update."""

    def __post_init__(self) -> None:
        for name in ("total_steps", "num_envs", "steps", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "adam_eps", "reward_scale"):
            if getattr(self, name) <= 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if 0 < self.anneal_over < self.total_steps:
            raise ValueError("anneal_over must be 0, or not below total_steps")

    @property
    def updates(self) -> int:
        """How many batches are collected."""
        return self.total_steps // (self.num_envs * self.steps)

    def learning_rate_at(self, index: int) -> float:
        """The step size of update ``index``, counted from 0."""
        if self.anneal_over == 0:
            return self.learning_rate
        return self.learning_rate * (1.0 - index * self.num_envs * self.steps / self.anneal_over)


CARTPOLE = PPORunConfig(stop_at=475.0)
"""Solves CartPole-v1 (mean of 20 episodes at least 475) with each of the page's five seeds."""

ACROBOT = PPORunConfig(
    total_steps=150_000,
    num_envs=16,
    steps=128,
    learning_rate=1.5e-3,
    anneal_over=0,
    normalize_observations=True,
    reward_scale=0.1,
    stop_at=-100.0,
    update=PPOConfig(epochs=4, minibatch_size=512, entropy_coef=0.005),
)
"""Solves Acrobot-v1 (mean of 20 episodes at least -100) with each of the page's five seeds."""


class Learner:
    """What a run trains: an actor, a critic, and the scale of what they see.

    Args:
        envs: decides sizes; observations must be rows of numbers, actions discrete.
        config: widths, and whether observations are normalized.
        generator: decides the weights; advanced.

    Raises:
        ValueError: if observations are no rows of numbers, or actions are not discrete.
    """

    def __init__(
        self, envs: VectorEnv[Any, Any, Any], config: PPORunConfig, generator: torch.Generator
    ) -> None:
        shape, actions = envs.single_observation_space.shape, envs.single_action_space
        if not shape or not isinstance(actions, spaces.Discrete):
            raise ValueError(
                "ppo needs observations that are rows of numbers, and discrete actions"
            )
        self.agent = ActorCritic(shape[0], int(actions.n), generator, config.hidden)
        self.scale = RunningMeanStd(shape) if config.normalize_observations else None

    def policy(self) -> NumpyPolicy:
        """The actor as it is now, to act with; later updates do not reach it."""
        forward, scale = numpy_forward(self.agent), self.scale
        if scale is None:
            return forward
        return lambda x: forward(scale.normalize(torch.from_numpy(x)).numpy())

    def see(self, rollout: Rollout, reward_scale: float) -> Rollout:
        """The rollout as the update sees it; the scale then learns from it.

        In this order: the update must see what the policy saw when it acted.
        """
        rewards, seen = rollout.rewards * reward_scale, rollout.observations
        if self.scale is not None:
            seen = self.scale.normalize(rollout.observations)
            self.scale.update(rollout.counted(rollout.states))
        return replace(rollout, rewards=rewards, observations=seen)

    def parts(self) -> dict[str, Part]:
        """What a checkpoint has to hold."""
        scale: dict[str, Part] = {} if self.scale is None else {"scale": self.scale}
        return {"agent": self.agent} | scale


def ppo(
    learner: Learner,
    envs: VectorEnv[Any, Any, Any],
    config: PPORunConfig,
    generator: torch.Generator,
    run: TrainingRun | None = None,
    update: Update = ppo_update,
) -> list[dict[str, float]]:
    """Train in place.

    Args:
        learner: actor, critic and scale.
        envs: ``config.num_envs`` environments in NEXT_STEP mode.
        config: how long, how fast.
        generator: all randomness; advanced.
        run: where to log and to keep checkpoints; one that resumes goes on exactly.
        update: one update; another one to see what a bug does.

    Returns:
        one row of numbers an update: ``steps`` so far, ``return`` of the last 20 episodes (NaN
        before there is one), ``learning_rate``, and what the update reports.
    """
    run = run or TrainingRun(None, config)
    for _ in train(learner, envs, config, generator, run, update):
        pass
    return run.rows


def train(
    learner: Learner,
    envs: VectorEnv[Any, Any, Any],
    config: PPORunConfig,
    generator: torch.Generator,
    run: TrainingRun | None = None,
    update: Update = ppo_update,
) -> Iterator[dict[str, float]]:
    """As ``ppo``, row by row, so that a caller can draw or stop; a run that resumes, the new rows.

    Raises:
        ValueError: if there are more or fewer environments than the configuration says.
    """
    if envs.num_envs != config.num_envs:
        raise ValueError(f"config.num_envs is {config.num_envs}, but envs has {envs.num_envs}")
    run = run or TrainingRun(None, config)
    collector = Collector(envs, draw_seed(generator))
    parameters = learner.agent.parameters()
    optimizer = OneVectorAdam(parameters, config.learning_rate, eps=config.adam_eps)
    parts = learner.parts() | {
        "optimizer": optimizer,
        "collector": collector,
        "generator": generator,
    }
    if (state := run.load()) is not None:
        restore(parts, state)
    for index in (progress := Progress(range(len(run.rows), config.updates), "ppo")):
        if solved(collector, config):
            break
        optimizer.param_groups[0]["lr"] = config.learning_rate_at(index)
        played = collector.collect(learner.policy(), config.steps, generator)
        rollout = learner.see(played, config.reward_scale)
        metrics = update(learner.agent, rollout, optimizer, config.update, generator)
        row = {
            "return": collector.recent_return(RECENT),
            "learning_rate": config.learning_rate_at(index),
            **metrics,
        }
        run.log(collector.total_steps, **row)
        progress.report(**row)
        if (index + 1) % config.save_every == 0:
            run.save_parts(parts)
        yield run.rows[-1]
    run.save_parts(parts)
    run.close()


def solved(collector: Collector, config: PPORunConfig) -> bool:
    """Whether the last 20 episodes were good enough to stop."""
    if config.stop_at is None or len(collector.finished) < RECENT:
        return False
    return collector.recent_return(RECENT) >= config.stop_at
