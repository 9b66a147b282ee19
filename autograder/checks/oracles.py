"""Exact answers for the checks, by means that are slow and obviously right, in float64.

Linear solves, enumeration, finite differences. For tabular worlds and policies; sequences of
numbers are in ``sequence_oracles``. Never shipped to students.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.support.tabular import TabularMDP


def policy_evaluation(mdp: TabularMDP, policy: Tensor) -> Tensor:
    """(S,) V of ``policy`` (S, A), the solution of (I - gamma P) V = r; 0 in terminal states.

    Raises:
        RuntimeError: if gamma is 1 and the policy may go on for ever, so that no value exists.
    """
    policy = policy.double()
    going_on = torch.einsum("sa,sat->st", policy, mdp.continuing.double())
    rewards = (policy * mdp.rewards.double()).sum(dim=1)
    identity = torch.eye(mdp.num_states, dtype=torch.float64)
    values: Tensor = torch.linalg.solve(identity - mdp.gamma * going_on, rewards)
    return values


def action_values(mdp: TabularMDP, policy: Tensor) -> Tensor:
    """(S, A) Q of ``policy``: the action's reward and the discounted value of what follows."""
    following = mdp.continuing.double() @ policy_evaluation(mdp, policy)
    return mdp.rewards.double() + mdp.gamma * following


def advantages(mdp: TabularMDP, policy: Tensor) -> Tensor:
    """(S, A) Q - V."""
    return action_values(mdp, policy) - policy_evaluation(mdp, policy)[:, None]


def optimal_action_values(
    mdp: TabularMDP, tolerance: float = 1e-13, max_sweeps: int = 100_000
) -> Tensor:
    """(S, A) Q*, by value iteration until nothing moves by more than ``tolerance``.

    Raises:
        RuntimeError: if it has not settled after ``max_sweeps``.
    """
    values = torch.zeros(mdp.num_states, dtype=torch.float64)
    for _ in range(max_sweeps):
        q = mdp.rewards.double() + mdp.gamma * (mdp.continuing.double() @ values)
        change = (q.amax(dim=1) - values).abs().max()
        values = q.amax(dim=1)
        if change <= tolerance:
            return q
    raise RuntimeError("value iteration did not settle: does every policy end, or is gamma < 1?")


def occupancy(mdp: TabularMDP, policy: Tensor) -> Tensor:
    """(S,) discounted expected number of actions taken in each state, unnormalized.

    The sum over t of gamma^t P(s_t = s). It is 0 in terminal states, where nobody acts.
    """
    going_on = torch.einsum("sa,sat->st", policy.double(), mdp.continuing.double())
    identity = torch.eye(mdp.num_states, dtype=torch.float64)
    visits: Tensor = torch.linalg.solve(identity - mdp.gamma * going_on.T, mdp.start.double())
    return visits


def expected_return(mdp: TabularMDP, policy: Tensor) -> Tensor:
    """() J: the value of the start."""
    return mdp.start.double() @ policy_evaluation(mdp, policy)


def exact_gradient(mdp: TabularMDP, theta: Tensor) -> Tensor:
    """(S, A) gradient of J for the softmax policy with logits ``theta`` (S, A)."""
    return finite_difference_gradient(
        lambda logits: expected_return(mdp, logits.softmax(dim=-1)), theta
    )


