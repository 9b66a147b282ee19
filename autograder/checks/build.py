"""Turn an author's exercise into what the checks compare with, and refuse one whose checks do not bite."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.compare import agrees
from rlcourse.checks.exercise import CaseCheck, Exercise, LawCheck
from rlcourse.checks.exercise import Mistake as NamedMistake
from rlcourse.checks.outcome import Call, Outcome, detached, fresh, observe, weighted_sum
from rlcourse.checks.subject import LocalSubject

STEP = 1e-6
"""Step of the central differences; their error is near 1e-10 for values near 1 in float64."""


class WeakCheck(ValueError):
    """An exercise's checks let something through, or contradict themselves."""


def build(spec: ExerciseSpec, hidden: bool) -> Exercise:
    """The exercise with its visible or its hidden checks worked out.

    Raises:
        WeakCheck: if a mistake passes every visible check, or equals another one in all of them.
    """
    items = [item for item in spec.checks if item.hidden is hidden]
    checks = tuple(_check(spec, item) for item in items)
    if not hidden:
        _must_bite(spec, checks)
    return Exercise(
        number=spec.number,
        title=spec.title,
        targets=spec.targets,
        points=spec.points,
        minutes=spec.minutes,
        difficulty=spec.difficulty,
        section=spec.section,
        statement=spec.statement.strip(),
        hints=spec.hints,
        mistakes=tuple(NamedMistake(mistake.name, mistake.message) for mistake in spec.mistakes),
        checks=checks,
        uses=spec.uses,
    )


def _check(spec: ExerciseSpec, item: Case | Law) -> CaseCheck | LawCheck:
    target = spec.target_of(item)
    if isinstance(item, Law):
        return LawCheck(item.name, target, item.message, item.law)
    call = call_of(item)
    expected = expected_outcome(item)
    answers = {}
    for index, mistake in enumerate(spec.mistakes):
        if spec.target_of(mistake) == target:
            outcome = outcome_of(mistake.code, call)
            if not agrees(outcome, expected):
                answers[index] = outcome
    return CaseCheck(item.name, target, item.message, call, expected, answers)


def call_of(case: Case) -> Call:
    """The call that a case makes."""
    watched = case.gradients + tuple(case.gradient_values)
    return Call(dict(case.inputs), case.probe, watched, case.detached, case.inplace)


def outcome_of(function: Callable[..., Any], call: Call) -> Outcome:
    """What a function of this process does with a call."""
    return observe(function, call, LocalSubject(None))


def expected_outcome(case: Case) -> Outcome:
    """The right outcome, from the hand value or the oracle; gradients by central differences."""
    given = [case.expected is not None, case.oracle is not None, case.raises is not None]
    if sum(given) != 1:
        raise WeakCheck(f"case {case.name!r} needs exactly one of expected, oracle and raises")
    if case.raises is not None:
        return Outcome(raised=case.raises.__name__)
    value = case.expected
    if case.oracle is not None:
        value = case.oracle(**fresh(dict(case.inputs)))
    gradients: dict[str, Tensor | None] = dict.fromkeys(case.detached)
    for name in case.gradients:
        gradients[name] = central_differences(case, name)
    gradients |= case.gradient_values
    order = call_of(case).watched()
    return Outcome(detached(value), {name: gradients[name] for name in order})


def central_differences(case: Case, name: str) -> Tensor:
    """Gradient of the oracle's weighted value with respect to one input, entry by entry."""
    if case.oracle is None:
        raise WeakCheck(f"case {case.name!r}: gradients need an oracle, or gradient_values")
    original = case.inputs[name]
    gradient = torch.zeros_like(original)
    for index in range(original.numel()):
        ends = []
        for step in (STEP, -STEP):
            inputs = fresh(dict(case.inputs))
            inputs[name].reshape(-1)[index] += step
            total = weighted_sum(case.oracle(**inputs))
            assert total is not None, "an oracle with gradients returns floats"
            ends.append(total)
        gradient.reshape(-1)[index] = (ends[0] - ends[1]) / (2 * STEP)
    return gradient


def _must_bite(spec: ExerciseSpec, checks: tuple[CaseCheck | LawCheck, ...]) -> None:
    """Every mistake must be caught by a visible case, and no two may look alike in all of them."""
    cases = [check for check in checks if isinstance(check, CaseCheck)]
    for index, mistake in enumerate(spec.mistakes):
        if not any(index in case.answers for case in cases):
            raise WeakCheck(f"{spec.number}: mistake {mistake.name!r} passes every visible case")
        for other in range(index):
            if all(_alike(case, index, other) for case in cases):
                twin = spec.mistakes[other].name
                raise WeakCheck(f"{spec.number}: {mistake.name!r} and {twin!r} look alike")


def _alike(case: CaseCheck, one: int, other: int) -> bool:
    first = case.answers.get(one, case.expected)
    return agrees(first, case.answers.get(other, case.expected))


def mistake_functions(spec: ExerciseSpec, mistake: Mistake) -> dict[str, Callable[..., Any]]:
    """The one function that a mistake replaces."""
    return {spec.target_of(mistake): mistake.code}


@lru_cache
def hidden_exercise(number: str) -> Exercise:
    """The hidden part of an exercise, worked out once a process."""
    from autograder.checks.registry import find_spec

    return build(find_spec(number), hidden=True)
