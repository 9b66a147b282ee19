"""Mistakes that crash nothing and still learn: the clinic of chapter 2.

Everything here is wrong on purpose. Nothing else imports it.
"""

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from rlcourse.policy_gradient import (
    categorical_log_prob,
    collect_episodes,
    policy_gradient_loss,
)
from rlcourse.support.rollouts import Rollout


def loss_with_mean_over_steps(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    """() wrong: each episode is averaged over its own steps, so a long one counts less."""
    log_probs = categorical_log_prob(policy(rollout.states), rollout.actions)
    lengths = rollout.mask.sum(dim=1, keepdim=True)
    return policy_gradient_loss(log_probs, weights / lengths, rollout.mask)


def entropy_bonus(policy: nn.Module, rollout: Rollout, coefficient: float) -> Tensor:
    """(B, T) rewards plus ``coefficient`` for each nat by which the action surprised the policy.

    Right as a formula, and differentiable: the caller must see to it that no gradient flows back.
    """
    log_probs = categorical_log_prob(policy(rollout.states), rollout.actions)
    return rollout.rewards - coefficient * rollout.mask * log_probs


def loss_with_live_weights(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    """() wrong: the weights are differentiated too. By the product rule that adds a second loss."""
    log_probs = categorical_log_prob(policy(rollout.states), rollout.actions)
    right = policy_gradient_loss(log_probs, weights, rollout.mask)
    return right + policy_gradient_loss(weights, log_probs, rollout.mask)


class ReusedArray(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Writes every observation into the same array, as fast simulators do. This part is allowed."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._array = np.zeros(env.observation_space.shape or (), dtype=np.float32)

    def observation(self, observation: Any) -> Any:
        self._array[:] = observation
        return self._array


class KeptWithoutCopying(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Wrong: keeps every array the environment returned, and looks into them at an episode's end."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.episodes: list[Tensor] = []
        self._seen: list[Any] = []

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(**options)
        self._seen = [observation]
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._seen.append(observation)
        if terminated or truncated:
            self.episodes.append(torch.from_numpy(np.stack(self._seen)))
        return observation, reward, terminated, truncated, info


def collect_without_copying(
    env: gymnasium.Env[Any, Any], policy: nn.Module, episodes: int, generator: torch.Generator
) -> Rollout:
    """Wrong: as ``collect_episodes``, but its observations share the memory of the environment.

    Where the environment reuses an array, all of an episode's observations become the last one.
    """
    kept = KeptWithoutCopying(env)
    rollout = collect_episodes(kept, policy, episodes, generator)
    observations = rollout.observations.clone()
    for row, seen in zip(observations, kept.episodes, strict=True):
        row[: len(seen)] = seen
    return replace(rollout, observations=observations)


def clock_taken_for_death(rollout: Rollout) -> Rollout:
    """Wrong: every end is called termination, also where only the clock ran out."""
    return Rollout(
        observations=rollout.observations,
        actions=rollout.actions,
        rewards=rollout.rewards,
        terminated=rollout.ends,
        ends=rollout.ends,
        mask=rollout.mask,
    )
