r"""Chapter 4: value functions, Monte Carlo and temporal difference.

Shapes: S states, A actions, B trajectories, T steps, N updates at once.
``rewards[t]`` follows the action in ``states[t]``; a discount is gamma, or 0 where the episode terminated.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Rule = Literal["sarsa", "expected_sarsa", "q_learning"]
"""What an agent takes the future to be worth: see :func:`control_target`."""


def solve_values(transitions: Tensor, rewards: Tensor, policy: Tensor, gamma: float) -> Tensor:
    r"""Value of every state under a policy, without sampling: the Bellman equation solved.

    With the probabilities to move :math:`P_\pi(s, s') = \sum_a \pi(a \mid s) P(s' \mid s, a)` and the mean reward
    :math:`r_\pi(s) = \sum_a \pi(a \mid s)\, r(s, a)` (Sutton and Barto, 2018, eq. 4.4, as linear equations),

    .. math:: (I - \gamma P_\pi)\, V = r_\pi .

    A terminal state loops to itself whatever the action and pays nothing. Its value is 0, also for gamma = 1, where
    its row of the system would be empty.

    Args:
        transitions: (S, A, S) probability of the next state.
        rewards: (S, A) expected reward of an action.
        policy: (S, A) probability of each action in each state.
        gamma: discount in [0, 1].

    Returns:
        (S) the expected discounted return from each state.

    Raises:
        RuntimeError: from ``torch.linalg.solve``, if gamma is 1 and the policy may go on for ever.
    """
    ### BEGIN SOLUTION 4.1
    stays = torch.einsum("sas->sa", transitions) == 1
    terminal = (stays & (rewards == 0)).all(dim=1)
    going_on = torch.einsum("sa,sat->st", policy, transitions) * ~terminal
    bellman = torch.eye(len(rewards), dtype=rewards.dtype) - gamma * going_on
    values: Tensor = torch.linalg.solve(bellman, (policy * rewards).sum(dim=1))
    return values
    ### END SOLUTION


def monte_carlo_values(
    episodes: Sequence[tuple[Tensor, Tensor]], num_states: int, gamma: float, first_visit: bool
) -> Tensor:
    r"""Value of every state as the mean of the returns that followed it.

    .. math:: V(s) = \operatorname{mean}\{ G_t : s_t = s \}, \qquad G_t = r_t + \gamma\, G_{t+1}

    over every visit, or over the first visit of each episode only (Sutton and Barto, 2018, section 5.1).

    Args:
        episodes: whole episodes that terminated, at least one, each a pair of tensors: states (T) int64, and rewards
            (T), where ``rewards[t]`` was paid on leaving ``states[t]``. The terminal state is not listed.
        num_states: S.
        gamma: discount in [0, 1].
        first_visit: count a state at most once an episode, at its first visit.

    Returns:
        (S) the mean returns, with the dtype of the rewards; 0 for states that were never visited.
    """
    ### BEGIN SOLUTION 4.2
    totals = torch.zeros(num_states, dtype=episodes[0][1].dtype)
    visits = torch.zeros_like(totals)
    for states, rewards in episodes:
        following = rewards.new_zeros(())
        for t in reversed(range(len(states))):
            following = rewards[t] + gamma * following
            if not (first_visit and states[t] in states[:t]):
                totals[states[t]] += following
                visits[states[t]] += 1
    return totals / visits.clamp(min=1)
    ### END SOLUTION


def td_update(
    values: Tensor,
    state: int | Tensor,
    reward: float | Tensor,
    discount: float | Tensor,
    next_state: int | Tensor,
    step_size: float | Tensor,
) -> Tensor:
    r"""Move the value of one state towards what one step has shown: TD(0).

    .. math:: V(s) \leftarrow V(s) + \alpha\,\bigl(r + \gamma V(s') - V(s)\bigr)

    (Sutton, 1988; Sutton and Barto, 2018, eq. 6.2). The discount is 0 where the episode terminated: then nothing of
    V(s') may enter.

    Args:
        values: (S) the present estimates; left as they are.
        state: the state that was left; or (N) int64, all different, for N updates at once.
        reward: what the step paid, one number or (N).
        discount: gamma, or 0 where the episode terminated; one number or (N).
        next_state: the state that was reached, one number or (N) int64.
        step_size: how far to move, 0 to 1; one number or (N).

    Returns:
        (S) the new estimates. They differ from ``values`` only at ``state``.
    """
    ### BEGIN SOLUTION 4.3
    error = reward + discount * values[next_state] - values[state]
    updated = values.clone()
    updated[state] += step_size * error
    return updated
    ### END SOLUTION


def n_step_returns(
    rewards: Tensor, discounts: Tensor, next_values: Tensor, ends: Tensor, n: int
) -> Tensor:
    r"""Up to n rewards, and the value of where they led to.

    .. math:: G_t^{(n)} = r_t + \gamma_t\, r_{t+1} + \dots + \gamma_t \cdots \gamma_{t+n-2}\, r_{t+n-1}
              + \gamma_t \cdots \gamma_{t+n-1}\, V(s_{t+n})

    (Sutton and Barto, 2018, eq. 7.1). It looks no further than the end of its trajectory, nor than the last column:
    there it stops and takes the value of what came next, which a discount of 0 wipes out if that was termination.

    Args:
        rewards: (B, T) reward after each action.
        discounts: (B, T) gamma, or 0 where the episode terminated.
        next_values: (B, T) value of the true next state, also where the trajectory was cut off.
        ends: (B, T) 1 or true where a trajectory stops, terminated or truncated; another may follow in the row.
        n: how many rewards to take at most. 1 gives the target of TD(0), T or more that of Monte Carlo.

    Returns:
        (B, T) the n-step returns.

    Raises:
        ValueError: if n is less than 1.
    """
    ### BEGIN SOLUTION 4.4
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    returns = rewards + discounts * next_values
    for _ in range(min(n, rewards.shape[1]) - 1):
        longer = torch.cat([returns[:, 1:], next_values[:, -1:]], dim=1)
        following = torch.where(ends > 0, next_values, longer)
        returns = rewards + discounts * following
    return returns
    ### END SOLUTION


def control_target(
    rule: Rule,
    reward: float | Tensor,
    discount: float | Tensor,
    next_q: Tensor,
    next_action: int | Tensor,
    next_policy: Tensor,
) -> Tensor:
    r"""What Q(s, a) should move towards after one step, under one of three rules.

    .. math:: r + \gamma \times \begin{cases}
        Q(s', a') & \text{SARSA (Sutton and Barto, 2018, eq. 6.7)} \\
        \sum_a \pi(a \mid s')\, Q(s', a) & \text{expected SARSA (eq. 6.9)} \\
        \max_a Q(s', a) & \text{Q-learning (Watkins, 1989; eq. 6.8)}
        \end{cases}

    A target is a constant: no gradient flows back through it.

    Args:
        rule: ``"sarsa"``, ``"expected_sarsa"`` or ``"q_learning"``.
        reward: what the step paid, one number or (...).
        discount: gamma, or 0 where the episode terminated; one number or (...).
        next_q: (..., A) action values of the next state.
        next_action: the action chosen there, one number or (...) int64; only SARSA reads it.
        next_policy: (..., A) probability of each action there; only expected SARSA reads it.

    Returns:
        (...) the targets, without gradient.

    Raises:
        ValueError: if there is no such rule.
    """
    ### BEGIN SOLUTION 4.5
    if rule == "sarsa":
        chosen = torch.as_tensor(next_action).unsqueeze(-1)
        following = next_q.gather(-1, chosen).squeeze(-1)
    elif rule == "expected_sarsa":
        following = (next_policy * next_q).sum(dim=-1)
    elif rule == "q_learning":
        following = next_q.amax(dim=-1)
    else:
        raise ValueError(f"rule must be sarsa, expected_sarsa or q_learning, got {rule!r}")
    return (reward + discount * following).detach()
    ### END SOLUTION


def epsilon_greedy(q: Tensor, epsilon: float) -> Tensor:
    r"""Probability of each action: mostly the best one, now and then any one.

    .. math:: \pi(a) = \frac{\varepsilon}{A} + (1 - \varepsilon)\,
              \frac{\mathbf 1[q_a = \max q]}{\#\{b : q_b = \max q\}}

    The random part includes the best actions, and those that tie for best share the greedy part
    (Sutton and Barto, 2018, section 2.2).

    Args:
        q: (..., A) action values.
        epsilon: probability of a random action, 0 to 1.

    Returns:
        (..., A) probabilities with the dtype of ``q``.

    Raises:
        ValueError: if epsilon is not in [0, 1].
    """
    ### BEGIN SOLUTION 4.6
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon must lie between 0 and 1, got {epsilon}")
    best = (q == q.amax(dim=-1, keepdim=True)).to(q.dtype)
    greedy = best / best.sum(dim=-1, keepdim=True)
    return epsilon / q.shape[-1] + (1 - epsilon) * greedy
    ### END SOLUTION
