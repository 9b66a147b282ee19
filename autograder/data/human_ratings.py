"""Make ``rlcourse/data/human_ratings.tsv.xz`` from the source distribution of vaderSentiment 3.3.2.

Get the sdist with ``pip download --no-deps --no-binary :all: vaderSentiment==3.3.2``, then run
``python -m autograder.data.human_ratings vaderSentiment-3.3.2.tar.gz``.
"""

import ast
import hashlib
import html
import io
import lzma
import sys
import tarfile
from pathlib import Path

SDIST_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
SOURCES = {
    "film": "movieReviewSnippets",
    "product": "amazonReviewSnippets",
    "news": "nytEditorialSnippets",
    "tweet": "tweets",
}
TARGET = Path(__file__).resolve().parents[2] / "rlcourse" / "data" / "human_ratings.tsv.xz"


def compact(sdist: bytes) -> bytes:
    """The shipped file: one line a snippet with source, number, ratings and text.

    A rating from -4 to 4 is written as one digit, 4 added to it, in the order of the source.

    Args:
        sdist: the bytes of ``vaderSentiment-3.3.2.tar.gz``.

    Raises:
        ValueError: if these are not the bytes the course was made from.
    """
    found = hashlib.sha256(sdist).hexdigest()
    if found != SDIST_SHA256:
        raise ValueError(f"this is not vaderSentiment-3.3.2.tar.gz: its SHA-256 is {found}")
    with tarfile.open(fileobj=io.BytesIO(sdist)) as outer:
        inner = _read(outer, INNER)
    lines = []
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        for source, name in SOURCES.items():
            texts = _rows(archive, f"{name}_GroundTruth.txt", columns=3)
            ratings = _rows(archive, f"{name}_anonDataRatings.txt", columns=4)
            for number, (_, text) in texts.items():
                digits = "".join(str(r + 4) for r in ast.literal_eval(ratings[number][-1]))
                lines.append(f"{source}\t{number}\t{digits}\t{html.unescape(text)}\n")
    return lzma.compress("".join(lines).encode(), preset=9 | lzma.PRESET_EXTREME)


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise ValueError(f"the archive holds no file {name}")
    return member.read()


def _rows(archive: tarfile.TarFile, name: str, columns: int) -> dict[str, list[str]]:
    """Rows of a table by their number; the other columns, in order."""
    text = _read(archive, f"hutto_ICWSM_2014/{name}").decode("utf-8-sig")
    rows = [line.split("\t") for line in text.replace("\r", "").split("\n") if line.strip()]
    if any(len(row) != columns for row in rows):
        raise ValueError(f"{name}: a row has not {columns} columns")
    return {row[0].strip(): row[1:] for row in rows}


def main(arguments: list[str]) -> int:
    """Write the shipped file."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    made = compact(Path(arguments[0]).read_bytes())
    TARGET.write_bytes(made)
    print(f"{TARGET.name}: {len(made):,} bytes, SHA-256 {hashlib.sha256(made).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
