"""REINFORCE, REINFORCE with a baseline, and A2C on the same number of steps: chapter 6.

The first two play whole episodes of many seeds side by side; A2C runs seed after seed.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlcourse.recipes.a2c import A2CConfig, a2c, make_agent
from rlcourse.recipes.many_runs import make_ensemble, play_each_once
from rlcourse.recipes.reinforce import ReinforceConfig, Weigh, reinforce, reward_to_go
from rlcourse.support.environments import make_cartpole
from rlcourse.support.metrics import on_grid
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import make_generator

Floats = NDArray[np.float64]


def minus_mean_over(runs: int) -> Weigh:
    """Reward-to-go minus its mean over the episodes of the same run that are still going on.

    A baseline for each step, which depends on time alone (chapter 3).
    """

    def weigh(rollout: Rollout, gamma: float) -> Tensor:
        to_go = reward_to_go(rollout, gamma).reshape(runs, -1, rollout.steps)
        mask = rollout.mask.reshape(to_go.shape)
        mean = (mask * to_go).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
        return (to_go - mean).reshape(rollout.rewards.shape)

    return weigh


def reinforce_curves(
    seeds: Sequence[int], grid: Sequence[int], weigh: Weigh, iterations: int = 60
) -> Floats:
    """(seeds, grid) return of REINFORCE with eight episodes an update after so many steps."""
    runs, episodes = len(seeds), 8
    policies = make_ensemble(4, 2, hidden=(32,), seeds=seeds)
    envs = make_cartpole(runs * episodes)
    config = ReinforceConfig(iterations, learning_rate=1e-2, gamma=0.99, runs=runs)

    def play(policy: torch.nn.Module, generator: torch.Generator) -> Rollout:
        return play_each_once(envs, policies, generator)

    returns = reinforce(policies, play, config, make_generator(0), weigh).double()
    # CartPole pays 1 a step, so the sum of the returns is the number of steps.
    steps = returns.sum(-1).cumsum(0)
    return np.stack([on_grid(steps[:, r], returns[:, r].mean(-1), grid) for r in range(runs)])


def a2c_curves(
    seeds: Sequence[int], grid: Sequence[int], config: A2CConfig
) -> tuple[Floats, list[list[dict[str, float]]]]:
    """(seeds, grid) return of A2C's last 20 episodes after so many steps; and all its numbers."""
    curves, logs = [], []
    for seed in seeds:
        generator, envs = make_generator(seed), make_cartpole(32)
        rows = a2c(make_agent(envs, config, generator), envs, config, generator)
        envs.close()
        known = [row for row in rows if row["return"] == row["return"]]
        steps, returns = zip(*((row["steps"], row["return"]) for row in known), strict=True)
        curves.append(on_grid(steps, returns, grid))
        logs.append(rows)
    return np.stack(curves), logs