def finite_difference_gradient(
    f: Callable[[Tensor], Tensor | float], x: Tensor, step: float = 1e-3
) -> Tensor:
    """Like ``x``, in float64: gradient of the scalar ``f`` at ``x``, by fourth-order differences.

    The truncation error is ``step**4`` / 30 times the fifth derivative, the rounding error 1e-16 /
    ``step``: together some 1e-13 for a smooth ``f`` of size 1.
    """
    x = x.detach().double()
    gradient = torch.zeros_like(x)
    for index in itertools.product(*(range(n) for n in x.shape)):

        def shifted(factor: float, index: tuple[int, ...] = index) -> float:
            moved = x.clone()
            moved[index] += factor * step
            return float(f(moved))

        near, far = shifted(1) - shifted(-1), shifted(2) - shifted(-2)
        gradient[index] = (8 * near - far) / (12 * step)
    return gradient


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One way in which an episode can go."""

    probability: float
    states: tuple[int, ...]
    """T+1 states: one more than there are actions."""
    actions: tuple[int, ...]
    rewards: tuple[float, ...]
    terminated: bool
    """False if the horizon cut it off."""

    def discounted_return(self, gamma: float) -> float:
        """The sum of gamma^t r_t."""
        return sum(gamma**t * reward for t, reward in enumerate(self.rewards))


def enumerate_trajectories(mdp: TabularMDP, policy: Tensor, horizon: int) -> list[Trajectory]:
    """Every trajectory of at most ``horizon`` steps with a positive probability; these sum to 1."""
    tables = (
        policy.double().tolist(),
        mdp.transitions.double().tolist(),
        mdp.rewards.double().tolist(),
        mdp.terminal.tolist(),
    )
    starts = mdp.start.double().tolist()
    found: list[Trajectory] = []
    for state, probability in enumerate(starts):
        if probability > 0:
            found.extend(
                _continue(Trajectory(probability, (state,), (), (), False), horizon, tables)
            )
    return found


Tables = tuple[list[list[float]], list[list[list[float]]], list[list[float]], list[bool]]


def _continue(so_far: Trajectory, horizon: int, tables: Tables) -> Iterator[Trajectory]:
    """All that a trajectory can become."""
    policy, transitions, rewards, terminal = tables
    if so_far.terminated or len(so_far.actions) == horizon:
        yield so_far
        return
    state = so_far.states[-1]
    for action, chosen in enumerate(policy[state]):
        for successor, moved in enumerate(transitions[state][action]):
            if chosen * moved > 0:
                longer = Trajectory(
                    so_far.probability * chosen * moved,
                    (*so_far.states, successor),
                    (*so_far.actions, action),
                    (*so_far.rewards, rewards[state][action]),
                    terminal[successor],
                )
                yield from _continue(longer, horizon, tables)


def expectation(trajectories: Sequence[Trajectory], f: Callable[[Trajectory], Tensor]) -> Tensor:
    """Like ``f(trajectory)``: its exact expected value."""
    return torch.stack([t.probability * f(t) for t in trajectories]).sum(dim=0)


def moments(
    trajectories: Sequence[Trajectory], f: Callable[[Trajectory], Tensor]
) -> tuple[Tensor, Tensor]:
    """The exact mean of ``f`` (like its value) and its total variance ().

    The total variance is the trace of the covariance.
    """
    values = [f(t).double() for t in trajectories]
    mean = torch.stack([t.probability * v for t, v in zip(trajectories, values, strict=True)]).sum(
        0
    )
    spread = [
        t.probability * (v - mean).square().sum() for t, v in zip(trajectories, values, strict=True)
    ]
    return mean, torch.stack(spread).sum()


def horizon_values(mdp: TabularMDP, policy: Tensor, horizon: int) -> Tensor:
    """(horizon + 1, S) row t: value after t steps, when the clock stops all at ``horizon``."""
    values = [torch.zeros(mdp.num_states, dtype=torch.float64)]
    for _ in range(horizon):
        q = mdp.rewards.double() + mdp.gamma * (mdp.continuing.double() @ values[0])
        values.insert(0, (policy.double() * q).sum(dim=1))
    return torch.stack(values)


def all_deterministic_policies(mdp: TabularMDP) -> Iterator[Tensor]:
    """Every deterministic policy, one-hot (S, A); terminal states take action 0."""
    choices = [range(1 if over else mdp.num_actions) for over in mdp.terminal.tolist()]
    for actions in itertools.product(*choices):
        yield torch.nn.functional.one_hot(torch.tensor(actions), mdp.num_actions).double()
