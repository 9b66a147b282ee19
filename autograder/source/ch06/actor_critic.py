# Generated from the authors' solutions/actor_critic.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401, F841 (what the holes need is there already)
r"""Chapter 6: advantage and actor-critic.

Shapes: B trajectories, T steps, A actions, N steps that count. ``rewards[:, t]`` follows ``actions[:, t]``;
``discounts[:, t]`` is gamma, or 0 where the episode terminated; ``ends[:, t]`` is 1 where the trajectory stops after
this step, because it terminated or because the clock cut it off.
"""

import torch
from torch import Tensor
from torch.distributions import Categorical

from rlcourse.support.actor_critic_config import ActorCriticConfig
from rlcourse.support.networks import ActorCritic
from rlcourse.support.rollouts import Rollout


def td_errors(rewards: Tensor, discounts: Tensor, values: Tensor, next_values: Tensor) -> Tensor:
    r"""Temporal-difference error of each step: a one-sample estimate of its advantage.

    .. math:: \delta_t = r_t + \gamma_t\, V(s_{t+1}) - V(s_t)

    (Sutton and Barto, 2018, eq. 6.5; Schulman et al., 2016, eq. 10.)

    Args:
        rewards: (B, T) reward received after each action.
        discounts: (B, T) discount after each action; 0 where the episode terminated.
        values: (B, T) critic at the observation of each step.
        next_values: (B, T) critic at the true next observation, also where the clock cut us off.

    Returns:
        (B, T) the errors; gradients flow to whatever asks for them.
    """
    # Exercise 6.1: your code here (1 line in our solution).
    raise NotImplementedError("Exercise 6.1: write td_errors")


def gae(
    rewards: Tensor,
    discounts: Tensor,
    values: Tensor,
    next_values: Tensor,
    ends: Tensor,
    lam: float,
) -> Tensor:
    r"""Generalized advantage estimation (Schulman et al., 2016, eq. 16).

    .. math:: A_t = \delta_t + \gamma_t \lambda\,(1 - \text{end}_t)\, A_{t+1},
              \qquad \delta_t = r_t + \gamma_t V(s_{t+1}) - V(s_t), \qquad A_T = 0

    Two endings, two jobs. A *terminated* step has a discount of 0, so nothing is bootstrapped. A step that *ends* for
    any reason lets nothing through from the next column, which belongs to another trajectory. A truncated step is
    bootstrapped like any other.

    Args:
        rewards: (B, T) reward received after each action.
        discounts: (B, T) discount after each action; 0 where the episode terminated.
        values: (B, T) critic at the observation of each step.
        next_values: (B, T) critic at the true next observation, also where the clock cut us off.
        ends: (B, T) bool or float, 1 where the trajectory stops after this step.
        lam: in [0, 1]; 0 gives the TD error, 1 the return minus the value.

    Returns:
        (B, T) the advantages, as constants: no gradient flows into them. The inputs are left as they were.
    """
    # Exercise 6.2: your code here (7 lines in our solution).
    raise NotImplementedError("Exercise 6.2: write gae")


def actor_loss(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    r"""A loss whose gradient is the negated policy gradient, each step weighted with its advantage.

    .. math:: L(\theta) = -\frac{\sum_{b,t} m_{bt}\, \operatorname{sg}(A_{bt})\, \log\pi_\theta(a_{bt} \mid s_{bt})}
                               {\sum_{b,t} m_{bt}}

    (Mnih et al., 2016, section 4.) Rows are pieces of trajectories here, cut anywhere, so the mean is taken over steps:
    every step that counts has the same weight.

    Args:
        log_probs: (B, T) of the actions, under the policy being trained.
        advantages: (B, T) constants here: no gradient flows into them.
        mask: (B, T) bool or float, 1 where a step counts.

    Returns:
        () the mean over the steps that count; 0 if none does.
    """
    # Exercise 6.3: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 6.3: write actor_loss")


def critic_loss(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    r"""Half the mean squared error of the critic.

    .. math:: L(\phi) = \frac12\, \frac{\sum_{b,t} m_{bt}\,\bigl(V_\phi(s_{bt}) - \operatorname{sg}(G_{bt})\bigr)^2}
                                   {\sum_{b,t} m_{bt}}

    (Sutton and Barto, 2018, section 9.3.) With the half, the gradient is the error itself.

    Args:
        values: (B, T) critic at the observation of each step.
        returns: (B, T) what it should have said; constants here, although a critic may have been used to make them.
        mask: (B, T) bool or float, 1 where a step counts.

    Returns:
        () the mean over the steps that count; 0 if none does.
    """
    # Exercise 6.4: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 6.4: write critic_loss")


def entropy(logits: Tensor) -> Tensor:
    r"""How undecided a softmax policy is, in nats.

    .. math:: H(\pi) = -\sum_a \pi(a) \log \pi(a)

    (Williams and Peng, 1991.) It is 0 for a sure choice and :math:`\log A` for equal probabilities.

    Args:
        logits: (..., A) unnormalized log-probabilities.

    Returns:
        (...) entropies; they and their gradients are finite for logits of any size.
    """
    # Exercise 6.5: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 6.5: write entropy")


def explained_variance(values: Tensor, returns: Tensor) -> Tensor:
    r"""Which part of the returns' variance the critic accounts for.

    .. math:: 1 - \frac{\operatorname{Var}(G - V)}{\operatorname{Var}(G)}

    1 for a critic that is right up to a constant, 0 for one that knows nothing, negative for one that is worse than
    nothing.

    Args:
        values: (N) what the critic said, of the steps that count.
        returns: (N) what came.

    Returns:
        () the explained part; NaN if all returns are equal, for then there is nothing to explain.
    """
    # Exercise 6.6: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 6.6: write explained_variance")


def actor_critic_step(
    agent: ActorCritic,
    rollout: Rollout,
    optimizer: torch.optim.Optimizer,
    config: ActorCriticConfig,
) -> dict[str, float]:
    r"""One update of actor and critic (A2C; Mnih et al., 2016, algorithm S3, without the asynchrony).

    .. math:: L = L_{\text{actor}} + c_V L_{\text{critic}} - c_H\, \overline{H}

    Advantages by ``gae``; the critic's targets are advantages + values, as they come from ``gae``; only what the
    *actor* sees is standardized (mean 0, deviation 1 over the N steps that count, 1e-8 added to the deviation), if
    ``config.standardize``. The entropy is a mean over the N steps too. The gradient of all parameters together is
    shortened to ``config.max_grad_norm`` before the optimizer takes its one step.

    Args:
        agent: has ``logits(observations)`` (..., A) and ``values(observations)`` (...); changed in place.
        rollout: what this same agent has just played.
        optimizer: over all parameters of the agent; gradients that it still holds are forgotten first.
        config: discount, lambda and coefficients.

    Returns:
        numbers for the log: ``actor_loss``, ``critic_loss``, ``entropy``, ``explained_variance`` (of the critic
        before the update) and ``grad_norm`` (before it was shortened).
    """
    logits, values = agent.logits(rollout.states), agent.values(rollout.observations)
    log_probs = Categorical(logits=logits).log_prob(rollout.actions)
    values, next_values = values[:, :-1], values[:, 1:]
    discounts = rollout.discounts(config.gamma)
    # Exercise 6.7: your code here (20 lines in our solution).
    raise NotImplementedError("Exercise 6.7: write actor_critic_step")
