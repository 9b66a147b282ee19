"""Find the author's exercises by chapter and number."""

import importlib

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
