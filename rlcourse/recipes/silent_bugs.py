"""Mistakes that crash nothing and still learn: the clinic of chapter 2.

Everything here is wrong on purpose. Nothing else imports it.
"""

from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from rlcourse.policy_gradient import categorical_log_prob
from rlcourse.support.rollouts import Episode, Rollout, stack_episodes
from rlcourse.support.seeding import draw_seed


def loss_with_mean_over_steps(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    """() wrong: each episode is averaged over its own steps, so a long one counts less."""
    log_probs = categorical_log_prob(policy(rollout.states), rollout.actions)
    per_step = rollout.mask * weights.detach() * log_probs
    return -(per_step.sum(dim=1) / rollout.mask.sum(dim=1)).mean()


def entropy_bonus(policy: nn.Module, rollout: Rollout, coefficient: float) -> Tensor:
    """(B, T) rewards plus ``coefficient`` for each nat by which the action surprised the policy.

    Right as a formula, and differentiable: the caller must see to it that no gradient flows back.
    """
    log_probs = categorical_log_prob(policy(rollout.states), rollout.actions)
    return rollout.rewards - coefficient * rollout.mask * log_probs


def loss_with_live_weights(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    """() wrong: the weights are differentiated too."""
    log_probs = categorical_log_prob(policy(rollout.states), rollout.actions)
    return -torch.einsum("bt,bt,bt->b", rollout.mask, weights, log_probs).mean()


class ReusedArray(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Writes every observation into the same array, as fast simulators do. This part is allowed."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._array = np.zeros(env.observation_space.shape or (), dtype=np.float32)

    def observation(self, observation: Any) -> Any:
        self._array[:] = observation
        return self._array


@torch.no_grad()
def collect_without_copying(
    env: gymnasium.Env[Any, Any], policy: nn.Module, episodes: int, generator: torch.Generator
) -> Rollout:
    """Wrong: the tensors share the memory of the environment's array.

    All of an episode's observations become the last one.
    """
    played = []
    for _ in range(episodes):
        seen = [torch.from_numpy(env.reset(seed=draw_seed(generator))[0])]
        actions: list[Tensor] = []
        rewards: list[float] = []
        ended = terminated = False
        while not ended:
            logits = policy(seen[-1])
            actions.append(torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze())
            array, reward, terminated, truncated, _ = env.step(int(actions[-1]))
            seen.append(torch.from_numpy(array))
            rewards.append(float(reward))
            ended = terminated or truncated
        chosen = torch.stack(actions)
        played.append(Episode(torch.stack(seen), chosen, torch.tensor(rewards), bool(terminated)))
    return stack_episodes(played)


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
