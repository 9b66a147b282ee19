"""Learning to act from a table of action values: SARSA, expected SARSA and Q-learning.

All runs of all settings are played side by side, each in its own copy of the world.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from rlcourse.support.tabular import TabularMDP
from rlcourse.value_functions import Rule, control_target, epsilon_greedy

Behave = Callable[[Tensor, float], Tensor]
"""Maps action values (..., A) and epsilon to probabilities (..., A)."""


@dataclass(frozen=True, slots=True)
class ControlConfig:
    """One way to learn; the defaults are those of Sutton and Barto (2018, example 6.6).

    Raises:
        ValueError: if a number lies outside its range.
    """

    rule: Rule
    """What the next state is taken to be worth."""
    step_size: float = 0.5
    """How far an action value moves towards its target."""
    epsilon: float = 0.1
    """Probability of a random action; the same for all settings that are played together."""
    episodes: int = 500
    """How many to play; the same for all settings that are played together."""
    runs: int = 20
    """Independent repetitions; the same for all settings that are played together."""

    def __post_init__(self) -> None:
        if not 0 < self.step_size <= 1 or not 0 <= self.epsilon <= 1:
            raise ValueError(f"step_size must lie in (0, 1] and epsilon in [0, 1], got {self}")
        if self.episodes < 1 or self.runs < 1:
            raise ValueError(f"episodes and runs must be at least 1, got {self}")


class Players:
    """One agent in each of N copies of a world, and its table of action values.

    All tables are rows of one long table, and a state or a pair of state and action is the number
    of its row: one index is much cheaper than three.

    Args:
        mdp: the world, with a single first state.
        configs: K settings; agent i has setting i // runs.
        generator: for all draws; advanced.
        behave: how action values become probabilities.

    Raises:
        ValueError: if the settings do not fit together, or the first state is random.
    """

    def __init__(
        self,
        mdp: TabularMDP,
        configs: Sequence[ControlConfig],
        generator: torch.Generator,
        behave: Behave = epsilon_greedy,
    ) -> None:
        if len({(c.runs, c.epsilon, c.episodes) for c in configs}) != 1:
            raise ValueError("settings played together need the same runs, epsilon and episodes")
        if float(mdp.start.max()) < 1:
            raise ValueError("the world must always start in the same state")
        self.mdp, self.configs, self.generator, self.behave = mdp, configs, generator, behave
        self.runs, self.epsilon = configs[0].runs, configs[0].epsilon
        self.episodes, self.size = configs[0].episodes, configs[0].runs * len(configs)
        self.first = mdp.start.argmax()
        self.slices: list[tuple[Rule, slice]] = []
        for rule, group in groupby(configs, lambda config: config.rule):
            begin = self.slices[-1][1].stop if self.slices else 0
            self.slices.append((rule, slice(begin, begin + self.runs * len(list(group)))))
        self.q = torch.zeros(self.size * mdp.num_states, mdp.num_actions, dtype=torch.float64)
        self.base = mdp.num_states * torch.arange(self.size)
        sizes = torch.tensor([config.step_size for config in configs], dtype=torch.float64)
        self.step_sizes = sizes.repeat_interleave(self.runs)
        self.moves = mdp.transitions.cumsum(dim=2).flatten(0, 1)
        self.rewards = mdp.rewards.flatten()

    def draw(self, cumulative: Tensor) -> Tensor:
        """(N) one outcome for each row (N, M) of cumulative probabilities."""
        uniform = torch.rand(self.size, 1, generator=self.generator, dtype=torch.float64)
        return (cumulative[:, :-1] <= uniform).sum(dim=1)

    def choose(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """(N) actions and (N, A) the probabilities they were drawn with, from q (N, A)."""
        policy = self.behave(q, self.epsilon)
        return self.draw(policy.cumsum(dim=1)), policy

    def targets(
        self, reward: Tensor, discount: Tensor, q: Tensor, act: Tensor, pi: Tensor
    ) -> Tensor:
        """(N) targets, by the rule of each setting."""
        parts = []
        for rule, rows in self.slices:
            inputs = reward[rows], discount[rows], q[rows], act[rows], pi[rows]
            parts.append(control_target(rule, *inputs))
        return torch.cat(parts)

    def learn(self) -> Tensor:
        """(N, episodes) undiscounted return of every episode, until all have been played.

        Behind a terminal step the discount is 0, so the values "of the next state" may be those of
        the state in which the next episode starts: one choice serves both.
        """
        actions_of = self.mdp.num_actions
        cells, book = self.q.view(-1), torch.zeros(self.size, self.episodes + 1).double()
        ledger, pages = book.view(-1), (self.episodes + 1) * torch.arange(self.size)
        played = torch.zeros(self.size, dtype=torch.int64)
        states = self.first.expand(self.size)
        actions, _ = self.choose(self.q[self.base + states])
        while int(played.min()) < self.episodes:
            pairs = actions_of * states + actions
            rewards, following = self.rewards[pairs], self.draw(self.moves[pairs])
            over = self.mdp.terminal[following]
            arrived = torch.where(over, self.first, following)
            next_q = self.q[self.base + arrived]
            next_actions, policy = self.choose(next_q)
            target = self.targets(rewards, self.mdp.gamma * ~over, next_q, next_actions, policy)
            taken = actions_of * self.base + pairs
            steps = self.step_sizes * (played < self.episodes) * (target - cells[taken])
            cells.index_add_(0, taken, steps)
            ledger.index_add_(0, pages + played, rewards)
            played = (played + over).clamp(max=self.episodes)
            states, actions = arrived, next_actions
        return book[:, :-1]


def learn_to_act(
    mdp: TabularMDP,
    configs: Sequence[ControlConfig],
    generator: torch.Generator,
    behave: Behave = epsilon_greedy,
) -> tuple[Tensor, Tensor]:
    """Play and learn under several settings side by side.

    Args:
        mdp: the world, with a single first state; every policy must reach its end some time.
        configs: K settings with the same numbers of runs and episodes and the same epsilon.
        generator: for all draws; advanced.
        behave: how action values become probabilities.

    Returns:
        (K, R, episodes) return of every episode, and (K, R, S, A) the final action values.

    Raises:
        ValueError: if the settings do not fit together, or the first state is random.
    """
    players = Players(mdp, configs, generator, behave)
    returns = players.learn()
    shape = len(configs), players.runs
    return returns.reshape(*shape, -1), players.q.reshape(*shape, *mdp.rewards.shape)


def greedy_path(mdp: TabularMDP, q: Tensor, longest: int = 100) -> list[int]:
    """The states that the best actions lead through from the start, by the likeliest moves."""
    path = [int(mdp.start.argmax())]
    while len(path) < longest and not bool(mdp.terminal[path[-1]]):
        action = int(q[path[-1]].argmax())
        path.append(int(mdp.transitions[path[-1], action].argmax()))
    return path
