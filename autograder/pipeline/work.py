"""A piece of work for a grading process: one attempt with everything needed to judge it, as plain data."""

import hashlib
import importlib
import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import cast

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_locked, is_solution

from autograder.pipeline.attempts import Attempt
from autograder.pipeline.course import Course
from autograder.pipeline.nbgrader_tools import NbgraderError, open_gradebook
from autograder.pipeline.normalize import normalize
from autograder.pipeline.result import GRADER_ERROR, MISSING, VERDICTS, Part, Result
from autograder.pipeline.settings import Settings
from rlcourse.chapters import CHAPTERS, Chapter


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt, ready to be graded anywhere."""

    student: str
    attempt: str
    assignment: str
    timestamp: str
    digest: str
    module_name: str
    """Such as ``policy_gradient``."""
    module: bytes | None
    """The submitted module; None if it was not handed in."""
    notebook: str
    """The normalized notebook, its tests whole again, as JSON."""
    references: dict[str, bytes]
    """Reference modules of the earlier chapters by name."""
    executor: str
    """Where the function is that runs the tests: ``package.module:function``."""
    seconds: float = 20.0
    memory_mb: int = 4096
    flags: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    """sha256 of each file graded."""


Executor = Callable[[Work], list[Part]]
"""Runs the tests of a notebook against the submitted module: a Part for each graded cell, in order."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all attempts of a chapter share."""

    chapter: Chapter
    skeleton: NotebookNode
    """The released notebook."""
    tests: dict[str, str]
    """Source of each locked cell with its hidden tests, by grade id: as nbgrader's gradebook keeps it."""
    references: dict[str, bytes]
    settings: Settings
    executor: str
    judge: str
    """Checksum of the code that judges."""


def set_up(course: Course, chapter: Chapter, settings: Settings, executor: str) -> Bench:
    """Read everything that grading a chapter needs.

    Raises:
        NbgraderError: if the chapter was not released.
    """
    released = course.release(chapter) / f"{chapter.module}.ipynb"
    if not released.exists():
        advice = f"run `python -m autograder release {chapter.assignment}` first"
        raise NbgraderError(f"{chapter.assignment} is not released; {advice}")
    with open_gradebook(course) as gradebook:
        notebook = gradebook.find_notebook(chapter.module, chapter.assignment)
        tests = {cell.name: cell.source for cell in notebook.source_cells if cell.locked}
    return Bench(
        chapter=chapter,
        skeleton=nbformat.read(released, as_version=4),
        tests=tests,
        references=_references(course, chapter),
        settings=settings,
        executor=executor,
        judge=_checksum_of_judge(course.repository),
    )


def _references(course: Course, chapter: Chapter) -> dict[str, bytes]:
    """Reference modules of earlier chapters, never of this one."""
    earlier = [other for other in CHAPTERS if other.number < chapter.number]
    files = {
        other.module: course.repository / "solutions" / f"{other.module}.py" for other in earlier
    }
    return {name: file.read_bytes() for name, file in files.items() if file.exists()}


@lru_cache
def _checksum_of_judge(repository: Path) -> str:
    """Over the checks and the grader: a changed check makes older results stale."""
    total = hashlib.sha256()
    for folder in ("rlcourse", "autograder/checks", "autograder/sandbox", "autograder/pipeline"):
        for file in sorted((repository / folder).rglob("*")):
            if file.suffix in (".py", ".json"):
                total.update(str(file.relative_to(repository)).encode())
                total.update(file.read_bytes())
    return total.hexdigest()


def prepare(attempt: Attempt, bench: Bench) -> Work:
    """Normalize an attempt and put the tests back into it."""
    files, left_out = attempt.files()
    normal = normalize(files, bench.skeleton, bench.chapter)
    for cell in normal.notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if is_locked(cell) and grade_id in bench.tests:
            cell.source = bench.tests[grade_id]
    notebook = nbformat.writes(normal.notebook)
    module_file = f"{bench.chapter.module}.py"
    sums = {f"{bench.chapter.module}.ipynb": _sha256(notebook.encode())}
    if normal.module is not None:
        sums[module_file] = _sha256(normal.module)
    settings = bench.settings
    limits = (settings.seconds, settings.memory_mb)
    references = {name: _sha256(data) for name, data in bench.references.items()}
    parts = [sums, references, bench.judge, bench.executor, limits, str(attempt.timestamp)]
    return Work(
        student=attempt.student,
        attempt=attempt.name,
        assignment=bench.chapter.assignment,
        timestamp=str(attempt.timestamp),
        digest=_sha256(json.dumps(parts, sort_keys=True).encode()),
        module_name=bench.chapter.module,
        module=normal.module,
        notebook=notebook,
        references=bench.references,
        executor=bench.executor,
        seconds=settings.seconds,
        memory_mb=settings.memory_mb,
        flags=(*left_out, *normal.flags),
        files=sums,
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def graded_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that a machine gives points for."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)
    ]


def grade_work(work: Work) -> Result:
    """Judge one attempt. Never raises: a failure of the grader is noted in the result."""
    try:
        parts = tuple(_missing(work) if work.module is None else _execute(work))
        return result_of(work, parts)
    except Exception:
        return result_of(work, (), error=traceback.format_exc(limit=-3))


def _missing(work: Work) -> list[Part]:
    """Nothing is run, so that nothing else can take the place of the module."""
    cells = graded_cells(nbformat.reads(work.notebook, as_version=4))
    message = f"{work.module_name}.py was not handed in."
    ids = [
        (cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)) for cell in cells
    ]
    return [Part(grade_id, MISSING, 0.0, points, message) for grade_id, points in ids]


def _execute(work: Work) -> list[Part]:
    """Run the tests, and check that the executor said something sensible about every one."""
    module, _, function = work.executor.partition(":")
    execute = cast(Executor, getattr(importlib.import_module(module), function))
    parts = {part.grade_id: part for part in execute(work)}
    checked = []
    for cell in graded_cells(nbformat.reads(work.notebook, as_version=4)):
        grade_id, most = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
        part = parts.get(grade_id)
        if part is None:
            part = Part(grade_id, GRADER_ERROR, 0.0, most, "the grader gave no verdict")
        elif part.verdict not in VERDICTS or not 0.0 <= part.points <= most:
            text = f"impossible verdict {part.verdict!r} with {part.points} of {most} points"
            part = Part(grade_id, GRADER_ERROR, 0.0, most, text)
        checked.append(part)
    return checked


def result_of(work: Work, parts: tuple[Part, ...], error: str = "") -> Result:
    """The result of a piece of work, without anything that changes from run to run."""
    return Result(
        student=work.student,
        attempt=work.attempt,
        assignment=work.assignment,
        timestamp=work.timestamp,
        digest=work.digest,
        files=work.files,
        parts=parts,
        flags=work.flags,
        error=error,
    )
