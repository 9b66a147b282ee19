"""The one writer of the gradebook: hands the attempt that counts to nbgrader's own autograde."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import MissingEntry

from autograder.pipeline.attempts import Attempt
from autograder.pipeline.collect import NOTE
from autograder.pipeline.course import Course
from autograder.pipeline.nbgrader_tools import nbgrader_api, open_gradebook, succeed
from autograder.pipeline.normalize import normalize
from autograder.pipeline.result import Result, write_atomically
from autograder.pipeline.work import Bench

MARK = "gradebook.json"


class GradebookWriter:
    """Writes results of one chapter, one student at a time.

    Args:
        course: whose gradebook.
        bench: the chapter's skeleton and settings.
        only_changed: leave out students whose entry was already made from the very same result.
    """

    def __init__(self, course: Course, bench: Bench, only_changed: bool = False) -> None:
        self.course = course
        self.bench = bench
        self.only_changed = only_changed
        self.api = nbgrader_api(course)
        with open_gradebook(course) as gradebook:
            assignment = bench.chapter.assignment
            due = bench.settings.due.get(assignment)
            gradebook.update_or_create_assignment(assignment, duedate=due)
            self.present = {
                submission.student.id: submission.score
                for submission in gradebook.assignment_submissions(assignment)
            }

    def write(self, result: Result, attempt: Attempt) -> None:
        """Enter one student's result.

        Raises:
            NbgraderError: with nbgrader's own words, if it refuses.
        """
        chapter = self.bench.chapter
        mark = self.course.results(chapter) / result.student / MARK
        entry = {"attempt": result.attempt, "digest": result.digest, "lms_id": attempt.lms_id}
        entry["policy"] = f"{self.bench.settings.late} {self.bench.settings.due}"
        if self.only_changed and self._is_entered(result, mark, entry):
            return
        mark.unlink(missing_ok=True)
        self._lay_out(result, attempt)
        answer = self.api.autograde(chapter.assignment, result.student, force=True)
        succeed(f"nbgrader autograde of {result.student}", answer)
        if attempt.lms_id:
            self._name(attempt)
        write_atomically(mark, (json.dumps(entry) + "\n").encode())

    def _name(self, attempt: Attempt) -> None:
        """Keep what the learning platform knows of a student; a name that is there already stays."""
        with open_gradebook(self.course) as gradebook:
            student = gradebook.find_student(attempt.student)
            student.lms_user_id = attempt.lms_id
            if not (student.first_name or student.last_name):
                student.last_name = attempt.person
            gradebook.db.commit()

    def _is_entered(self, result: Result, mark: Path, entry: dict[str, str]) -> bool:
        notebook = f"{self.bench.chapter.module}.ipynb"
        autograded = self.course.autograded(result.student, self.bench.chapter) / notebook
        try:
            same = json.loads(mark.read_text("utf-8")) == entry
        except (OSError, ValueError):
            return False
        return same and autograded.exists() and result.student in self.present

    def _lay_out(self, result: Result, attempt: Attempt) -> None:
        """Write the normalized submission where nbgrader looks for it; in one step, or not at all."""
        chapter = self.bench.chapter
        files, _ = attempt.files()
        normal = normalize(files, self.bench.skeleton, chapter)
        folder = self.course.normalized(result.student, chapter)
        folder.parent.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.parent.glob(".new-*"):  # of a run that was killed
            shutil.rmtree(unfinished)
        new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
        new.chmod(0o755)
        nbformat.write(normal.notebook, new / f"{chapter.module}.ipynb")
        if normal.module is not None:
            (new / f"{chapter.module}.py").write_bytes(normal.module)
        note = {"attempt": result.attempt, "digest": result.digest, "flags": list(result.flags)}
        (new / NOTE).write_text(json.dumps(note, indent=1) + "\n", "utf-8")
        (new / "timestamp.txt").write_text(f"{result.timestamp} UTC\n", "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(new, folder)


@dataclass(frozen=True, slots=True)
class Row:
    """One student's line in the gradebook."""

    student: str
    first_name: str
    last_name: str
    email: str
    lms_id: str
    timestamp: str
    raw: float
    """Points before the late penalty."""
    penalty: float
    max_score: float
    parts: dict[str, tuple[float, float]]
    """Points and most points of each graded cell; a person's score stands above the machine's."""
    comments: tuple[str, ...]
    waiting: bool
    """Whether a part waits for a person to grade it."""

    @property
    def score(self) -> float:
        return max(0.0, self.raw - self.penalty)


def gradebook_rows(course: Course, assignment: str) -> list[Row]:
    """The rows of one assignment, by student; empty if it is not in the gradebook."""
    with open_gradebook(course) as gradebook:
        try:
            submissions = gradebook.assignment_submissions(assignment)
        except MissingEntry:
            return []
        return sorted((_row(submission) for submission in submissions), key=lambda row: row.student)


def _row(submission: Any) -> Row:
    student = submission.student
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    comments = [comment for notebook in submission.notebooks for comment in notebook.comments]
    return Row(
        student=student.id,
        first_name=student.first_name or "",
        last_name=student.last_name or "",
        email=student.email or "",
        lms_id=student.lms_user_id or "",
        timestamp=str(submission.timestamp or ""),
        raw=submission.score,
        penalty=submission.late_submission_penalty or 0.0,
        max_score=submission.max_score,
        parts={g.name: (g.score, g.max_score) for g in sorted(grades, key=lambda g: str(g.name))},
        comments=tuple(c.comment for c in comments if c.comment),
        waiting=any(grade.needs_manual_grade for grade in grades),
    )
