"""The instructor's book: a copy of the public one with a page of solutions below each chapter."""

import shutil
from importlib import import_module
from pathlib import Path

from autograder.site.toc import write_toc
from rlcourse.chapters import CHAPTERS


def stage_instructor_book(book: Path, target: Path) -> Path:
    """Copy ``book`` to ``target``, with the generated solution pages and a longer contents.

    Unchanged files keep their times, so that Sphinx reads only what is new.

    Raises:
        RuntimeError: if the generator of solution pages is not there.
    """
    wanted = {
        file.relative_to(book)
        for file in book.rglob("*")
        if file.is_file() and "_build" not in file.parts
    }
    target.mkdir(parents=True, exist_ok=True)
    for name in sorted(wanted):
        _write(target / name, (book / name).read_bytes())
    pages = {Path("solutions") / f"{name}.md": text for name, text in solution_pages().items()}
    for name, text in pages.items():
        _write(target / name, text.encode())
    for stale in [file for file in target.rglob("*") if file.is_file()]:
        if stale.relative_to(target) not in wanted | pages.keys():
            stale.unlink()
    write_toc(target)
    return target


def solution_pages() -> dict[str, str]:
    """The solution page of every chapter, by the name of its narrative page."""
    try:
        pages = import_module("autograder.generate.pages")
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "autograder/generate/pages.py, which writes the solution pages, is missing"
        ) from error
    return {chapter.page: pages.solution_page(chapter) for chapter in CHAPTERS}


def _write(file: Path, content: bytes) -> None:
    """Write only what differs."""
    if file.is_file() and file.read_bytes() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def remove_instructor_book(target: Path) -> None:
    """Forget an earlier copy."""
    shutil.rmtree(target, ignore_errors=True)
