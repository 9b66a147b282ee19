"""How biased and how noisy an n-step return is, without sampling."""

import torch
from torch import Tensor

from rlcourse.support.tabular import TabularMDP


def n_step_moments(
    mdp: TabularMDP, policy: Tensor, values: Tensor, longest: int
) -> tuple[Tensor, Tensor]:
    """Exact mean and variance of the n-step return from each state, for n = 1, 2, ..., longest.

    The first and the second moment of "reward plus discounted shorter return", by going back one
    step at a time. Only for worlds that pay the same for the same state and action.

    Args:
        mdp: the world.
        policy: (S, A) probabilities.
        values: (S) what is put behind the last reward; it is 0 in terminal states.
        longest: the largest n.

    Returns:
        (longest, S) means and (longest, S) variances.
    """
    paid, gamma = mdp.rewards, mdp.gamma
    mean = values * ~mdp.terminal
    square = mean.square()
    means, variances = [], []
    for _ in range(longest):
        after, after_square = mdp.continuing @ mean, mdp.continuing @ square
        second = paid.square() + 2 * gamma * paid * after + gamma**2 * after_square
        mean = (policy * (paid + gamma * after)).sum(dim=1)
        square = (policy * second).sum(dim=1)
        means.append(mean)
        variances.append(square - mean.square())
    return torch.stack(means), torch.stack(variances)
