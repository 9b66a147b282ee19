"""Exercise 4.1: the value of every state from the Bellman equation."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import value_functions as probes
from rlcourse.support.tabular import (
    TabularMDP,
    chain,
    gridworld,
    random_mdp,
    random_walk,
    uniform_policy,
)


def oracle(transitions: Tensor, rewards: Tensor, policy: Tensor, gamma: float) -> Tensor:
    """Follow the distribution over states from each start, and add up what it earns."""
    moves = gamma * torch.einsum("sa,sat->st", policy, transitions)
    paid = (policy * rewards).sum(dim=1)
    somewhere, total = torch.eye(len(rewards), dtype=rewards.dtype), torch.zeros_like(paid)
    for _ in range(5000):
        total = total + somewhere @ paid
        somewhere = somewhere @ moves
    return total


def _terminal(transitions: Tensor, rewards: Tensor) -> Tensor:
    states = range(len(rewards))
    stays = torch.stack([transitions[s, :, s].min() for s in states]) == 1
    return stays & (rewards.abs().amax(dim=1) == 0)


def _going_on(transitions: Tensor, rewards: Tensor, policy: Tensor) -> Tensor:
    moves = torch.einsum("sa,sat->st", policy, transitions)
    return torch.where(_terminal(transitions, rewards)[None], torch.zeros_like(moves), moves)


def _solve(moves: Tensor, paid: Tensor, gamma: float) -> Tensor:
    eye = torch.eye(len(paid), dtype=paid.dtype)
    values: Tensor = torch.linalg.solve(eye - gamma * moves, paid)
    return values


def _block(transitions: Tensor, rewards: Tensor, policy: Tensor, gamma: float) -> Tensor:
    """Another right way: leave the terminal states out of the system."""
    live = ~_terminal(transitions, rewards)
    moves = torch.einsum("sa,sat->st", policy, transitions)[live][:, live]
    values = torch.zeros_like(rewards[:, 0])
    values[live] = _solve(moves, (policy * rewards).sum(dim=1)[live], gamma)
    return values


def _sweeps(transitions: Tensor, rewards: Tensor, policy: Tensor, gamma: float) -> Tensor:
    """Another right way: apply the equation until nothing moves."""
    values = torch.zeros_like(rewards[:, 0])
    for _ in range(5000):
        values = (policy * (rewards + gamma * transitions @ values)).sum(dim=1)
    return values


def _not_absorbing(transitions: Tensor, rewards: Tensor, policy: Tensor, gamma: float) -> Tensor:
    moves = torch.einsum("sa,sat->st", policy, transitions)
    return _solve(moves, (policy * rewards).sum(dim=1), gamma)


def _transposed(transitions: Tensor, rewards: Tensor, policy: Tensor, gamma: float) -> Tensor:
    moves = _going_on(transitions, rewards, policy)
    return _solve(moves.T, (policy * rewards).sum(dim=1), gamma)


def _any_policy(transitions: Tensor, rewards: Tensor, policy: Tensor, gamma: float) -> Tensor:
    uniform = torch.full_like(policy, 1 / policy.shape[1])
    return oracle(transitions, rewards, uniform, gamma)


def _no_gamma(transitions: Tensor, rewards: Tensor, policy: Tensor, gamma: float) -> Tensor:
    moves = _going_on(transitions, rewards, policy)
    return _solve(moves, (policy * rewards).sum(dim=1), 1.0)


def _greedy(transitions: Tensor, rewards: Tensor, policy: Tensor, gamma: float) -> Tensor:
    values = torch.zeros_like(rewards[:, 0])
    for _ in range(2000):
        values = (rewards + gamma * transitions @ values).amax(dim=1)
    return values


def _in(mdp: TabularMDP, policy: Tensor | None = None) -> dict[str, object]:
    return {
        "transitions": mdp.transitions,
        "rewards": mdp.rewards,
        "policy": uniform_policy(mdp) if policy is None else policy,
        "gamma": mdp.gamma,
    }


def _random(
    seed: int, states: int, actions: int, gamma: float, episodic: bool = True
) -> dict[str, object]:
    generator = torch.Generator().manual_seed(seed)
    mdp = random_mdp(states, actions, gamma=gamma, generator=generator, episodic=episodic)
    return _in(mdp, normal(seed + 1, states, actions).softmax(dim=1))


def _pays_for_ever(gamma: float) -> dict[str, object]:
    """State 1 can never be left, pays 3 or 1 there, and so is no terminal state; state 2 is one."""
    transitions = torch.zeros(3, 2, 3, dtype=torch.float64)
    transitions[0, 0, 1] = transitions[0, 1, 2] = 1.0
    transitions[1, :, 1] = transitions[2, :, 2] = 1.0
    rewards = torch.tensor([[1.0, 5.0], [3.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    policy = torch.full((3, 2), 0.5, dtype=torch.float64)
    return {"transitions": transitions, "rewards": rewards, "policy": policy, "gamma": gamma}


EXERCISE = ExerciseSpec(
    number="4.1",
    title="Values from the Bellman equation",
    targets=("solve_values",),
    points=3,
    minutes=20,
    difficulty=3,
    section="The Bellman equation",
    statement="""
