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
    ### BEGIN SOLUTION 2.1
    chosen = torch.nn.functional.one_hot(actions, len(theta)).to(theta.dtype)
    scores = chosen - theta.softmax(dim=0)
    return (rewards.unsqueeze(1) * scores).mean(dim=0)
    ### END SOLUTION


def categorical_log_prob(logits: Tensor, actions: Tensor) -> Tensor:
    r"""Log-probability of actions under a softmax policy, :math:`\log\pi_\theta(a \mid s)`.

    Args:
        logits: (..., A) unnormalized log-probabilities.
        actions: (...) int64, one action for each row of logits.

    Returns:
        (...) log-probabilities, finite and with finite gradients for logits of any size.
    """
    ### BEGIN SOLUTION 2.2
    log_probs = torch.log_softmax(logits, dim=-1)
    return log_probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    ### END SOLUTION


def discounted_returns(rewards: Tensor, discounts: Tensor) -> Tensor:
    r"""Discounted return from each step on, also called reward-to-go.

    .. math:: G_t = r_t + \gamma_t\, G_{t+1}, \qquad G_T = 0

    Args:
        rewards: (B, T) reward received after each action.
        discounts: (B, T) discount after each action; 0 where the episode terminated.

    Returns:
        (B, T) the returns :math:`G_t`; the inputs are left as they were.
    """
    ### BEGIN SOLUTION 2.3
    returns = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        following = rewards[:, t] + discounts[:, t] * following
        returns[:, t] = following
    return returns
    ### END SOLUTION


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
    ### BEGIN SOLUTION 2.4
    return -(mask * weights.detach() * log_probs).sum(dim=1).mean()
    ### END SOLUTION


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
    ### BEGIN SOLUTION 2.5
    collected = []
    for _ in range(episodes):
        observation, _ = env.reset(seed=draw_seed(generator))
        observations = [torch.tensor(observation)]
        actions, rewards = [], []
        terminated = truncated = False
        while not (terminated or truncated):
            probabilities = policy(observations[-1]).softmax(dim=-1)
            actions.append(torch.multinomial(probabilities, 1, generator=generator)[0])
            observation, reward, terminated, truncated, _ = env.step(actions[-1].item())
            observations.append(torch.tensor(observation))
            rewards.append(float(reward))
        steps = torch.stack(observations), torch.stack(actions), torch.tensor(rewards)
        collected.append(Episode(*steps, bool(terminated)))
    return stack_episodes(collected)
    ### END SOLUTION


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
    ### BEGIN SOLUTION 2.6
    policy = policy_from_logits(theta)
    moves = torch.einsum("sa,sat->st", policy, mdp.continuing)
    bellman = torch.eye(len(theta), dtype=theta.dtype) - mdp.gamma * moves
    values: Tensor = torch.linalg.solve(bellman, (policy * mdp.rewards).sum(dim=1))
    action_values = mdp.rewards + mdp.gamma * mdp.continuing @ values
    occupancy: Tensor = torch.linalg.solve(bellman.T, mdp.start)
    return occupancy.unsqueeze(1) * policy * (action_values - values.unsqueeze(1))
    ### END SOLUTION
