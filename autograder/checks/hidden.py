"""Run the hidden part of an exercise, in the instructor's process only."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from autograder.checks.build import hidden_exercise
from autograder.checks.registry import load_module
from rlcourse.checks import subject as subjects
from rlcourse.checks.runner import CheckFailed, describe, run_checks
from rlcourse.checks.subject import LocalSubject, Subject


def check_hidden(number: str, module: Any = None) -> None:
    """Check one exercise on inputs its author never saw; its messages tell no expected value.

    Args:
        number: the exercise, such as ``"2.3"``.
        module: the functions to check; by default the chapter's module.

    Raises:
        CheckFailed: with what is wrong.
    """
    exercise = hidden_exercise(number)
    try:
        subject: Subject = (
            subjects.find_subject(exercise.chapter.module)
            if module is None
            else LocalSubject(module)
        )
    except Exception as error:
        raise CheckFailed(f"{exercise.chapter.module}.py cannot be imported: {error}") from None
    report = run_checks(exercise, exercise.checks, subject, show_expected=False)
    if not report.passed:
        raise CheckFailed(describe(report))
    print(f"{number} {exercise.title}: hidden checks passed, {exercise.hidden_points:g} points")


@lru_cache
def reference(module: str, name: str) -> Callable[..., Any]:
    """The authors' version of a function, for exercises that use it."""
    found: Callable[..., Any] = getattr(load_module("solutions", module), name)
    return found


subjects.set_reference_finder(reference)
