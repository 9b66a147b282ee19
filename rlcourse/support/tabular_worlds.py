"""Small worlds whose probabilities are all known: bandit, chain, walk, grids, random ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import torch
from torch import Tensor

from rlcourse.support.mdp import TabularMDP

UP, RIGHT, DOWN, LEFT = range(4)
MOVES = {UP: (-1, 0), RIGHT: (0, 1), DOWN: (1, 0), LEFT: (0, -1)}
"""The actions of every grid here, in the order of gymnasium's CliffWalking, as (rows, columns) to
move."""


def bandit(mean_rewards: Tensor, gamma: float = 1.0) -> TabularMDP:
    """One decision: in state 0 each arm pays its mean (A,) and leads to the terminal state 1."""
    actions = len(mean_rewards)
    transitions = torch.zeros(2, actions, 2, dtype=mean_rewards.dtype)
    transitions[:, :, 1] = 1.0
    return _absorbing(
        transitions,
        torch.stack([mean_rewards, torch.zeros_like(mean_rewards)]),
        start=0,
        terminal=[1],
        gamma=gamma,
    )


def chain(n: int, gamma: float = 0.9, slip: float = 0.0) -> TabularMDP:
    """``n`` states in a row and a goal behind the last; it starts in the first.

    Action 1 steps right and action 0 left, where the left end stays. Only the step into the goal
    pays, 1. With probability ``slip`` a step goes the other way.
    """
    if n < 1:
        raise ValueError(f"a chain needs at least one state, got {n}")
    transitions = torch.zeros(n + 1, 2, n + 1, dtype=torch.float64)
    rewards = torch.zeros(n + 1, 2, dtype=torch.float64)
    for state in range(n):
        for action, probability_right in ((0, slip), (1, 1.0 - slip)):
            transitions[state, action, state + 1] += probability_right
            transitions[state, action, max(state - 1, 0)] += 1.0 - probability_right
    rewards[n - 1] = transitions[n - 1, :, n]
    return _absorbing(transitions, rewards, start=0, terminal=[n], gamma=gamma)


def random_walk(n: int = 5, gamma: float = 1.0) -> TabularMDP:
    """The random walk of Sutton and Barto (2018, example 6.2).

    States 1 to ``n``, terminal ones 0 and ``n + 1``. Action 0 steps left, 1 right; the uniform
    policy makes it the book's walk, which starts in the middle. Only the step out on the right
    pays, 1, so the true value of state i is i / (n + 1).
    """
    if n < 1 or n % 2 == 0:
        raise ValueError(f"a walk that starts in the middle needs an odd number of states, got {n}")
    transitions = torch.zeros(n + 2, 2, n + 2, dtype=torch.float64)
    rewards = torch.zeros(n + 2, 2, dtype=torch.float64)
    for state in range(1, n + 1):
        transitions[state, 0, state - 1] = 1.0
        transitions[state, 1, state + 1] = 1.0
    rewards[n, 1] = 1.0
    return _absorbing(transitions, rewards, start=(n + 1) // 2, terminal=[0, n + 1], gamma=gamma)


def gridworld(
    rows: Sequence[str] = ("S...", ".#.H", "...G"),
    *,
    pay: Mapping[str, float] | None = None,
    step_reward: float = 0.0,
    slip: float = 0.0,
    gamma: float = 0.9,
) -> TabularMDP:
    """A grid drawn with letters: start ``S``, free ``.``, wall ``#``, ends ``G`` and ``H``.

    Every letter of ``pay`` ends the episode. State ``row * width + column``; actions up, right,
    down, left (0 to 3). A step against a wall or the border stays. A wall is a terminal state that
    nothing leads to.

    Args:
        rows: strings of the same length with exactly one ``S``.
        pay: reward for entering a letter; 1 for ``G`` (goal) and -1 for ``H`` (hole) unless given.
        step_reward: added to the reward of each step.
        slip: probability to move at a right angle to the action instead, half of it to each side.
        gamma: discount.

    Raises:
        ValueError: if rows differ in length, or there is not exactly one start, or a letter has no
            reward.
    """
    pay = {"G": 1.0, "H": -1.0} if pay is None else pay
    cells = "".join(rows)
    if len({len(row) for row in rows}) != 1 or cells.count("S") != 1:
        raise ValueError("the rows of a grid must have the same length and contain exactly one S")
    unknown = sorted(set(cells) - set("S.#") - set(pay))
    if unknown:
        raise ValueError(f"no reward for the letters {unknown}: add them to pay")
    transitions = torch.zeros(len(cells), 4, len(cells), dtype=torch.float64)
    for state, letter in enumerate(cells):
        for action in range(4) if letter in "S." else ():
            for direction, probability in _directions(action, slip):
                transitions[state, action, _grid_step(rows, state, direction)] += probability
    pays = torch.tensor([pay.get(letter, 0.0) for letter in cells], dtype=torch.float64)
    terminal = [state for state, letter in enumerate(cells) if letter not in "S."]
    rewards = transitions @ pays + step_reward
    return _absorbing(transitions, rewards, start=cells.index("S"), terminal=terminal, gamma=gamma)


def cliff_walking(gamma: float = 1.0) -> TabularMDP:
    """The cliff of Sutton and Barto (2018, example 6.6), as gymnasium's ``CliffWalking-v1``.

    4 rows of 12; -1 a step; a step into the cliff costs 100 and leads back to the start; the goal
    in the corner ends the episode.
    """
    rows = ("." * 12, "." * 12, "." * 12, "S" + "." * 10 + "G")
    transitions = torch.zeros(48, 4, 48, dtype=torch.float64)
    rewards = torch.full((48, 4), -1.0, dtype=torch.float64)
    for state in range(48):
        for action in range(4):
            successor = _grid_step(rows, state, action)
            if 36 < successor < 47:
                successor, rewards[state, action] = 36, -100.0
            transitions[state, action, successor] = 1.0
    return _absorbing(transitions, rewards, start=36, terminal=[47], gamma=gamma)


def random_mdp(
    num_states: int,
    num_actions: int,
    gamma: float,
    generator: torch.Generator,
    *,
    episodic: bool = True,
) -> TabularMDP:
    """Random transitions (each row uniform on the simplex), rewards (standard normal) and start.

    With ``episodic`` the last state is terminal, and every action may lead to it, so values exist
    at ``gamma = 1``.
    """
    shape = (num_states, num_actions)
    transitions = _random_simplex(*shape, num_states, generator=generator)
    rewards = torch.randn(shape, generator=generator, dtype=torch.float64)
    start = _random_simplex(num_states, generator=generator)
    terminal = [num_states - 1] if episodic else []
    start[terminal] = 0.0
    return _absorbing(
        transitions, rewards, start=start / start.sum(), terminal=terminal, gamma=gamma
    )


def from_gymnasium(env: gymnasium.Env[Any, Any], gamma: float = 1.0) -> TabularMDP:
    """Read the table of a toy-text environment (FrozenLake, CliffWalking, Taxi).

    Its time limit is not part of the table.

    Raises:
        ValueError: if the environment has no table, or a state that can be reached sometimes ends
            the episode and sometimes not.
    """
    table = getattr(env.unwrapped, "P", None)
    if table is None:
        raise ValueError(f"{env} has no table env.unwrapped.P; only the toy-text ones have")
    states, actions = len(table), len(table[0])
    transitions = torch.zeros(states, actions, states, dtype=torch.float64)
    rewards = torch.zeros(states, actions, dtype=torch.float64)
    for state in range(states):
        for action in range(actions):
            for probability, successor, reward, _ in table[state][action]:
                transitions[state, action, successor] += probability
                rewards[state, action] += probability * reward
    start = torch.as_tensor(env.unwrapped.initial_state_distrib, dtype=torch.float64)  # type: ignore[attr-defined]
    terminal = _terminal_states(table, start)
    return _absorbing(transitions, rewards, start=start, terminal=terminal, gamma=gamma)


def _terminal_states(table: Any, start: Tensor) -> list[int]:
    """The states in which the episode ends, found by walking through all that can be reached."""
    reached = set(start.nonzero().flatten().tolist())
    frontier, terminal = list(reached), set()
    while frontier:
        for outcomes in table[frontier.pop()].values():
            for _, successor, _, ended in outcomes:
                if ended:
                    terminal.add(int(successor))
                elif successor not in reached:
                    reached.add(int(successor))
                    frontier.append(int(successor))
    if reached & terminal:
        raise ValueError(f"states {sorted(reached & terminal)} end the episode only sometimes")
    return sorted(terminal)


def _absorbing(
    transitions: Tensor,
    rewards: Tensor,
    *,
    start: int | Tensor,
    terminal: Sequence[int],
    gamma: float,
) -> TabularMDP:
    """Make the terminal states loop to themselves and pay nothing.

    ``start`` is the number of one state, or probabilities (S,).
    """
    states = len(transitions)
    rows = list(terminal)
    transitions[rows] = 0.0
    for state in rows:
        transitions[state, :, state] = 1.0
    rewards[rows] = 0.0
    mask = torch.zeros(states, dtype=torch.bool)
    mask[rows] = True
    if isinstance(start, int):
        start = torch.zeros(states, dtype=transitions.dtype).index_fill_(
            0, torch.tensor([start]), 1.0
        )
    return TabularMDP(transitions, rewards, start, mask, gamma)


def _random_simplex(*shape: int, generator: torch.Generator) -> Tensor:
    """``shape`` probabilities, uniform on the simplex of the last axis."""
    exponentials = torch.empty(shape, dtype=torch.float64).exponential_(generator=generator)
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


def _directions(action: int, slip: float) -> list[tuple[int, float]]:
    """The directions in which a slippery action may move, with their probabilities."""
    return [(action, 1.0 - slip), ((action + 1) % 4, slip / 2), ((action - 1) % 4, slip / 2)]


def _grid_step(rows: Sequence[str], state: int, direction: int) -> int:
    """The state one step further, or the same one where a wall or the border is in the way."""
    height, width = len(rows), len(rows[0])
    row, column = state // width + MOVES[direction][0], state % width + MOVES[direction][1]
    if not (0 <= row < height and 0 <= column < width) or rows[row][column] == "#":
        return state
    return row * width + column
