r"""REINFORCE (Williams, 1992): play whole episodes, then make what paid more probable.

Made of the functions of chapter 2; read it beside its page, ``book/02_policy_gradient.md``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlcourse.policy_gradient import (
    categorical_log_prob,
    discounted_returns,
    policy_gradient_loss,
)
from rlcourse.support.rollouts import Rollout

Play = Callable[[nn.Module, torch.Generator], Rollout]
"""Plays whole episodes with a policy, one in each row."""

Weigh = Callable[[Rollout, float], Tensor]
"""Gives each step (B, T) its weight, from what was played and the discount gamma."""


class TablePolicy(nn.Module):
    """A policy with a row of logits for each state.

    Args:
        theta: (S, A) the logits at first; copied.
    """

    def __init__(self, theta: Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(theta.clone())

    def forward(self, observations: Tensor) -> Tensor:
        """(..., A) logits, of states as numbers (...) int64 or as one-hot rows (..., S)."""
        if observations.dtype == torch.int64:
            return self.theta[observations]
        return observations.to(self.theta.dtype) @ self.theta


@dataclass(frozen=True, slots=True)
class ReinforceConfig:
    """How long to train, and how fast.

    Raises:
        ValueError: if a number lies outside its range.
    """

    iterations: int = 50
    """Number of updates. Each plays new episodes: those of an older policy would be biased."""
    learning_rate: float = 1e-2
    """Step size of Adam."""
    gamma: float = 0.99
    """Discount in [0, 1]."""
    runs: int = 1
    """Policies trained side by side, see ``PolicyEnsemble``; rows belong to them in turn."""

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.runs < 1:
            raise ValueError(f"iterations and runs must be at least 1, got {self}")
        if not 0.0 <= self.gamma <= 1.0:
            raise ValueError(f"gamma must lie in [0, 1], got {self.gamma}")
        if self.learning_rate <= 0.0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")


def whole_return(rollout: Rollout, gamma: float) -> Tensor:
    """(B, T) the return R of the trajectory, the same for each of its steps."""
    return reward_to_go(rollout, gamma)[:, :1].expand_as(rollout.rewards)


def reward_to_go(rollout: Rollout, gamma: float) -> Tensor:
    """(B, T) the return from each step on; what everybody uses."""
    return discounted_returns(rollout.rewards, rollout.discounts(gamma))


def discounted_reward_to_go(rollout: Rollout, gamma: float) -> Tensor:
    """(B, T) the reward-to-go as seen from the start, gamma^t G_t; what the theorem says."""
    powers = gamma ** torch.arange(rollout.steps, dtype=rollout.rewards.dtype)
    return powers * reward_to_go(rollout, gamma)


def reinforce_loss(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    """() the surrogate whose gradient, negated, estimates the gradient of the expected return.

    Args:
        policy: maps observations (B, T, ...) to logits (B, T, A).
        rollout: whole episodes that this same policy has played, one in each row.
        weights: (B, T) how much each step's action is to be encouraged.
    """
    log_probs = categorical_log_prob(policy(rollout.states), rollout.actions)
    return policy_gradient_loss(log_probs, weights, rollout.mask)


def reinforce(
    policy: nn.Module,
    play: Play,
    config: ReinforceConfig,
    generator: torch.Generator,
    weigh: Weigh = reward_to_go,
) -> Tensor:
    """Train a policy in place.

    Args:
        policy: maps observations to logits.
        play: plays the episodes of one update.
        config: how long, how fast.
        generator: all randomness of the play; advanced.
        weigh: what multiplies each step's log-probability.

    Returns:
        (iterations, runs, episodes) the undiscounted return of every episode, in order.
    """
    optimizer = torch.optim.Adam(policy.parameters(), lr=config.learning_rate)
    returns = []
    for _ in range(config.iterations):
        rollout = play(policy, generator)
        loss = reinforce_loss(policy, rollout, weigh(rollout, config.gamma))
        optimizer.zero_grad()
        # The loss is a mean over all rows. The runs share no parameter, so the
        # sum of their own means gives each the gradient it would have alone.
        (config.runs * loss).backward()
        optimizer.step()
        returns.append(rollout.episode_returns().reshape(config.runs, -1))
    return torch.stack(returns)
