"""A language model so small that all it can say fits on a page: the writer.

It writes with four tokens, three letters and a full stop, which ends the response; after ``LIMIT``
tokens it must stop anyway. There are 121 responses, so every expectation can be computed exactly.
A state is the text so far, an action the next token, a trajectory a response.
"""

from collections.abc import Callable
from itertools import product

import torch

from rlcourse.support.rollouts import Rollout
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


def responses(rollout: Rollout) -> list[str]:
    """The text of each row, full stop and all."""
    rows = zip(rollout.actions.tolist(), rollout.mask.tolist(), strict=True)
    return [
        "".join(TOKENS[a] for a, counts in zip(actions, mask, strict=True) if counts)
        for actions, mask in rows
    ]
