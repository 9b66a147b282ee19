"""Every check gives the same verdict whether the code runs here or behind the boundary."""

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import rlcourse
from autograder.checks.build import hidden_exercise
from autograder.checks.registry import earlier_chapters_of, find_spec, specs
from autograder.sandbox.assignment import REPOSITORY
from autograder.sandbox.proxy import RemoteSubject
from rlcourse.chapters import CHAPTERS
from rlcourse.checks.exercise import exercises, find_exercise
from rlcourse.checks.runner import Report, run_checks
from rlcourse.checks.subject import LocalSubject, Subject
from tests.sandbox.helpers import Student

Functions = dict[str, Callable[..., Any]]


def _has_checks(module: str) -> bool:
    try:
        return bool(exercises(module))
    except FileNotFoundError:
        return False


def _submissions() -> Iterator[tuple[str, str, str]]:
    """(module, exercise, what stands in for the student's functions)."""
    for chapter in CHAPTERS:
        if not _has_checks(chapter.module):
            continue
        for spec in specs(chapter.module):
            yield chapter.module, spec.number, "reference"
            yield chapter.module, spec.number, "stub"
            for mistake in spec.mistakes:
                yield chapter.module, spec.number, f"mistake: {mistake.name}"
            for variant in spec.variants:
                yield chapter.module, spec.number, f"variant: {variant}"


def _source_module(module: str, folder: str) -> types.ModuleType:
    """The module in this folder, under its own name but not in ``sys.modules``."""
    made = types.ModuleType(f"rlcourse.{module}")
    path = REPOSITORY / folder / f"{module}.py"
    made.__file__ = str(path)
    with earlier_chapters_of(REPOSITORY / "solutions"):  # as in grading
        exec(compile(path.read_text("utf-8"), str(path), "exec"), vars(made))
    return made


def _module_for(module: str, number: str, what: str) -> types.ModuleType:
    made = _source_module(module, "rlcourse" if what == "stub" else "solutions")
    spec = find_spec(number)
    kind, _, name = what.partition(": ")
    if kind == "mistake":
        mistake = next(mistake for mistake in spec.mistakes if mistake.name == name)
        setattr(made, spec.target_of(mistake), mistake.code)
    if kind == "variant":
        target = (
            name.partition(".")[0] if name.partition(".")[0] in spec.targets else spec.targets[0]
        )
        setattr(made, target, spec.variants[name])
    return made


def _nothing() -> None:
    """Go on."""


def _reports(
    number: str, subject: Subject, whole: bool, begin: Callable[[], None] = _nothing
) -> list[Report]:
    """Run the visible and the hidden part as a whole, or ``begin`` anew with each check.

    What a check lends stays known until the part ends, and is compared in each message from then on.
    """
    found = []
    for exercise in (find_exercise(number), hidden_exercise(number)):
        for checks in [exercise.checks] if whole else [(check,) for check in exercise.checks]:
            begin()
            found.append(run_checks(exercise, checks, subject))
    return found


def _told(report: Report) -> tuple[Any, ...]:
    """What a report says, without the wording of numbers."""
    findings = [(finding.check, finding.message) for finding in report.findings]
    return report.passed, report.unstarted, findings, [mistake.name for mistake in report.mistakes]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _case(module: str, number: str, what: str) -> Any:
    quick = what == "stub" or (what == "reference" and module == "policy_gradient")
    marks = [] if quick else [pytest.mark.slow]
    return pytest.param(module, number, what, marks=marks, id=f"{number} {what}")


@pytest.mark.parametrize(
    ("module", "number", "what"), [_case(*submission) for submission in _submissions()]
)
def test_equal_verdicts(module: str, number: str, what: str) -> None:
    made = _module_for(module, number, what)

    def prepare() -> None:
        sys.modules[f"rlcourse.{module}"] = made
        setattr(rlcourse, module, made)

    student, whole = Student(prepare), what in ("reference", "stub")

    def begin() -> None:
        if not whole:
            student.host.forget()
            student.host.request("begin", 0)

    try:
        remote = _reports(number, RemoteSubject(lambda: student.host, module), whole, begin)
    finally:
        student.close()
    local = _reports(number, LocalSubject(made), whole)
    assert [_told(report) for report in remote] == [_told(report) for report in local]
    passes = what == "reference" or what.startswith("variant")
    visible = local[: 1 if whole else len(find_exercise(number).checks)]
    assert all(report.passed for report in visible) is passes
    assert all(report.passed for report in local) is passes
