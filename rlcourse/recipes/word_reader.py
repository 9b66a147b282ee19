"""A very simple stand-in for a human reader: it adds up what each word is worth to people.

Ridge regression of mean ratings on the words of a text. Chapter 10 learns a better one.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from rlcourse.recipes.words import Vocabulary, split_words
from rlcourse.support.ratings import Snippet


class WordReader:
    """Scores texts as people would who look only at which words occur.

    Args:
        snippets: rated texts to learn from.
        vocabulary: the words it knows.
        ridge: how many texts' worth of doubt each word begins with.
    """

    def __init__(
        self, snippets: Sequence[Snippet], vocabulary: Vocabulary, ridge: float = 3.0
    ) -> None:
        self.vocabulary = vocabulary
        words = self._words([snippet.text for snippet in snippets])
        ratings = torch.tensor([snippet.mean for snippet in snippets])
        self.mean = ratings.mean()
        gram = words.T @ words
        gram.diagonal().add_(ridge)
        self.worth = torch.linalg.solve(gram, words.T @ (ratings - self.mean))

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(N) scores of texts, on the scale of the ratings."""
        scores: Tensor = self.mean + self._words(texts) @ self.worth
        return scores

    def _words(self, texts: Sequence[str]) -> Tensor:
        found = torch.zeros(len(texts), len(self.vocabulary))
        for row, text in zip(found, texts, strict=True):
            row[self.vocabulary.encode(split_words(text))] = 1.0
        return found
