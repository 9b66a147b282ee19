"""Verify a chapter's grading: the reference gets everything, the stub nothing, each named mistake is noticed, twice."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.pipeline import specimens
from autograder.pipeline.course import Course
from autograder.pipeline.grade import Options, grade
from autograder.pipeline.release import release_assignment
from autograder.pipeline.result import Result, read_result
from rlcourse.chapters import Chapter

REFERENCE, STUB, MISSING = "reference", "stub", "missing"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that grading got wrong."""

    specimen: str
    what: str


def verify(
    course: Course,
    chapter: Chapter,
    jobs: int = 1,
    mistakes: bool = True,
    report: Callable[[str], None] = print,
) -> list[Problem]:
    """Grade specimens with known scores in a course of their own, twice; return what is wrong.

    Args:
        course: whose chapter; its gradebook is left alone.
        chapter: which one.
        jobs: how many at a time.
        mistakes: also every named mistake.
        report: told what happens.
    """
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        own = Course(Path(folder), course.repository)
        shutil.copytree(course.source(chapter), own.source(chapter))
        release_assignment(own, chapter)
        planted = dict(_specimens(own, chapter, mistakes))
        options = Options(jobs=jobs)
        summary = grade(own, chapter, options, report)
        first = _bytes(own, chapter)
        grade(own, chapter, options, report)
        problems = [Problem(student, f"ungraded: {why}") for student, why in summary.ungraded]
        if _bytes(own, chapter) != first:
            problems.append(Problem("all", "two runs gave different bytes"))
        for name, exercise in planted.items():
            result = read_result(own.results(chapter) / name / "submitted.json")
            if result is not None and not result.ungraded:
                problems += [Problem(name, text) for text in _wrong(result, exercise)]
    report(f"{len(planted)} submissions of known score, graded twice: {len(problems)} problems")
    return problems


def attack_suite(course: Course) -> Problem | None:
    """Run the suite of hostile submissions, each with its ideal score; None if all got theirs."""
    suite = course.repository / "tests" / "sandbox" / "test_attacks.py"
    if not suite.exists():
        return Problem("attacks", f"{suite} is missing")
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", str(suite)]
    done = subprocess.run(command, cwd=course.repository, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines() or [done.stderr.strip()]
    return Problem("attacks", "\n".join(lines[-10:])) if done.returncode else None


def _specimens(course: Course, chapter: Chapter, mistakes: bool) -> Iterator[tuple[str, str]]:
    """Hand in each specimen; yield its name and the exercise that it should lose."""
    specimens.put(course, chapter, REFERENCE, specimens.reference(course, chapter))
    yield REFERENCE, "none"
    specimens.put(course, chapter, STUB, specimens.stub(course, chapter))
    yield STUB, "all"
    specimens.put(course, chapter, MISSING, None)
    yield MISSING, "all"
    if not mistakes:
        return
    for number, (spec, mistake) in enumerate(specimens.mistakes(chapter), 1):
        name = f"mistake-{spec.number}-{number:02d}"
        module = specimens.with_mistake(course, chapter, spec, mistake)
        specimens.put(course, chapter, name, module)
        yield name, spec.number


def _bytes(course: Course, chapter: Chapter) -> dict[str, bytes]:
    folder = course.results(chapter)
    return {
        str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.glob("*/submitted.json"))
    }


def _wrong(result: Result, exercise: str) -> Iterator[str]:
    """Where a result is not what it should be, given the exercise that is done wrong."""
    if exercise == "none" and result.score != result.max_score:
        lost = [part.grade_id for part in result.parts if part.points < part.max_points]
        yield f"lost points in {', '.join(lost)}"
    if exercise == "all" and result.score != 0.0:
        yield f"got {result.score:g} points for nothing"
    if exercise in ("none", "all"):
        return
    own = f"ex-{exercise.replace('.', '-')}-"
    visible = [part for part in result.parts if part.grade_id == f"{own}visible"]
    if any(part.points for part in visible) or not visible:
        yield "the visible checks did not notice the mistake"
    for part in result.parts:
        if not part.grade_id.startswith(own) and part.points < part.max_points:
            yield f"lost {part.grade_id}, which is right"
