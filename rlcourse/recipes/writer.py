"""A language model so small that all it can say fits on a page: the writer.

It writes with four tokens, three letters and a full stop, which ends the response; after ``LIMIT``
tokens it must stop anyway. There are 121 responses, so every expectation can be computed exactly.
A state is the text so far, an action the next token, a trajectory a response.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

from rlcourse.policy_gradient import categorical_log_prob
from rlcourse.support.rollouts import Episode, Rollout, stack_episodes
from rlcourse.support.tabular import TabularMDP

TOKENS = ("a", "c", "t", ".")
LIMIT = 4
"""The longest response, in tokens."""
TEXTS = tuple("".join(text) for n in range(LIMIT) for text in product(TOKENS[:-1], repeat=n))
"""The text of each state. One more state, the last, is the end."""
WORDS = {"at": 1.0, "act": 2.0, "cat": 2.0}
"""What the reader of words pays for a response that is a word with a full stop behind it."""

Reader = Callable[[str, str], float]
"""Pays for writing a token after a text."""


def word_reader(text: str, token: str) -> float:
    """Pays once, at the full stop, for a word; a letter costs 0.1."""
    return WORDS.get(text, 0.0) if token == "." else -0.1


def letter_reader(text: str, token: str) -> float:
    """Pays at each step: 1 for every ``a`` that does not follow another ``a``."""
    return float(token == "a" and not text.endswith("a"))


def writer_world(reader: Reader = word_reader, gamma: float = 1.0) -> TabularMDP:
    """The writer's world as a table: 40 texts, 4 tokens, and the end as terminal state 40."""
    states, end = len(TEXTS) + 1, len(TEXTS)
    number = {text: state for state, text in enumerate(TEXTS)}
    transitions = torch.zeros(states, len(TOKENS), states, dtype=torch.float64)
    rewards = torch.zeros(states, len(TOKENS), dtype=torch.float64)
    transitions[end, :, end] = 1.0
    for text, state in number.items():
        for action, token in enumerate(TOKENS):
            transitions[state, action, number.get(text + token, end)] = 1.0
            rewards[state, action] = reader(text, token)
    start, terminal = torch.zeros(states, dtype=torch.float64), torch.zeros(states).bool()
    start[0], terminal[end] = 1.0, True
    return TabularMDP(transitions, rewards, start, terminal, gamma)


class TablePolicy(nn.Module):
    """A policy with a row of logits for each state.

    Args:
        theta: (S, A) the logits at first; copied.
    """

    def __init__(self, theta: Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(theta.clone())

    def forward(self, observations: Tensor) -> Tensor:
        """(..., A) logits, of states as numbers (...) int64 or as one-hot rows (..., S)."""
        if observations.dtype == torch.int64:
            return self.theta[observations]
        return observations.to(self.theta.dtype) @ self.theta


@dataclass(frozen=True, slots=True)
class Trajectories:
    """Every trajectory of a small world, whichever policy acts in it."""

    rollout: Rollout
    """One row a trajectory; observations are the numbers of states (N, T+1)."""
    world: Tensor
    """(N,) the product of all that the policy does not decide: start and transitions."""

    def probabilities(self, policy: nn.Module) -> Tensor:
        """(N,) probability of each trajectory under a policy; they sum to 1. Differentiable."""
        log_probs = categorical_log_prob(policy(self.rollout.states), self.rollout.actions)
        return self.world * (self.rollout.mask * log_probs).sum(dim=1).exp()

    def expected_return(self, policy: nn.Module, gamma: float = 1.0) -> Tensor:
        """() J, the sum of probability times return. Differentiable."""
        powers = gamma ** torch.arange(self.rollout.steps, dtype=self.rollout.rewards.dtype)
        returns = (powers * self.rollout.rewards).sum(dim=1)
        return (self.probabilities(policy) * returns).sum()

    def deal(self, policy: nn.Module, episodes: int, generator: torch.Generator) -> Rollout:
        """Draw episodes as the policy would play them, all at once, like cards from a deck."""
        with torch.no_grad():
            rows = torch.multinomial(self.probabilities(policy), episodes, True, generator=generator)
        return take_rows(self.rollout, rows)


def take_rows(rollout: Rollout, rows: Tensor) -> Rollout:
    """The rollout of some rows (N,) int64, in that order; a row may come twice."""
    return Rollout(
        observations=rollout.observations[rows],
        actions=rollout.actions[rows],
        rewards=rollout.rewards[rows],
        terminated=rollout.terminated[rows],
        ends=rollout.ends[rows],
        mask=rollout.mask[rows],
    )


def enumerate_trajectories(mdp: TabularMDP, horizon: int) -> Trajectories:
    """All trajectories of at most ``horizon`` steps; those that go on are truncated there."""
    start = mdp.start.nonzero().flatten().tolist()
    rows = [row for s in start for row in _from(mdp, [s], [], float(mdp.start[s]), horizon)]
    episodes = [
        Episode(
            observations=torch.tensor(states),
            actions=torch.tensor(actions),
            rewards=mdp.rewards[states[:-1], actions],
            terminated=bool(mdp.terminal[states[-1]]),
        )
        for states, actions, _ in rows
    ]
    world = torch.tensor([probability for _, _, probability in rows], dtype=mdp.rewards.dtype)
    return Trajectories(stack_episodes(episodes), world)


_Row = tuple[list[int], list[int], float]


def _from(
    mdp: TabularMDP, states: list[int], actions: list[int], probability: float, horizon: int
) -> list[_Row]:
    """All ways to go on from the last of ``states``."""
    if len(actions) == horizon or bool(mdp.terminal[states[-1]]):
        return [(states, actions, probability)]
    rows: list[_Row] = []
    for action in range(mdp.num_actions):
        following = mdp.transitions[states[-1], action]
        for successor in following.nonzero().flatten().tolist():
            chance = probability * float(following[successor])
            longer = [*states, successor], [*actions, action]
            rows += _from(mdp, *longer, chance, horizon)
    return rows


def responses(rollout: Rollout) -> list[str]:
    """The text of each row, full stop and all."""
    rows = zip(rollout.actions.tolist(), rollout.mask.tolist(), strict=True)
    return [
        "".join(TOKENS[a] for a, counts in zip(actions, mask, strict=True) if counts)
        for actions, mask in rows
    ]
