"""The two places where nbgrader calls ours: what a cell's execution gave, and what a late submission loses.

The execution itself happened before (see ``engine``); nbgrader is handed its outcome cell by cell, so that scores,
comments, late penalties and everything that reads the gradebook are nbgrader's own.
"""

import json
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, v4
from nbgrader import utils
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Float, Unicode

from autograder.pipeline.collect import NOTE
from autograder.pipeline.course import Course
from autograder.pipeline.result import PASS, Part, Result, read_result
from autograder.pipeline.settings import LatePolicy
from rlcourse.chapters import find_chapter


class ReplayResult(NbGraderPreprocessor):  # type: ignore[misc]
    """Give every graded cell the output that stands for its verdict. Takes the place of nbgrader's Execute."""

    root = Unicode("", help="nbgrader's course directory").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        about = resources["nbgrader"]
        result = chosen_result(Course(Path(self.root)), about["student"], about["assignment"])
        parts = {part.grade_id: part for part in result.parts}
        for cell in nb.cells:
            if cell.cell_type != "code":
                continue
            cell.outputs, cell.execution_count = [], None
            if utils.is_grade(cell) and not utils.is_solution(cell):
                grade_id = cell.metadata.nbgrader["grade_id"]
                if grade_id not in parts:
                    raise RuntimeError(
                        f"no verdict on {grade_id}; grade {about['assignment']} again"
                    )
                cell.outputs = outputs_of(parts[grade_id])
        return nb, resources


def chosen_result(course: Course, student: str, assignment: str) -> Result:
    """The result of the attempt that lies in ``normalized``.

    Raises:
        RuntimeError: if that attempt was not graded. A missing result must never look like a pass or a 0.
    """
    chapter = find_chapter(assignment)
    note = json.loads((course.normalized(student, chapter) / NOTE).read_text("utf-8"))
    result = read_result(course.results(chapter) / student / f"{note['attempt']}.json")
    if result is None or result.ungraded or result.digest != note["digest"]:
        advice = f"run `python -m autograder grade {assignment} --student {student}`"
        raise RuntimeError(f"{student}'s attempt {note['attempt']} has no valid result; {advice}")
    return result


def outputs_of(part: Part) -> list[NotebookNode]:
    """Outputs from which nbgrader reads just this verdict: an error gives 0, a number that many points."""
    outputs = []
    if part.output:
        outputs.append(v4.new_output("stream", name="stdout", text=part.output))
    if part.verdict == PASS and part.points == part.max_points:
        return outputs
    if part.verdict == PASS:
        data = {"text/plain": repr(part.points)}
        return [*outputs, v4.new_output("execute_result", data=data, execution_count=1)]
    lines = part.message.splitlines() or [part.verdict]
    error = v4.new_output("error", ename=part.verdict, evalue=lines[0], traceback=lines)
    return [*outputs, error]


class LatePenalty(LateSubmissionPlugin):  # type: ignore[misc]
    """Take off a share of the score for each day begun, after a time of grace, up to a limit."""

    grace_minutes = Float(15.0, help="nothing is taken off within this time").tag(config=True)
    per_day = Float(0.1, help="share of the score for each day begun").tag(config=True)
    at_most = Float(0.5, help="largest share taken off").tag(config=True)

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float | None:
        policy = LatePolicy(self.grace_minutes, self.per_day, self.at_most)
        return policy.penalty(score, total_seconds_late) or None
