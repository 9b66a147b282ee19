# Generated from the authors' solutions/policy_gradient.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401 (what the holes need is imported already)
r"""Chapter 2: policy gradient.

Shapes: B trajectories, T steps, S states, A actions, N samples, D numbers in an observation.
``rewards[:, t]`` follows ``actions[:, t]``; ``discounts[:, t]`` is gamma, or 0 where the episode terminated.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import torch
from torch import Tensor

from rlcourse.support.mdp import TabularMDP, policy_from_logits
from rlcourse.support.rollouts import Episode, Rollout, stack_episodes
from rlcourse.support.seeding import draw_seed


def bandit_gradient(theta: Tensor, actions: Tensor, rewards: Tensor) -> Tensor:
    r"""Estimate the gradient of the expected reward of a bandit (Williams, 1992).

    With :math:`\pi = \operatorname{softmax}(\theta)` the score of an action is
    :math:`\nabla_\theta \log\pi(a) = \mathbf 1_a - \pi`, so

    .. math:: \widehat{\nabla J} = \frac1N \sum_{n=1}^N r_n\,(\mathbf 1_{a_n} - \pi).

    Args:
        theta: (A) logits of the policy.
        actions: (N) int64, drawn from the policy.
        rewards: (N) reward of each draw.

    Returns:
        (A) an unbiased estimate of the gradient of J, finite for logits of any size.
    """
    # Exercise 2.1: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 2.1: write bandit_gradient")


def categorical_log_prob(logits: Tensor, actions: Tensor) -> Tensor:
    r"""Log-probability of actions under a softmax policy, :math:`\log\pi_\theta(a \mid s)`.

    Args:
        logits: (..., A) unnormalized log-probabilities.
        actions: (...) int64, one action for each row of logits.

    Returns:
        (...) log-probabilities, finite and with finite gradients for logits of any size.
    """
    # Exercise 2.2: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 2.2: write categorical_log_prob")


def discounted_returns(rewards: Tensor, discounts: Tensor) -> Tensor:
    r"""Discounted return from each step on, also called reward-to-go.

    .. math:: G_t = r_t + \gamma_t\, G_{t+1}, \qquad G_T = 0

    Args:
        rewards: (B, T) reward received after each action.
        discounts: (B, T) discount after each action; 0 where the episode terminated.

    Returns:
        (B, T) the returns :math:`G_t`; the inputs are left as they were.
    """
    # Exercise 2.3: your code here (6 lines in our solution).
    raise NotImplementedError("Exercise 2.3: write discounted_returns")


def policy_gradient_loss(log_probs: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
    r"""A loss whose gradient is the negated policy gradient (REINFORCE; Williams, 1992).

    .. math:: L(\theta) = -\frac1B \sum_{b,t} m_{bt}\, w_{bt} \log\pi_\theta(a_{bt} \mid s_{bt})

    The weights are constants here: no gradient flows into them. The sum runs over time and the mean over
    trajectories, because the gradient of :math:`J` is an expectation over trajectories.

    Args:
        log_probs: (B, T) under the policy being trained.
        weights: (B, T) return, reward-to-go or advantage of each step.
        mask: (B, T) 1 where the step counts, 0 on padding.

    Returns:
        () a surrogate: only its gradient means anything.
    """
    # Exercise 2.4: your code here (1 line in our solution).
    raise NotImplementedError("Exercise 2.4: write policy_gradient_loss")


@torch.no_grad()
def collect_episodes(
    env: gymnasium.Env[Any, Any],
    policy: Callable[[Tensor], Tensor],
    episodes: int,
    generator: torch.Generator,
) -> Rollout:
    r"""Play whole episodes and keep what a policy gradient needs.

    At each step the policy sees the observation *before* the step, an action is drawn once from the softmax of its
    logits, and that same action is played and stored. An episode stops when the environment says terminated **or**
    truncated; only the first makes ``terminated`` true. The observation after the last action is stored too.

    Args:
        env: an environment with discrete actions; reset it once an episode, with ``draw_seed(generator)``.
        policy: maps one observation, a tensor (D), to logits (A).
        episodes: B, how many to play.
        generator: the only source of randomness.

    Returns:
        a rollout of B trajectories, padded to the longest by ``stack_episodes``.
    """
    # Exercise 2.5: your code here (15 lines in our solution).
    raise NotImplementedError("Exercise 2.5: write collect_episodes")


def exact_policy_gradient(theta: Tensor, mdp: TabularMDP) -> Tensor:
    r"""Gradient of the expected discounted return of a tabular softmax policy, without sampling.

    The policy gradient theorem (Sutton et al., 2000, theorem 1): with :math:`P_\pi` the probabilities to move on to a
    state that is not terminal,

    .. math:: V = (I - \gamma P_\pi)^{-1} r_\pi,\qquad Q(s,a) = r(s,a) + \gamma \sum_{s'} P(s' \mid s,a)\,V(s'),

    .. math:: d = (I - \gamma P_\pi^{\mathsf T})^{-1} \mu,\qquad
              \frac{\partial J}{\partial\theta_{sa}} = d(s)\,\pi(a \mid s)\,\bigl(Q(s,a) - V(s)\bigr).

    Args:
        theta: (S, A) logits of the policy in each state.
        mdp: transitions, rewards, start distribution and discount; ``mdp.continuing`` leaves out termination.

    Returns:
        (S, A) the gradient of :math:`J(\theta) = \mathbb E_{s \sim \mu}[V(s)]`.
    """
    # Exercise 2.6: your code here (7 lines in our solution).
    raise NotImplementedError("Exercise 2.6: write exact_policy_gradient")
