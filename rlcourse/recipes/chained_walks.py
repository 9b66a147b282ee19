"""Random walks one behind the other in a single row, some of them cut off by a clock."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.recipes.random_walk import sample_walks
from rlcourse.value_functions import n_step_returns


@dataclass(frozen=True, slots=True)
class ChainedWalks:
    """One row of many walks; each starts in the middle where the one before has stopped."""

    states: Tensor
    """(1, T) int64."""
    next_states: Tensor
    """(1, T) int64, what truly followed, also where the next walk begins after it."""
    rewards: Tensor
    """(1, T)."""
    discounts: Tensor
    """(1, T) 1, or 0 where a walk terminated."""
    ends: Tensor
    """(1, T) bool, where a walk stopped: out at an end, or cut off."""


def chain_walks(
    num_states: int, walks: int, patience: int, generator: torch.Generator
) -> ChainedWalks:
    """Put walks behind each other, each cut off after ``patience`` steps if it still goes on."""
    rollout = sample_walks(num_states, walks, generator)
    keep = rollout.mask[:, :patience] > 0
    stop = rollout.ends[:, :patience].clone()
    stop[:, patience - 1] |= keep[:, patience - 1]
    terminated = rollout.terminated[:, :patience]
    return ChainedWalks(
        states=rollout.states[:, :patience][keep][None],
        next_states=rollout.next_observations[:, :patience][keep][None],
        rewards=rollout.rewards[:, :patience][keep][None],
        discounts=(~terminated).double()[keep][None],
        ends=stop[keep][None],
    )


def learn_from_chain(
    chain: ChainedWalks, num_states: int, n: int, ends: Tensor, sweeps: int = 200
) -> Tensor:
    """(S+2) values that agree with the mean n-step return of each state, found by sweeps.

    Args:
        chain: what was seen.
        num_states: of the walk.
        n: how many rewards to take.
        ends: (1, T) where the returns are told that a walk stops.
        sweeps: how often all values are replaced by the mean returns they lead to.
    """
    values = torch.full((num_states + 2,), 0.5, dtype=torch.float64)
    visits = torch.bincount(chain.states[0], minlength=num_states + 2)
    for _ in range(sweeps):
        next_values = values[chain.next_states]
        returns = n_step_returns(chain.rewards, chain.discounts, next_values, ends, n)
        totals = torch.zeros_like(values).index_add_(0, chain.states[0], returns[0])
        values = torch.where(visits > 0, totals / visits.clamp(min=1), values)
    return values
