"""Real text with real human judgements: 23,703 snippets, each rated by fifteen people or more.

Hutto and Gilbert (2014). ``rlcourse/data/README.md`` says where the file comes from and what to be careful about.
"""

import hashlib
import lzma
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

SOURCES = ("film", "product", "news", "tweet")
"""Film reviews, product reviews, newspaper editorials, tweets."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A sentence or two, and what people thought of it."""

    source: str
    """One of ``SOURCES``."""
    number: str
    """Its number in the source; ``12_3`` is the third snippet of the twelfth text."""
    ratings: tuple[int, ...]
    """One rating a person, from -4, extremely negative, to 4, extremely positive."""
    text: str

    @property
    def mean(self) -> float:
        """The mean rating."""
        return sum(self.ratings) / len(self.ratings)


@dataclass(frozen=True, slots=True)
class Splits:
    """Four parts without a common text: what one trains on never turns up where it is judged."""

    rm: tuple[Snippet, ...]
    """To train models and reward models."""
    judge: tuple[Snippet, ...]
    """To train an independent judge."""
    val: tuple[Snippet, ...]
    """To choose settings."""
    test: tuple[Snippet, ...]
    """To report figures, once."""


@lru_cache
def load_snippets(source: str | None = None) -> tuple[Snippet, ...]:
    """All snippets, or those of one source, in the order of the file.

    Raises:
        ValueError: if there is no such source.
    """
    if source is not None:
        if source not in SOURCES:
            raise ValueError(f"no source {source!r}; there are {', '.join(SOURCES)}")
        return tuple(snippet for snippet in load_snippets() if snippet.source == source)
    packed = files("rlcourse").joinpath("data", "human_ratings.tsv.xz").read_bytes()
    lines = lzma.decompress(packed).decode().removesuffix("\n").split("\n")
    return tuple(_snippet(line) for line in lines)


def _snippet(line: str) -> Snippet:
    source, number, digits, text = line.split("\t")
    return Snippet(source, number, tuple(int(digit) - 4 for digit in digits), text)


def split_snippets(snippets: Sequence[Snippet], test: int = 1000, val: int = 500) -> Splits:
    """Divide snippets by a hash of their text, so that the same text always lands in the same part.

    Snippets that differ only in case, spaces or punctuation count as one text and stay together, so a part may be a
    few snippets larger than asked for. What is left after ``test`` and ``val`` is halved into ``rm`` and ``judge``.

    Args:
        snippets: what to divide, such as ``load_snippets("film")``.
        test: smallest size of the test part.
        val: smallest size of the validation part.

    Raises:
        ValueError: if there are too few snippets to leave anything for training.
    """
    if len(snippets) < test + val + 2:
        raise ValueError(f"{len(snippets)} snippets cannot give {test} for test and {val} for val")
    groups: dict[str, list[Snippet]] = defaultdict(list)
    for snippet in snippets:
        groups[_digest(snippet.text)].append(snippet)
    parts: dict[str, list[Snippet]] = {"test": [], "val": [], "rm": [], "judge": []}
    half = (len(snippets) - test - val) // 2
    sizes = {"test": test, "val": val, "rm": half, "judge": len(snippets)}
    names = iter(sizes)
    name = next(names)
    for digest in sorted(groups):
        while len(parts[name]) >= sizes[name]:
            name = next(names)
        parts[name] += groups[digest]
    return Splits(**{name: tuple(part) for name, part in parts.items()})


def _digest(text: str) -> str:
    plain = " ".join(re.findall(r"\w+", text.lower()))
    return hashlib.sha256(plain.encode()).hexdigest()
