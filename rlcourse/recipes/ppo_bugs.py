"""Mistakes in PPO that crash nothing, for the clinic of chapter 8.

The updates named ``broken_...`` are wrong on purpose and otherwise the update of exercise 8.5.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rlcourse import ppo as chapter
from rlcourse.recipes.ppo import Update
from rlcourse.support.collector import Collector
from rlcourse.support.environments import make_cartpole
from rlcourse.support.networks import ActorCritic, numpy_forward
from rlcourse.support.ppo_config import PPOConfig
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import make_generator

right_update: Update = chapter.ppo_update


@contextmanager
def swapped(replacements: dict[str, Callable[..., Any]]) -> Any:
    """Put other functions into the chapter's module while the context lasts."""
    right = {name: getattr(chapter, name) for name in replacements}
    vars(chapter).update(replacements)
    try:
        yield
    finally:
        vars(chapter).update(right)


def broken_old(
    agent: ActorCritic,
    rollout: Rollout,
    optimizer: torch.optim.Optimizer,
    config: PPOConfig,
    generator: torch.Generator,
) -> dict[str, float]:
    """Wrong: the old log-probabilities are those of now, so that every ratio is 1."""

    def of_now(name: str) -> Callable[..., Tensor]:
        right = getattr(chapter, name)
        return lambda log_probs, old, *rest: right(log_probs, log_probs.detach(), *rest)

    names = ("clipped_surrogate_loss", "clip_fraction", "approx_kl")
    with swapped({name: of_now(name) for name in names}):
        return right_update(agent, rollout, optimizer, config, generator)


def on_another_rollout(change: Callable[[Rollout], Rollout]) -> Update:
    """The right update on experience that was spoiled on the way."""

    def update(
        agent: ActorCritic,
        rollout: Rollout,
        optimizer: torch.optim.Optimizer,
        config: PPOConfig,
        generator: torch.Generator,
    ) -> dict[str, float]:
        return right_update(agent, change(rollout), optimizer, config, generator)

    return update


def rows_of_another(rollout: Rollout) -> Rollout:
    """Wrong: rewards and endings of one environment beside the observations of another."""
    names = ("rewards", "terminated", "ends", "mask")
    return replace(rollout, **{name: getattr(rollout, name).flip(0) for name in names})


def one_batch(update: Update, config: PPOConfig, seed: int) -> tuple[dict[str, float], float]:
    """What an update reports of one batch of CartPole, and how far it really moved the policy.

    Returns:
        the metrics, and the exact KL(old, new), a mean over the states of the batch.
    """
    generator, envs = make_generator(seed), make_cartpole(32)
    agent = ActorCritic(4, 2, generator)
    rollout = Collector(envs, seed).collect(numpy_forward(agent), 32, generator)
    optimizer = torch.optim.Adam(agent.parameters(), 2.5e-3, eps=1e-5)
    with torch.no_grad():
        old = agent.logits(rollout.states).log_softmax(-1)
    metrics = update(agent, rollout, optimizer, config, generator)
    with torch.no_grad():
        new = agent.logits(rollout.states).log_softmax(-1)
    moved = rollout.counted((old.exp() * (old - new)).sum(-1)).mean()
    return metrics, moved.item()
