"""Run an exercise's checks against a module and say what is wrong, by name where it has one."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from rlcourse.checks import subject as subjects
from rlcourse.checks.compare import agrees, difference
from rlcourse.checks.exercise import CaseCheck, Exercise, LawCheck, Mistake, find_exercise
from rlcourse.checks.outcome import Outcome, observe
from rlcourse.checks.subject import LocalSubject, Subject

STUB_MESSAGE = re.compile(r"Exercise (\d+\.\d+): write (\w+)")


class CheckFailed(AssertionError):
    """A check found something; the text is meant for the student."""

    def _render_traceback_(self) -> list[str]:
        """Let notebooks show the message alone, without the checker's own frames."""
        return str(self).splitlines()


@dataclass(frozen=True, slots=True)
class Finding:
    """One check that did not hold."""

    check: str
    message: str
    problem: str


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on one exercise."""

    exercise: Exercise
    findings: tuple[Finding, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    unstarted: bool = False
    needs: str = ""
    """What must be written before this exercise can run, such as ``exercise 6.2, gae``; else empty."""
    checked: int = 0

    @property
    def passed(self) -> bool:
        return not self.findings and not self.unstarted


def check(number: str, module: Any = None) -> None:
    """Check one exercise; print a line if it passes.

    Args:
        number: the exercise, such as ``"2.3"``.
        module: the functions to check; by default the chapter's module, freshly imported.

    Raises:
        CheckFailed: with what is wrong and what to look at.
    """
    exercise = find_exercise(number)
    subject = None if module is None else LocalSubject(module)
    report = run_exercise(exercise, subject)
    if not report.passed:
        raise CheckFailed(describe(report))
    print(f"{number} {exercise.title}: passed, {exercise.visible_points:g} points")


def run_exercise(exercise: Exercise, subject: Subject | None = None) -> Report:
    """Run every visible check of an exercise.

    Args:
        exercise: what to check.
        subject: the module under test; found and imported by name if None.
    """
    if subject is None:
        try:
            subject = subjects.find_subject(exercise.chapter.module)
        except Exception as error:
            return _unimportable(exercise, error)
    return run_checks(exercise, exercise.checks, subject)


def run_checks(
    exercise: Exercise,
    checks: tuple[CaseCheck | LawCheck, ...],
    subject: Subject,
    show_expected: bool = True,
) -> Report:
    """Run these checks of an exercise, and name the mistake that explains what they saw."""
    with ExitStack() as meanwhile:
        meanwhile.enter_context(_one_thread())
        for name in exercise.uses:
            reference = subjects.find_reference(exercise.chapter.module, name)
            if reference is not None:
                meanwhile.enter_context(subject.replace(name, reference))
        return _run_all(exercise, checks, subject, show_expected)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute in this thread alone: the tensors of checks are so small that more only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _run_all(
    exercise: Exercise,
    checks: tuple[CaseCheck | LawCheck, ...],
    subject: Subject,
    show_expected: bool,
) -> Report:
    findings: list[Finding] = []
    outcomes: list[tuple[CaseCheck, Outcome]] = []
    functions: dict[str, Callable[..., Any]] = {}
    for name in exercise.targets:
        try:
            functions[name] = subject.function(name)
        except AttributeError:
            missing = f"{exercise.chapter.module}.py defines no {name}; was it renamed?"
            return Report(exercise, (Finding("definition", missing, ""),))
    for item in checks:
        function = functions[item.target]
        if isinstance(item, LawCheck):
            problem = _break_of(item, function)
        else:
            outcome = observe(function, item.call, subject)
            outcomes.append((item, outcome))
            problem = difference(outcome, item.expected, show_expected)
        if problem is not None:
            if "NotImplementedError" in problem:
                return Report(exercise, unstarted=True, needs=_needed(exercise, problem))
            findings.append(Finding(item.name, item.message, problem))
    named = _recognize(exercise, outcomes) if findings else ()
    return Report(exercise, tuple(findings), named, checked=len(checks))


def _needed(exercise: Exercise, problem: str) -> str:
    """The other exercise that a stub's message names; empty if it is this one."""
    stub = STUB_MESSAGE.search(problem)
    if stub is None or stub[1] == exercise.number:
        return ""
    return f"exercise {stub[1]}, {stub[2]}"


def _break_of(law: LawCheck, function: Callable[..., Any]) -> str | None:
    try:
        law.law(function)
    except AssertionError as error:
        return str(error)
    except Exception as error:
        return f"it raised {type(error).__name__}: {error}"
    return None


def _recognize(
    exercise: Exercise, outcomes: list[tuple[CaseCheck, Outcome]]
) -> tuple[Mistake, ...]:
    """The mistakes that would have given just these outcomes.

    A mistake that explains every case comes first; failing that, those that explain every wrong case;
    failing that, those that explain some wrong case.
    """
    wrong = [(case, seen) for case, seen in outcomes if not agrees(seen, case.expected)]
    for cases in (outcomes, wrong):
        indices = [
            index
            for index in range(len(exercise.mistakes))
            if wrong and all(_as(index, case, seen) for case, seen in cases)
        ]
        if indices:
            return tuple(exercise.mistakes[index] for index in indices[:2])
    some = [
        index
        for index in range(len(exercise.mistakes))
        if any(index in case.answers and _as(index, case, seen) for case, seen in wrong)
    ]
    return tuple(exercise.mistakes[index] for index in some[:1])


def _as(index: int, case: CaseCheck, seen: Outcome) -> bool:
    return agrees(seen, case.answers.get(index, case.expected))


def _unimportable(exercise: Exercise, error: Exception) -> Report:
    module = exercise.chapter.module
    where = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
    message = f"{module}.py cannot be imported{where}: {type(error).__name__}: {error}"
    return Report(exercise, (Finding("import", message, ""),))


def describe(report: Report) -> str:
    """What a student should read: the first thing that is wrong, the likely mistake, where to go on."""
    exercise = report.exercise
    head = f"{exercise.number} {exercise.title}"
    if report.needs:
        return (
            f"{head}: cannot run yet. {' and '.join(exercise.targets)} stands on {report.needs}, which is not written. "
            "Write that first. If it belongs to an earlier chapter, this exercise's text says how to bring it along."
        )
    if report.unstarted:
        return f"{head}: not started yet. Write {' and '.join(exercise.targets)} first."
    lines = [f"{head}: not yet."]
    for finding in report.findings[:1]:
        lines += [f"  {finding.check}: {finding.message}"]
        lines += [f"  {line}" for line in finding.problem.splitlines()]
    if len(report.findings) > 1:
        names = ", ".join(finding.check for finding in report.findings[1:])
        lines.append(f"  Also not yet: {names}")
    for mistake in report.mistakes:
        lines += [f"  A known mistake gives just this: {mistake.name}.", f"    {mistake.message}"]
    lines.append(
        f"  Next: `rlcourse hint {exercise.number}`, or read “{exercise.section}” "
        f"on page {exercise.chapter.page}."
    )
    return "\n".join(lines)
