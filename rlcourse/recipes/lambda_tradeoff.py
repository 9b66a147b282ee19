"""Exact mean and variance of generalized advantage estimates in a world that fits in a table.

Nothing is sampled: first and second moments of the estimate solve two linear systems, because an
estimate is one TD error plus a fading share of the estimate of the next step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.support.tabular import TabularMDP


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the advantage estimate of each state and action."""

    mean: Tensor
    """(S, A)."""
    variance: Tensor
    """(S, A)."""


def solve_policy(mdp: TabularMDP, policy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(S,) values, (S, A) action values, (S, A) discounted visits of a policy (S, A)."""
    moves = (policy.unsqueeze(2) * mdp.continuing).sum(1)
    bellman = torch.eye(mdp.num_states, dtype=policy.dtype) - mdp.gamma * moves
    values = torch.linalg.solve(bellman, (policy * mdp.rewards).sum(1))
    visits = torch.linalg.solve(bellman.T, mdp.start)
    ahead = mdp.gamma * (mdp.continuing @ values)
    return values, mdp.rewards + ahead, visits[:, None] * policy


def gae_moments(mdp: TabularMDP, policy: Tensor, critic: Tensor, lam: float) -> Moments:
    r"""Exact moments of A_t = delta_t + gamma lam A_{t+1}, given state and action.

    Args:
        mdp: the world; its rewards depend on state and action only.
        policy: (S, A) probabilities.
        critic: (S,) what the critic says of each state; terminal states count as 0.
        lam: in [0, 1].
    """
    size = mdp.num_states * mdp.num_actions
    decay = mdp.gamma * lam
    # (S, A, S): the TD error of each transition.
    errors = mdp.rewards[:, :, None] - critic[:, None, None]
    errors = errors + mdp.gamma * (critic * ~mdp.terminal)
    moves = torch.einsum("sat,tb->satb", mdp.continuing, policy).reshape(size, size)
    identity = torch.eye(size, dtype=policy.dtype)
    first = (mdp.transitions * errors).sum(2).reshape(size)
    mean = torch.linalg.solve(identity - decay * moves, first)
    following = (policy * mean.reshape(policy.shape)).sum(1)
    cross = 2.0 * decay * (mdp.continuing * errors) @ following
    second = (mdp.transitions * errors.square()).sum(2) + cross
    square = torch.linalg.solve(identity - decay**2 * moves, second.reshape(size))
    return Moments(mean.reshape(policy.shape), (square - mean.square()).reshape(policy.shape))


def tradeoff(
    mdp: TabularMDP, policy: Tensor, critic: Tensor, lams: Tensor
) -> tuple[Tensor, Tensor]:
    """(L,) squared bias and (L,) variance for each lambda, averaged over the policy's visits.

    An error that is the same for all actions of a state is a baseline: it moves no gradient, and
    does not count as bias here.
    """
    values, action_values, visits = solve_policy(mdp, policy)
    weights = visits / visits.sum()
    truth = action_values - values[:, None]
    found = [gae_moments(mdp, policy, critic, lam) for lam in lams.tolist()]
    wrong = [m.mean - truth for m in found]
    wrong = [error - (policy * error).sum(1, keepdim=True) for error in wrong]
    bias = [(weights * error.square()).sum() for error in wrong]
    return torch.stack(bias), torch.stack([(weights * m.variance).sum() for m in found])