Where all probabilities are known, the values of all states are one linear system. Build it and solve it. Mind the
terminal states: they loop to themselves and pay nothing, and with $\\gamma = 1$ that leaves an empty row.
""",
    hints=(
        "First average over the policy, so that the actions disappear: how probable is each next state, and what does "
        "a step pay on average? Then the values are the unknowns of S equations.",
        "P has shape (S, S): the sum over a of policy[s, a] · transitions[s, a, t]. r has shape (S). Solve "
        "(I − γP)V = r. Before that, take the way *into* terminal states out of P: nothing follows them.",
        "Find the terminal states (every action stays with probability 1 and pays 0); P = einsum('sa,sat->st', policy, "
        "transitions) with their columns set to 0; r = (policy * rewards).sum(1); "
        "torch.linalg.solve(torch.eye(S) − gamma * P, r), with the dtype of the rewards.",
    ),
    checks=(
        Case(
            "the random walk",
            _in(random_walk(5)),
            "five states in a row, γ = 1, 1 for leaving on the right: the values are i/6",
            expected=torch.tensor([0.0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 0.0]).double(),
        ),
        Case(
            "a random world",
            _random(1, 5, 3, 0.9),
            "five states, three actions, γ = 0.9, compared with following the policy step by step",
            oracle=oracle,
        ),
        Case(
            "a world without end",
            _random(2, 4, 2, 0.8, episodic=False),
            "no terminal state, γ = 0.8",
            oracle=oracle,
        ),
        Case(
            "a state that pays for ever",
            _pays_for_ever(0.5),
            "a state that cannot be left but pays is not terminal: 2 at each step, γ = 0.5, is worth 4",
            expected=torch.tensor([4.0, 4.0, 0.0], dtype=torch.float64),
        ),
        Law(probes.values_double_with_the_rewards, "values are sums of rewards"),
        Law(probes.terminal_states_are_worth_nothing, "the value of a terminal state is 0"),
        Case(
            "single precision",
            {
                "transitions": random_walk(3).transitions.float(),
                "rewards": random_walk(3).rewards.float(),
                "policy": torch.full((5, 2), 0.5),
                "gamma": 1.0,
            },
            "float32 in, float32 out: a walk of three states",
            expected=torch.tensor([0.0, 0.25, 0.5, 0.75, 0.0]),
        ),
        Case(
            "a grid",
            _in(gridworld(("S..", ".#H", "..G"), step_reward=-0.1, slip=0.2, gamma=1.0)),
            "a slippery grid with a wall, γ = 1",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "another random world",
            _random(5, 6, 2, 0.7),
            "six states, γ = 0.7",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "a chain without discount",
            _in(chain(4, gamma=1.0, slip=0.3), normal(8, 5, 2).softmax(dim=1)),
            "a chain of four states, γ = 1, an uneven policy",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "pays for ever, again",
            _pays_for_ever(0.9),
            "the state that pays for ever, γ = 0.9",
            expected=torch.tensor([12.0, 20.0, 0.0], dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the terminal state is not absorbing",
            _not_absorbing,
            "With γ = 1 a state that loops to itself leaves an empty row, and the system has no unique solution. "
            "Nothing is earned behind a terminal state: take the way into it out of P.",
        ),
        Mistake(
            "P is transposed",
            _transposed,
            "P[s, t] is the probability to go from s to t. Values look forward: (I − γP)V = r, not its transpose.",
        ),
        Mistake(
            "all actions equally probable",
            _any_policy,
            "The values belong to the policy that was passed in: weigh the actions with policy[s, a].",
        ),
        Mistake(
            "γ is left out",
            _no_gamma,
            "What follows is discounted: γ multiplies P.",
        ),
        Mistake(
            "the reward stands in for the value",
            lambda transitions, rewards, policy, gamma: (policy * rewards).sum(dim=1),
            "This is what one step pays. A value also counts what follows it.",
        ),
        Mistake(
            "the best action instead of the policy's",
            _greedy,
            "These are the values of always acting best. Average over the policy, do not maximize.",
        ),
        Mistake(
            "γ on the reward too",
            lambda transitions, rewards, policy, gamma: oracle(
                transitions, gamma * rewards, policy, gamma
            ),
            "The reward of the step itself is not discounted, only what follows.",
        ),
    ),
    variants={"without the terminal states": _block, "sweeps": _sweeps},
)
