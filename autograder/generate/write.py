"""Write every generated file, or say which ones are out of date. All are made before any is written."""

import json
import os
import sys
from pathlib import Path

from autograder.generate.assignments import notebook
from autograder.generate.fingerprints import fingerprints, same_numbers
from autograder.generate.pages import exercise_page
from autograder.generate.stubs import stub
from rlcourse.chapters import CHAPTERS, Chapter

ROOT = Path(__file__).resolve().parents[2]


def outputs() -> dict[Path, str]:
    """Path and text of every generated file.

    Raises:
        BadMarker: if a solution file cannot be stripped.
        WeakCheck: if the checks of an exercise do not bite.
    """
    made: dict[Path, str] = {}
    for chapter in CHAPTERS:
        made |= _chapter(chapter)
    return made


def _chapter(chapter: Chapter) -> dict[Path, str]:
    module = chapter.module
    source = (ROOT / "solutions" / f"{module}.py").read_text("utf-8")
    text = stub(source, module)
    assignment = ROOT / "autograder" / "source" / chapter.assignment
    return {
        ROOT / "rlcourse" / f"{module}.py": text,
        ROOT / "rlcourse" / "checks" / "data" / f"{module}.json": fingerprints(module),
        ROOT / "book" / "exercises" / f"{chapter.page}.md": exercise_page(chapter, source),
        assignment / f"{module}.py": text,
        assignment / f"{module}.ipynb": notebook(chapter, source),
    }


def stale(made: dict[Path, str]) -> list[Path]:
    """The files that are missing, differ from what was made, or that nothing makes any more."""
    outdated = [path for path, text in made.items() if not _current(path, text)]
    folders = {path.parent for path in made} - {ROOT / "rlcourse"}
    leftover = [
        path
        for folder in sorted(folders)
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.is_file() and path not in made
    ]
    return outdated + leftover


def _current(path: Path, text: str) -> bool:
    if not path.exists():
        return False
    written = path.read_text("utf-8")
    if path.suffix == ".json" and written != text:
        return same_numbers(json.loads(written), json.loads(text))
    return written == text


def generate() -> int:
    """Write what is out of date; return the exit status."""
    made = outputs()
    for path in stale(made):
        if path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(path.suffix + ".new")
            temporary.write_text(made[path], "utf-8")
            os.replace(temporary, path)
            print("written:", path.relative_to(ROOT))
        else:
            path.unlink()
            print("removed:", path.relative_to(ROOT))
    return 0


def check_stale() -> int:
    """Compare all generated files with what would be made; name those out of date."""
    outdated = stale(outputs())
    for path in outdated:
        print(f"out of date: {path.relative_to(ROOT)}", file=sys.stderr)
    if outdated:
        print("run `make generate` and commit what it writes", file=sys.stderr)
    return int(bool(outdated))
