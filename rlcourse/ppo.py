# Generated from the authors' solutions/ppo.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401, F841 (what the holes need is there already)
r"""Chapter 8: proximal policy optimization (PPO).

Shapes: B trajectories, T steps, A actions, N steps that count. ``old_log_probs`` belong to the policy that acted and
never change; ``log_probs`` belong to the policy that is being trained on what the old one did. Their ratio is
:math:`\rho_t = \pi_\theta(a_t \mid s_t) / \pi_{\text{old}}(a_t \mid s_t)`.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rlcourse.actor_critic import critic_loss, gae
from rlcourse.support.networks import ActorCritic
from rlcourse.support.one_vector import shorten_gradient
from rlcourse.support.ppo_config import PPOConfig
from rlcourse.support.rollouts import Rollout


def clipped_surrogate_loss(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    r"""Negated PPO-clip objective (Schulman et al., 2017, eq. 7).

    .. math:: L(\theta) = -\frac{\sum_t m_t \min\bigl(\rho_t A_t,\;
              \operatorname{clip}(\rho_t, 1 - \epsilon, 1 + \epsilon)\, A_t\bigr)}{\sum_t m_t}

    Args:
        log_probs: (B, T) of the actions, under the policy being trained.
        old_log_probs: (B, T) of the same actions, under the policy that took them; constants.
        advantages: (B, T) of the actions; constants.
        mask: (B, T) bool or float, 1 where a step counts.
        clip_eps: how far the ratio may move from 1 before it stops paying.

    Returns:
        () the mean over the steps that count; 0 if none does. All may also be flat, (N).
    """
    # Exercise 8.1: your code here (4 lines in our solution).
    raise NotImplementedError("Exercise 8.1: write clipped_surrogate_loss")


def clip_fraction(
    log_probs: Tensor, old_log_probs: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    r"""Which part of the steps has a ratio outside the clip.

    .. math:: \frac{\sum_t m_t\, \mathbb 1\bigl(\lvert \rho_t - 1 \rvert > \epsilon\bigr)}{\sum_t m_t}

    Args:
        log_probs: (B, T) of the actions, under the policy being trained.
        old_log_probs: (B, T) of the same actions, under the policy that took them.
        mask: (B, T) bool or float, 1 where a step counts.
        clip_eps: half of the clip's width.

    Returns:
        () a number to look at, between 0 and 1, without gradient; 0 if no step counts.
    """
    # Exercise 8.2: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 8.2: write clip_fraction")


def approx_kl(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    r"""Estimate of how far the policy has moved: the divergence from old to new (Schulman, 2020, "k3").

    .. math:: \frac{\sum_t m_t\, (\rho_t - 1 - \log \rho_t)}{\sum_t m_t}
              \;\approx\; \operatorname{KL}(\pi_{\text{old}} \,\|\, \pi_\theta)

    Unbiased for actions of the *old* policy, and never negative.

    Args:
        log_probs: (B, T) of the actions, under the policy being trained.
        old_log_probs: (B, T) of the same actions, under the policy that took them.
        mask: (B, T) bool or float, 1 where a step counts.

    Returns:
        () a number to look at, without gradient; 0 if no step counts.
    """
    # Exercise 8.2: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 8.2: write approx_kl")


def clipped_value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    r"""Half the mean squared error of the critic, pessimistic about large moves.

    .. math:: L(\phi) = \frac12\, \frac{\sum_t m_t \max\bigl((V_t - G_t)^2,\; (V^{\text{clip}}_t - G_t)^2\bigr)}
                                  {\sum_t m_t},
              \qquad V^{\text{clip}}_t = V^{\text{old}}_t +
                     \operatorname{clip}(V_t - V^{\text{old}}_t, -\epsilon, \epsilon)

    (Dhariwal et al., 2017, the PPO of "Baselines"; it is not in the paper.)

    Args:
        values: (B, T) critic at the observation of each step, being trained.
        old_values: (B, T) what it said before the update; constants.
        returns: (B, T) what it should have said; constants.
        mask: (B, T) bool or float, 1 where a step counts.
        clip_eps: how far the critic may move before that stops paying; infinite for an ordinary squared error.

    Returns:
        () the mean over the steps that count; 0 if none does. All may also be flat, (N).
    """
    # Exercise 8.3: your code here (4 lines in our solution).
    raise NotImplementedError("Exercise 8.3: write clipped_value_loss")


def minibatches(n: int, size: int, generator: torch.Generator) -> Sequence[Tensor]:
    """Deal the numbers of n steps into minibatches, shuffled anew at each call.

    One permutation by ``torch.randperm(n, generator=generator)``, cut from the front into pieces of ``size``.

    Args:
        n: how many steps there are, at least 1.
        size: how many make a minibatch.
        generator: decides the order; advanced.

    Returns:
        minibatches of (size) int64 each, the last one smaller if size does not divide n. Every number from 0 to
        n - 1 is in exactly one.

    Raises:
        ValueError: if size is less than 1.
    """
    # Exercise 8.4: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 8.4: write minibatches")


class Experience(NamedTuple):
    """What is worked out once for a batch, of the N steps that count. No epoch changes it."""

    states: Tensor
    """(N, ...) what the old policy saw."""
    actions: Tensor
    """(N) what it did."""
    log_probs: Tensor
    """(N) how probable that was to it."""
    values: Tensor
    """(N) what the critic said of the states."""
    advantages: Tensor
    """(N) how much better the actions turned out to be."""
    returns: Tensor
    """(N) what the critic should have said: advantages + values."""


@torch.no_grad()
def work_out(agent: ActorCritic, rollout: Rollout, config: PPOConfig) -> Experience:
    """Log-probabilities, values and advantages of the policy that acted, before anything is trained.

    Args:
        agent: has ``logits(observations)`` (..., A) and ``values(observations)`` (...).
        rollout: what this same agent has just played.
        config: discount and lambda.
    """
    values, discounts = agent.values(rollout.observations), rollout.discounts(config.gamma)
    now, following = values[:, :-1], values[:, 1:]
    advantages = gae(rollout.rewards, discounts, now, following, rollout.ends, config.lam)
    log_probs, _ = log_probs_and_entropies(agent, rollout.states, rollout.actions)
    parts = (rollout.states, rollout.actions, log_probs, now, advantages, advantages + now)
    return Experience(*(rollout.counted(part) for part in parts))


def log_probs_and_entropies(
    agent: ActorCritic, states: Tensor, actions: Tensor
) -> tuple[Tensor, Tensor]:
    """Both (N), under the policy as it is now.

    Args:
        agent: has ``logits(observations)`` (..., A).
        states: (N, ...) observations.
        actions: (N) what was done there.
    """
    log_policy = agent.logits(states).log_softmax(dim=-1)
    entropies = -(log_policy.exp() * log_policy).sum(dim=-1)
    return log_policy.gather(-1, actions[..., None]).squeeze(-1), entropies


def ppo_update(
    agent: ActorCritic,
    rollout: Rollout,
    optimizer: torch.optim.Optimizer,
    config: PPOConfig,
    generator: torch.Generator,
) -> dict[str, float]:
    r"""Train on one batch for some epochs of minibatches (Schulman et al., 2017, algorithm 1).

    .. math:: L = L_{\text{clip}} + c_V L_{\text{value}} - c_H\, \overline{H}

    For each minibatch one step of the optimizer, with the gradient of all parameters together shortened to
    ``config.max_grad_norm``. If ``config.standardize``, the advantages of a *minibatch* are shifted to mean 0 and
    divided by their deviation (over its M steps, divisor M) + 1e-8. The critic is clipped by
    ``config.value_clip_eps``. After an epoch in which the mean of the minibatches' ``approx_kl`` was above
    ``config.target_kl``, there is no further one.

    Args:
        agent: has ``logits(observations)`` (..., A) and ``values(observations)`` (...); changed in place.
        rollout: what this same agent has just played.
        optimizer: over all parameters of the agent; gradients that it still holds are forgotten first.
        config: epochs, minibatches, clip and coefficients.
        generator: shuffles, by ``minibatches``, once an epoch; advanced.

    Returns:
        numbers for the log, means over all minibatches, each measured before its step: ``policy_loss``,
        ``value_loss``, ``entropy``, ``approx_kl``, ``clip_fraction``, ``grad_norm`` (before it was shortened); and
        ``epochs``, how many there were.
    """
    batch = work_out(agent, rollout, config)
    log: list[dict[str, Any]] = []
    # Exercise 8.5: your code here (32 lines in our solution).
    raise NotImplementedError("Exercise 8.5: write ppo_update")


def mean_of(log: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Each number's mean over the rows of a log; tensors of one element become floats."""
    return {
        name: sum(torch.as_tensor(row[name]).item() for row in log) / len(log) for name in log[0]
    }


