"""Text as numbers, for the small language models of chapter 1: whole words, and a few special tokens."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

SPECIALS = ("<pad>", "<start>", "<end>", "<mask>", "<rare>", "<X>", "<Y>", "<Z>")
PAD, START, END, MASK, RARE, *SENTINELS = range(len(SPECIALS))
"""Numbers of the special tokens; words come after them."""

_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[.,!?;:]")


def split_words(text: str) -> list[str]:
    """Small words, numbers and punctuation marks of a text, in order."""
    return _TOKEN.findall(text.lower().replace("’", "'"))


class Vocabulary:
    """The words that a model knows, most frequent first, behind the special tokens.

    Args:
        texts: lists of words.
        minimum: how often a word must occur to be known.
    """

    def __init__(self, texts: Iterable[Sequence[str]], minimum: int) -> None:
        counts = Counter(word for text in texts for word in text)
        known = [word for word, count in counts.most_common() if count >= minimum]
        self.words: tuple[str, ...] = (*SPECIALS, *known)
        self.index: Mapping[str, int] = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Sequence[str]) -> list[int]:
        """The number of each word; ``RARE`` for those that are not known."""
        return [self.index.get(word, RARE) for word in words]

    def decode(self, tokens: Iterable[int] | Tensor) -> str:
        """Words with spaces between, punctuation close to the word before; padding, start and end left out."""
        numbers = tokens.tolist() if isinstance(tokens, Tensor) else tokens
        words = [self.words[number] for number in numbers if number not in (PAD, START, END)]
        return re.sub(r" ([.,!?;:])", r"\1", " ".join(words))


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """(B, T) the rows, filled with ``PAD`` behind the shorter ones."""
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])
