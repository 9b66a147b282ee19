"""The table of contents, made from the table of chapters."""

from pathlib import Path

import yaml

from rlcourse.chapters import CHAPTERS, Chapter

HEADER = "# Written by `python -m autograder.site --toc` from rlcourse/chapters.py; do not edit.\n"
REFERENCE = ("notation", "glossary", "reference/index", "bibliography")
REFERENCE_SECTIONS = ("reference/chapters", "reference/support", "reference/recipes")


def table_of_contents(book: Path) -> str:
    """The pages that are in ``book``, in the order of the chapters."""
    parts: list[dict[str, object]] = [
        {
            "caption": "Chapters",
            "chapters": [_chapter(book, each) for each in CHAPTERS if _has(book, each.page)],
        },
        {"caption": "Reference", "chapters": [_reference(name) for name in REFERENCE]},
    ]
    toc = {"format": "jb-book", "root": "index", "parts": parts}
    return HEADER + yaml.safe_dump(toc, sort_keys=False)


def write_toc(book: Path) -> None:
    """Bring ``_toc.yml`` up to date."""
    (book / "_toc.yml").write_text(table_of_contents(book), encoding="utf-8")


def check_toc(book: Path) -> None:
    """Compare ``_toc.yml`` with what the table of chapters and the pages demand.

    Raises:
        ValueError: if the file is missing or out of date.
    """
    file = book / "_toc.yml"
    if not file.is_file() or file.read_text(encoding="utf-8") != table_of_contents(book):
        raise ValueError(f"{file} is out of date; write it with: python -m autograder.site --toc")


def _chapter(book: Path, chapter: Chapter) -> dict[str, object]:
    """A narrative page with the exercises, and in the instructor's book the solutions, below it."""
    below = [f"{folder}/{chapter.page}" for folder in ("exercises", "solutions")]
    sections = [{"file": page} for page in below if _has(book, page)]
    return {"file": chapter.page} | ({"sections": sections} if sections else {})


def _reference(name: str) -> dict[str, object]:
    sections = [{"file": each} for each in REFERENCE_SECTIONS]
    return {"file": name} | ({"sections": sections} if name == "reference/index" else {})


def _has(book: Path, page: str) -> bool:
    return (book / f"{page}.md").is_file()
