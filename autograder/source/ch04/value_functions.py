# Generated from the authors' solutions/value_functions.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401 (what the holes need is imported already)
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
    # Exercise 4.1: your code here (6 lines in our solution).
    raise NotImplementedError("Exercise 4.1: write solve_values")


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
    # Exercise 4.2: your code here (10 lines in our solution).
    raise NotImplementedError("Exercise 4.2: write monte_carlo_values")


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
    # Exercise 4.3: your code here (4 lines in our solution).
    raise NotImplementedError("Exercise 4.3: write td_update")


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
    # Exercise 4.4: your code here (8 lines in our solution).
    raise NotImplementedError("Exercise 4.4: write n_step_returns")


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
    # Exercise 4.5: your code here (10 lines in our solution).
    raise NotImplementedError("Exercise 4.5: write control_target")


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
    # Exercise 4.6: your code here (5 lines in our solution).
    raise NotImplementedError("Exercise 4.6: write epsilon_greedy")
