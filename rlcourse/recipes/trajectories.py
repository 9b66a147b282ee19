"""Every trajectory of a small world, so that expectations are sums and no longer estimates."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlcourse.policy_gradient import categorical_log_prob
from rlcourse.recipes.reinforce import reinforce_loss
from rlcourse.support.rollouts import Episode, Rollout, stack_episodes
from rlcourse.support.tabular import TabularMDP


@dataclass(frozen=True, slots=True)
class Trajectories:
    """Every trajectory of a small world, whichever policy acts in it."""

    rollout: Rollout
    """One row a trajectory; observations are the numbers of states (N, T+1)."""
    world: Tensor
    """(N,) the product of all that the policy does not decide: start and transitions."""

    def probabilities(self, policy: nn.Module) -> Tensor:
        """(N,) probability of each trajectory under a policy; they sum to 1. Differentiable."""
        log_probs = categorical_log_prob(policy(self.rollout.states), self.rollout.actions)
        return self.world * (self.rollout.mask * log_probs).sum(dim=1).exp()

    def expected_return(self, policy: nn.Module, gamma: float = 1.0) -> Tensor:
        """() J, the sum of probability times return. Differentiable."""
        powers = gamma ** torch.arange(self.rollout.steps, dtype=self.rollout.rewards.dtype)
        returns = (powers * self.rollout.rewards).sum(dim=1)
        return (self.probabilities(policy) * returns).sum()

    def deal(self, policy: nn.Module, episodes: int, generator: torch.Generator) -> Rollout:
        """Draw episodes as the policy would play them, all at once, like cards from a deck."""
        chances = self.probabilities(policy).detach()
        return take_rows(self.rollout, chances.multinomial(episodes, True, generator=generator))


def take_rows(rollout: Rollout, rows: Tensor) -> Rollout:
    """The rollout of some rows (N,) int64, in that order; a row may come twice."""
    return Rollout(
        observations=rollout.observations[rows],
        actions=rollout.actions[rows],
        rewards=rollout.rewards[rows],
        terminated=rollout.terminated[rows],
        ends=rollout.ends[rows],
        mask=rollout.mask[rows],
    )


def enumerate_trajectories(mdp: TabularMDP, horizon: int) -> Trajectories:
    """All trajectories of at most ``horizon`` steps; those that go on are truncated there."""
    start = mdp.start.nonzero().flatten().tolist()
    rows = [row for s in start for row in _from(mdp, [s], [], float(mdp.start[s]), horizon)]
    episodes = [
        Episode(
            observations=torch.tensor(states),
            actions=torch.tensor(actions),
            rewards=mdp.rewards[states[:-1], actions],
            terminated=bool(mdp.terminal[states[-1]]),
        )
        for states, actions, _ in rows
    ]
    world = torch.tensor([probability for _, _, probability in rows], dtype=mdp.rewards.dtype)
    return Trajectories(stack_episodes(episodes), world)


_Row = tuple[list[int], list[int], float]


def _from(
    mdp: TabularMDP, states: list[int], actions: list[int], probability: float, horizon: int
) -> list[_Row]:
    """All ways to go on from the last of ``states``."""
    if len(actions) == horizon or bool(mdp.terminal[states[-1]]):
        return [(states, actions, probability)]
    rows: list[_Row] = []
    for action in range(mdp.num_actions):
        following = mdp.transitions[states[-1], action]
        for successor in following.nonzero().flatten().tolist():
            chance = probability * float(following[successor])
            longer = [*states, successor], [*actions, action]
            rows += _from(mdp, *longer, chance, horizon)
    return rows


def gradient_moments(
    trajectories: Trajectories, policy: nn.Module, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Exact mean and variance of the gradient estimated from one trajectory.

    Args:
        trajectories: all of them.
        policy: the one that plays and whose gradient is taken.
        weights: (N, T) weight of each step of each trajectory.

    Returns:
        (P,) the mean over trajectories, and () the trace of the covariance, P parameters flattened.
    """
    probabilities = trajectories.probabilities(policy).detach()
    gradients = []
    for row in torch.arange(len(probabilities)).unsqueeze(1):
        loss = reinforce_loss(policy, take_rows(trajectories.rollout, row), weights[row])
        gradients.append(-torch.cat([g.flatten() for g in _gradient(loss, policy)]))
    each = torch.stack(gradients)
    mean = probabilities @ each
    return mean, probabilities @ (each - mean).square().sum(dim=1)


def _gradient(loss: Tensor, policy: nn.Module) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, tuple(policy.parameters()))
