"""Find the author's exercises by chapter and number."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import rlcourse
from autograder.checks.spec import ExerciseSpec
from rlcourse.chapters import CHAPTERS, find_chapter


def specs(module: str) -> tuple[ExerciseSpec, ...]:
    """The exercises of a chapter in order."""
    found: tuple[ExerciseSpec, ...] = importlib.import_module(
        f"autograder.checks.{module}"
    ).EXERCISES
    return found


def find_spec(number: str) -> ExerciseSpec:
    """The exercise of that number.

    Raises:
        ValueError: if there is none.
    """
    for spec in specs(find_chapter(number).module):
        if spec.number == number.strip():
            return spec
    raise ValueError(f"no exercise {number!r}")


def load_module(folder: str, module: str) -> ModuleType:
    """A chapter's module from a folder of the repository, under a name of its own.

    What it imports of earlier chapters comes from the same folder.

    Args:
        folder: ``"solutions"`` for the reference, ``"rlcourse"`` for the stub.
        module: the chapter's module.
    """
    path = Path(__file__).resolve().parents[2] / folder / f"{module}.py"
    spec = importlib.util.spec_from_file_location(f"{folder}_{module}", path)
    assert spec is not None and spec.loader is not None  # a .py file always has both
    found = importlib.util.module_from_spec(spec)
    with earlier_chapters_of(path.parent):
        spec.loader.exec_module(found)
    return found


@contextmanager
def earlier_chapters_of(folder: Path) -> Iterator[None]:
    """Let ``import rlcourse.<module>`` find this folder's files while the context lasts; then all is as before."""
    names = [chapter.module for chapter in CHAPTERS]
    modules = {f"rlcourse.{name}": sys.modules.pop(f"rlcourse.{name}", None) for name in names}
    attributes = {name: vars(rlcourse).pop(name, None) for name in names}
    rlcourse.__path__.insert(0, str(folder))
    try:
        yield
    finally:
        rlcourse.__path__.remove(str(folder))
        for name in names:
            sys.modules.pop(f"rlcourse.{name}", None)
            vars(rlcourse).pop(name, None)
        sys.modules.update({name: known for name, known in modules.items() if known is not None})
        vars(rlcourse).update(
            {name: known for name, known in attributes.items() if known is not None}
        )