class RunningMeanStd:
    r"""Mean and variance of all that was seen, entry by entry, without keeping it.

    Batches are merged exactly (Chan et al., 1979, eq. 1.5): with :math:`\Delta` the batch's mean minus the one so far,

    .. math:: n = n_1 + n_2, \qquad \mu = \mu_1 + \Delta\, \frac{n_2}{n}, \qquad
              n\,\sigma^2 = n_1\sigma_1^2 + n_2\sigma_2^2 + \Delta^2\, \frac{n_1 n_2}{n}

    ``mean`` and ``var`` (divisor n) are float64 of the given shape, 0 and 1 before the first batch; ``count`` is n.

    Args:
        shape: of one observation.
        limit: normalized numbers are cut off here, on both sides.
    """

    eps = 1e-8
    """Added to the variance in the root."""

    def __init__(self, shape: tuple[int, ...], limit: float = 10.0) -> None:
        self.mean = torch.zeros(shape, dtype=torch.float64)
        self.var = torch.ones(shape, dtype=torch.float64)
        self.count = 0
        self.limit = limit

    def update(self, x: Tensor) -> None:
        """Take in more observations; called while training, never while evaluating.

        Args:
            x: (N, ...) observations along the first axis, at least one; left as they are.
        """
        # Exercise 8.6: your code here (7 lines in our solution).
        raise NotImplementedError("Exercise 8.6: write update")

    def normalize(self, x: Tensor) -> Tensor:
        """Observations minus the mean, divided by the deviation. Changes nothing that is remembered.

        Args:
            x: (...) observations: any axes, then those of one observation.

        Returns:
            like x, in its own dtype, between -limit and limit.
        """
        # Exercise 8.6: your code here (2 lines in our solution).
        raise NotImplementedError("Exercise 8.6: write normalize")

    def state_dict(self) -> dict[str, Any]:
        """What is remembered, for a checkpoint."""
        return {"mean": self.mean, "var": self.var, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.mean, self.var, self.count = state["mean"], state["var"], state["count"]
