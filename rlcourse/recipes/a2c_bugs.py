"""Mistakes that crash nothing, the worlds that show them, and the ladder of probes: chapter 6.

The updates named ``broken_...`` are wrong on purpose. They put one wrong function in the place of a
right one while they last, and are otherwise the update of exercise 6.7.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from torch import Tensor

from rlcourse import actor_critic
from rlcourse.recipes.a2c import A2CConfig, Update, a2c, make_agent
from rlcourse.support.actor_critic_config import ActorCriticConfig
from rlcourse.support.networks import ActorCritic
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import make_generator

right_update: Update = actor_critic.actor_critic_step


@contextmanager
def swapped(name: str, wrong: Callable[..., Any]) -> Any:
    """Put another function into the chapter's module while the context lasts."""
    right = getattr(actor_critic, name)
    setattr(actor_critic, name, wrong)
    try:
        yield
    finally:
        setattr(actor_critic, name, right)


def broken(name: str, wrong: Callable[..., Any]) -> Update:
    """The update of the chapter with one function of the chapter gone wrong."""

    def update(
        agent: ActorCritic,
        rollout: Rollout,
        optimizer: torch.optim.Optimizer,
        config: ActorCriticConfig,
    ) -> dict[str, float]:
        with swapped(name, wrong):
            return right_update(agent, rollout, optimizer, config)

    return update


def on_another_rollout(change: Callable[[Rollout], Rollout]) -> Update:
    """The update of the chapter on experience that was spoiled on the way."""

    def update(
        agent: ActorCritic,
        rollout: Rollout,
        optimizer: torch.optim.Optimizer,
        config: ActorCriticConfig,
    ) -> dict[str, float]:
        return right_update(agent, change(rollout), optimizer, config)

    return update


_right_actor_loss, _right_critic_loss = actor_critic.actor_loss, actor_critic.critic_loss


def still_critic_loss(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """() wrong: the right number, without a gradient."""
    return _right_critic_loss(values.detach(), returns, mask)


def reversed_actor_loss(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """() wrong: good actions become improbable."""
    return -_right_actor_loss(log_probs, advantages, mask)


broken_critic = broken("critic_loss", still_critic_loss)
broken_actor = broken("actor_loss", reversed_actor_loss)
broken_clock = on_another_rollout(lambda rollout: replace(rollout, terminated=rollout.ends))
broken_endings = on_another_rollout(
    lambda rollout: replace(rollout, terminated=torch.zeros_like(rollout.terminated))
)
broken_rows = on_another_rollout(
    lambda rollout: replace(rollout, observations=rollout.observations.roll(1, 0))
)


def broken_discount(
    agent: ActorCritic,
    rollout: Rollout,
    optimizer: torch.optim.Optimizer,
    config: ActorCriticConfig,
) -> dict[str, float]:
    """Wrong: gamma is forgotten."""
    return right_update(agent, rollout, optimizer, replace(config, gamma=1.0))


class Salary(gymnasium.Env[Any, int]):
    """Pays 1 for every step, for ever, and always looks the same."""

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space: spaces.Discrete[Any] = spaces.Discrete(1)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.zeros(1, dtype=np.float32), 1.0, False, False, {}


SMALL = A2CConfig(
    total_steps=6_400,
    steps=8,
    learning_rate=1e-2,
    hidden=(16,),
    update=ActorCriticConfig(gamma=0.5, lam=0.9, entropy_coef=0.0, standardize=False),
)
"""For worlds of one or two steps."""


def train_small(
    make: Callable[[], gymnasium.Env[Any, Any]],
    update: Update,
    seed: int,
    config: A2CConfig = SMALL,
) -> ActorCritic:
    """An agent trained in 16 copies of a world of a few steps."""
    generator = make_generator(seed)
    envs = SyncVectorEnv([make] * 16, autoreset_mode=AutoresetMode.NEXT_STEP)
    agent = make_agent(envs, config, generator)
    a2c(agent, envs, config, generator, update)
    envs.close()
    return agent


@torch.no_grad()
def believes(agent: ActorCritic, observation: float) -> float:
    """What the critic says of a world that shows one number."""
    return float(agent.values(torch.tensor([[observation]]))[0])


@torch.no_grad()
def chooses(agent: ActorCritic, observation: float, action: int) -> float:
    """How probable an action is in a world that shows one number."""
    return float(agent.logits(torch.tensor([[observation]])).softmax(-1)[0, action])


PROBE_CHECKS: dict[str, Callable[[ActorCritic], list[tuple[float, float]]]] = {
    "ValueProbe": lambda agent: [(believes(agent, 0.0), 1.0)],
    "ObservationProbe": lambda agent: [(believes(agent, x), x) for x in (-1.0, 1.0)],
    "DiscountProbe": lambda agent: [(believes(agent, 0.0), 0.5), (believes(agent, 1.0), 1.0)],
    "ActionProbe": lambda agent: [(chooses(agent, 0.0, 1), 1.0)],
    "PolicyProbe": lambda agent: [(chooses(agent, -1.0, 0), 1.0), (chooses(agent, 1.0, 1), 1.0)],
}
"""What a trained agent says in each probe, and what it should say (gamma is 0.5)."""


def probe_error(probe: type[gymnasium.Env[Any, Any]], update: Update, seed: int = 0) -> float:
    """The largest difference between what an agent says after training and what it should say."""
    agent = train_small(probe, update, seed)
    return max(abs(said - right) for said, right in PROBE_CHECKS[probe.__name__](agent))


def salary_with_clock(limit: int) -> Callable[[], gymnasium.Env[Any, Any]]:
    """A maker of ``Salary`` that a clock cuts off."""
    return lambda: TimeLimit(Salary(), limit)
