"""Find the author's exercises by chapter and number."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from autograder.checks.spec import ExerciseSpec
from rlcourse.chapters import find_chapter


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

    Args:
        folder: ``"solutions"`` for the reference, ``"rlcourse"`` for the stub.
        module: the chapter's module.
    """
    path = Path(__file__).resolve().parents[2] / folder / f"{module}.py"
    spec = importlib.util.spec_from_file_location(f"{folder}_{module}", path)
    assert spec is not None and spec.loader is not None  # a .py file always has both
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
