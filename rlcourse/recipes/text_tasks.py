"""Three tasks as pairs of texts, told apart by a prefix, for the text-to-text model of chapter 1."""

from collections.abc import Sequence

import torch

from rlcourse.language_modeling import corrupt_spans
from rlcourse.recipes.language_models import Pair
from rlcourse.recipes.words import SENTINELS, Vocabulary, split_words
from rlcourse.support.ratings import Snippet

LONGEST = 16
"""Words of a snippet that are read."""
SURE = 1.0
"""A snippet is good or bad if its mean rating is at least so far from 0."""


def read(vocabulary: Vocabulary, task: str, snippet: Snippet) -> list[int]:
    """What the model reads: the name of the task, a colon, the text."""
    words = split_words(snippet.text)[:LONGEST]
    return vocabulary.encode([task, ":", *words])


def is_sure(snippet: Snippet) -> bool:
    """Whether people agree enough to call a snippet good or bad."""
    return abs(snippet.mean) >= SURE


def verdict(snippet: Snippet) -> str:
    """The answer to ``rate``."""
    return "good" if snippet.mean > 0 else "bad"


def fill_pair(vocabulary: Vocabulary, snippet: Snippet, generator: torch.Generator) -> Pair:
    """A text with two gaps, one in each half, and what stood there."""
    words = vocabulary.encode(split_words(snippet.text)[:LONGEST])
    half, end = len(words) // 2, len(words)
    length = int(torch.randint(1, 3, (), generator=generator))
    first = int(torch.randint(0, half - length, (), generator=generator))
    second = int(torch.randint(half, end - 1, (), generator=generator))
    spans = [(first, first + length), (second, second + 1)]
    source, target = corrupt_spans(torch.tensor(words), spans, SENTINELS)
    return [*vocabulary.encode(["fill", ":"]), *source.tolist()], target.tolist()


def task_pairs(
    vocabulary: Vocabulary, snippets: Sequence[Snippet], generator: torch.Generator
) -> list[Pair]:
    """All three tasks on all snippets that suit them; ``rate`` three times, since it is the hardest to learn."""
    pairs: list[Pair] = []
    for snippet in snippets:
        if len(split_words(snippet.text)) >= 8:
            pairs.append(fill_pair(vocabulary, snippet, generator))
        if is_sure(snippet):
            answer = vocabulary.encode([verdict(snippet)])
            pairs += [(read(vocabulary, "rate", snippet), answer)] * 3
        source = vocabulary.encode([snippet.source])
        pairs.append((read(vocabulary, "source", snippet), source))
    return pairs
