"""Every exercise of every chapter: the reference passes, the stub does not, mistakes are named."""

import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from autograder.checks.build import build, hidden_exercise
from autograder.checks.registry import find_spec, load_module, specs
from autograder.checks.spec import Case, ExerciseSpec, Mistake
from rlcourse.chapters import CHAPTERS, find_chapter
from rlcourse.checks.exercise import CaseCheck, Exercise, find_exercise
from rlcourse.checks.runner import Report, describe, run_checks
from rlcourse.checks.subject import LocalSubject

ROOT = Path(__file__).resolve().parents[2]
SPECS = [spec for chapter in CHAPTERS for spec in specs(chapter.module)]
MISTAKES = [(spec, mistake) for spec in SPECS for mistake in spec.mistakes]
VARIANTS = [(spec, name) for spec in SPECS for name in spec.variants]


def run(exercise: Exercise, module: Any, show_expected: bool = True) -> Report:
    return run_checks(exercise, exercise.checks, LocalSubject(module), show_expected)


@cache
def loaded(folder: str, module: str) -> ModuleType:
    """The chapter's module of that folder, executed once."""
    return load_module(folder, module)


def chapter_of(folder: str, spec: ExerciseSpec) -> ModuleType:
    return loaded(folder, find_chapter(spec.number).module)


def changed(module: ModuleType, name: str, function: Callable[..., Any]) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(module), name: function})


@cache
def built(number: str, hidden: bool) -> Exercise:
    """One part of an exercise; to work out what each mistake answers is most of these tests' time."""
    return hidden_exercise(number) if hidden else build(find_spec(number), hidden=False)


def parts(spec: ExerciseSpec) -> list[Exercise]:
    return [built(spec.number, hidden=False), built(spec.number, hidden=True)]


def shipped(spec: ExerciseSpec) -> Exercise:
    """The exercise as a student holds it, read back from its fingerprints."""
    return find_exercise(spec.number)


def by_number(spec: Any) -> str:
    return spec.number if isinstance(spec, ExerciseSpec) else getattr(spec, "name", str(spec))


@pytest.mark.parametrize("spec", SPECS, ids=by_number)
def test_the_reference_passes_every_check(spec: ExerciseSpec) -> None:
    reference = chapter_of("solutions", spec)
    for exercise in (shipped(spec), *parts(spec)):
        report = run(exercise, reference)
        assert report.passed, describe(report)
        assert report.checked > 0


@pytest.mark.parametrize("spec", SPECS, ids=by_number)
def test_the_stub_fails_with_its_own_error(spec: ExerciseSpec) -> None:
    stub = chapter_of("rlcourse", spec)
    for exercise in (shipped(spec), *parts(spec)):
        report = run(exercise, stub)
        assert report.unstarted and not report.passed
        assert exercise.targets[0] in describe(report)


@pytest.mark.parametrize(("spec", "mistake"), MISTAKES, ids=by_number)
def test_each_mistake_is_recognized_by_name(spec: ExerciseSpec, mistake: Mistake) -> None:
    wrong = changed(chapter_of("solutions", spec), spec.target_of(mistake), mistake.code)
    report = run(shipped(spec), wrong)
    assert not report.passed
    assert mistake.name in [named.name for named in report.mistakes], describe(report)
    assert mistake.message in describe(report)


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "mistake"), MISTAKES, ids=by_number)
def test_each_mistake_loses_the_hidden_part_too(spec: ExerciseSpec, mistake: Mistake) -> None:
    wrong = changed(chapter_of("solutions", spec), spec.target_of(mistake), mistake.code)
    report = run(built(spec.number, hidden=True), wrong, show_expected=False)
    assert not report.passed
    assert ", expected " not in " ".join(finding.problem for finding in report.findings)


@pytest.mark.parametrize(("spec", "name"), VARIANTS, ids=by_number)
def test_each_correct_variant_passes(spec: ExerciseSpec, name: str) -> None:
    target = name.split(".")[0] if "." in name else spec.targets[0]
    right = changed(chapter_of("solutions", spec), target, spec.variants[name])
    for exercise in parts(spec):
        report = run(exercise, right)
        assert report.passed, describe(report)


@pytest.mark.parametrize("spec", SPECS, ids=by_number)
def test_an_exercise_is_complete(spec: ExerciseSpec) -> None:
    assert 1 <= spec.points <= 4 and 1 <= spec.difficulty <= 5 and spec.minutes > 0
    assert len(spec.hints) == 3 and len(set(spec.hints)) == 3
    assert len(spec.mistakes) >= 4, "at least four named mistakes"
    assert len(spec.variants) >= 2, "at least two correct variants"
    named = [name.split(".")[0] for name in spec.variants if "." in name]
    assert set(named) <= set(spec.targets), "a dot in a variant's name stands behind a function"
    hidden = [check.hidden for check in spec.checks]
    assert any(hidden) and not all(hidden)
    names = [check.name for check in spec.checks]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("spec", SPECS, ids=by_number)
def test_the_section_it_points_to_exists(spec: ExerciseSpec) -> None:
    page = ROOT / "book" / f"{shipped(spec).chapter.page}.md"
    assert f"## {spec.section}\n" in page.read_text("utf-8")


@pytest.mark.parametrize("spec", SPECS, ids=by_number)
def test_no_right_answer_sits_near_a_wrong_one(spec: ExerciseSpec) -> None:
    """A tolerance 100 times the default still tells every mistake from the right answer."""
    exercise = built(spec.number, hidden=False)
    for index in range(len(spec.mistakes)):
        distances = [
            distance(case.answers[index], case.expected)
            for case in exercise.checks
            if isinstance(case, CaseCheck) and index in case.answers
        ]
        assert max(distances) > 1e-3, spec.mistakes[index].name


def distance(one: Any, other: Any) -> float:
    """Largest difference between two outcomes; infinite where they differ in kind."""
    from rlcourse.checks.outcome import leaves_of

    if (one.raised, one.mutated, one.used_global_rng) != (
        other.raised,
        other.mutated,
        other.used_global_rng,
    ):
        return float("inf")
    largest = 0.0
    pairs = itertools.zip_longest(
        leaves_of((one.value, one.gradients)), leaves_of((other.value, other.gradients))
    )
    for left, right in pairs:
        if left is None or right is None:
            return float("inf")
        a, b = left[1], right[1]
        if type(a) is not type(b) or getattr(a, "shape", None) != getattr(b, "shape", None):
            return float("inf")
        if hasattr(a, "double"):
            gap = (a.double() - b.double()).abs()
            if gap.isnan().any() or gap.isinf().any():
                return float("inf")
            largest = max(largest, float(gap.max()) if gap.numel() else 0.0)
        elif a != b:
            return float("inf")
    return largest


def test_a_case_with_an_exact_oracle_exists_for_each_exercise() -> None:
    for spec in SPECS:
        assert any(isinstance(check, Case) and check.oracle for check in spec.checks), spec.number
