"""How positive a text sounds, guessed from its words: a linear judge trained on human ratings."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from rlcourse.support.ratings import Snippet

WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True, slots=True)
class WordJudge:
    """One weight a word, and one for none."""

    index: dict[str, int]
    """Where each known word is."""
    weights: Tensor
    """(W+1) the last one belongs to the constant."""

    def score(self, texts: Sequence[str]) -> Tensor:
        """(B) guessed mean ratings, from -4 to 4 or so."""
        return word_counts(texts, self.index) @ self.weights


def word_counts(texts: Sequence[str], index: dict[str, int]) -> Tensor:
    """(B, W+1) which known words, and pairs of words, occur in each text; the last column is 1."""
    table = torch.zeros(len(texts), len(index) + 1, dtype=torch.float64)
    table[:, -1] = 1.0
    for row, text in enumerate(texts):
        known = [index[term] for term in terms(text) if term in index]
        table[row, known] = 1.0
    return table


def terms(text: str) -> list[str]:
    """Words and pairs of neighbouring words."""
    words = WORD.findall(text.lower())
    return words + [f"{a} {b}" for a, b in pairwise(words)]


def train_word_judge(
    snippets: Sequence[Snippet], minimum: int = 8, ridge: float = 6.0
) -> WordJudge:
    """Ridge regression of mean ratings on words.

    Args:
        snippets: what to learn from; judge only texts that are not among them.
        minimum: how often a word or pair must occur to be known.
        ridge: how much a large weight costs.
    """
    counts = Counter(term for snippet in snippets for term in set(terms(snippet.text)))
    known = sorted(term for term, count in counts.items() if count >= minimum)
    index = {term: place for place, term in enumerate(known)}
    table = word_counts([snippet.text for snippet in snippets], index)
    ratings = torch.tensor([snippet.mean for snippet in snippets], dtype=torch.float64)
    price = ridge * torch.eye(len(index) + 1, dtype=torch.float64)
    price[-1, -1] = 0.0
    weights = torch.linalg.solve(table.T @ table + price, table.T @ ratings)
    return WordJudge(index, weights)
