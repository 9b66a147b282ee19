"""Grade a chapter: every attempt to a result file, the one that counts into nbgrader's gradebook.

A result is written whole or not at all, and the gradebook is made from results alone by this one process. Whatever
moment the power fails, ``--resume`` goes on where the files are and ends with the same gradebook.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby

from autograder.pipeline.attempts import Attempt, choose, find_attempts
from autograder.pipeline.course import Course
from autograder.pipeline.gradebook import GradebookWriter
from autograder.pipeline.progress import Progress
from autograder.pipeline.result import Result, read_result, to_json, write_atomically
from autograder.pipeline.settings import load_settings
from autograder.pipeline.work import Bench, Work, prepare, set_up
from autograder.pipeline.workers import grade_here, grade_on_cluster
from rlcourse.chapters import Chapter


@dataclass(frozen=True, slots=True)
class Options:
    """How to grade."""

    jobs: int = 1
    cluster: str | None = None
    """Address of a dask scheduler; None grades on this machine."""
    student: str = "*"
    resume: bool = False
    """Keep results that are still valid, instead of making all again."""
    executor: str = "autograder.pipeline.execute:execute"


@dataclass(slots=True)
class Summary:
    """What came of it."""

    graded: int = 0
    kept: int = 0
    """Results of an earlier run that were still valid."""
    written: list[Result] = field(default_factory=list)
    """Results that count, one a student, now in the gradebook."""
    ungraded: list[tuple[str, str]] = field(default_factory=list)
    """Students whose work the grader could not judge, and why."""

    @property
    def exit_code(self) -> int:
        return 1 if self.ungraded else 0


def grade(
    course: Course,
    chapter: Chapter,
    options: Options,
    report: Callable[[str], None] = print,
) -> Summary:
    """Grade all attempts of the chosen students and write the gradebook.

    Raises:
        NbgraderError: if the chapter is not released.
        ValueError: if there is nothing to grade.
        RuntimeError: if this course is being graded already.
    """
    with _alone(course):
        return _grade(course, chapter, options, report)


@contextmanager
def _alone(course: Course) -> Iterator[None]:
    """Hold the course's lock, which the system takes away from a process that died."""
    place = course.root / "results"
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = f"{course.root} is being graded by another process; wait for it"
            raise RuntimeError(message) from error
        yield


def _grade(
    course: Course, chapter: Chapter, options: Options, report: Callable[[str], None]
) -> Summary:
    bench = set_up(course, chapter, load_settings(course.root), options.executor)
    attempts = find_attempts(course, chapter, options.student)
    if not attempts:
        advice = "collect a download first, or put work into submitted/<student>/"
        raise ValueError(f"no attempt at {chapter.assignment} of {options.student!r}: {advice}")
    summary = Summary()
    with Progress(len(attempts), report) as progress:
        works = _works(course, attempts, bench, options, summary, progress)
        for result in _judge(works, options):
            file = course.results(chapter) / result.student / f"{result.attempt}.json"
            write_atomically(file, to_json(result).encode())
            summary.graded += 1
            progress.count(result)
    _fill_gradebook(course, attempts, bench, options, summary)
    for student, reason in summary.ungraded:
        report(f"UNGRADED {student}: {reason}")
    return summary


def _judge(works: Iterator[Work], options: Options) -> Iterator[Result]:
    if options.cluster:
        return grade_on_cluster(works, options.cluster)
    return grade_here(works, options.jobs)


def _works(
    course: Course,
    attempts: list[Attempt],
    bench: Bench,
    options: Options,
    summary: Summary,
    progress: Progress,
) -> Iterator[Work]:
    """Prepare attempts one by one, as the grading processes ask for them."""
    for attempt in attempts:
        work = prepare(attempt, bench)
        file = course.results(bench.chapter) / attempt.student / f"{attempt.name}.json"
        known = read_result(file) if options.resume else None
        if known and known.digest == work.digest and not known.ungraded:
            summary.kept += 1
            progress.count(known)
            continue
        yield work


def _fill_gradebook(
    course: Course, attempts: list[Attempt], bench: Bench, options: Options, summary: Summary
) -> None:
    """Hand the attempt that counts of each student to nbgrader."""
    writer = GradebookWriter(course, bench, only_changed=options.resume)
    for student, group in groupby(attempts, key=lambda attempt: attempt.student):
        mine = {attempt.name: attempt for attempt in group}
        folder = course.results(bench.chapter) / student
        results = [found for name in mine if (found := read_result(folder / f"{name}.json"))]
        chosen = choose(results, bench.settings) if len(results) == len(mine) else None
        if chosen is None:
            reasons = [result.reason for result in results if result.ungraded]
            summary.ungraded.append((student, "; ".join(reasons) or "a result is missing"))
            continue
        try:
            writer.write(chosen, mine[chosen.attempt])
            summary.written.append(chosen)
        except Exception as error:
            summary.ungraded.append((student, f"not written to the gradebook: {error}"))
