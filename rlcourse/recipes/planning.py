"""What can be computed when the world is known: optimal values, and what a policy earns in time."""

import torch
from torch import Tensor

from rlcourse.support.tabular import TabularMDP


def value_iteration(mdp: TabularMDP, sweeps: int) -> Tensor:
    """(S, A) action values after so many sweeps of "reward plus the best that can follow".

    From zeros up; they are those of acting best with that many steps to go (Sutton and Barto, 2018,
    section 4.4).
    """
    q = torch.zeros_like(mdp.rewards)
    for _ in range(sweeps):
        q = mdp.rewards + mdp.gamma * (mdp.continuing @ q.amax(dim=1))
    return q


def earned_within(mdp: TabularMDP, policy: Tensor, steps: int) -> float:
    """Expected undiscounted sum of rewards from the start in at most so many steps, exactly."""
    moves = (policy.unsqueeze(2) * mdp.continuing).sum(dim=1)
    paid, somewhere, total = (policy * mdp.rewards).sum(dim=1), mdp.start, 0.0
    for _ in range(steps):
        total += float(somewhere @ paid)
        somewhere = somewhere @ moves
    return total
