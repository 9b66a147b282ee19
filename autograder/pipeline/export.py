"""Export grades: for Canvas, Moodle and Gradescope, and as a plain table. Quoted, and safe to open in a spreadsheet."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from autograder.pipeline.course import Course
from autograder.pipeline.gradebook import Row, gradebook_rows
from autograder.pipeline.messages import exercise_of, is_hidden, shown_message
from autograder.pipeline.replay import chosen_result
from autograder.pipeline.result import PASS, write_atomically
from rlcourse.chapters import Chapter

Table = list[list[str | float]]


def export(course: Course, chapter: Chapter, to: str) -> Path:
    """Write one chapter's grades; return the file, or for Gradescope the folder.

    Args:
        course: whose gradebook.
        chapter: which assignment.
        to: ``canvas``, ``moodle``, ``csv`` or ``gradescope``.

    Raises:
        ValueError: if there is no such format, or nothing is graded yet.
    """
    rows = gradebook_rows(course, chapter.assignment)
    if not rows:
        advice = f"run `python -m autograder grade {chapter.assignment}` first"
        raise ValueError(f"no grades of {chapter.assignment} yet; {advice}")
    if to == "gradescope":
        return _gradescope(course, chapter, rows)
    if to not in TABLES:
        raise ValueError(f"cannot export to {to!r}; there are {', '.join([*TABLES, 'gradescope'])}")
    path = course.exports / f"{chapter.assignment}-{to}.csv"
    write_atomically(path, as_csv(TABLES[to](chapter, rows)).encode())
    return path


def as_csv(table: Table) -> str:
    """The table as CSV; texts quoted, numbers not."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerows([[safe(cell) for cell in line] for line in table])
    return text.getvalue()


def safe(cell: str | float) -> str | float:
    """A text that no spreadsheet takes for a formula. Numbers stay as they are."""
    if not isinstance(cell, str):
        return round(float(cell), 4)
    text = cell.replace("\r", " ").replace("\n", " ").replace("\x00", "")
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@", "\t") else text


def _name(row: Row) -> str:
    return " ".join(part for part in (row.first_name, row.last_name) if part) or row.student


def _points(row: Row) -> str | float:
    """Nothing yet, while a person still has to look at it."""
    return "" if row.waiting else row.score


def canvas_table(chapter: Chapter, rows: list[Row]) -> Table:
    """Canvas's gradebook import: https://community.canvaslms.com (Importing grades)."""
    table: Table = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", chapter.assignment]]
    table.append(["    Points Possible", "", "", "", "", rows[0].max_score])
    table += [[_name(r), r.lms_id, r.student, r.student, "", _points(r)] for r in rows]
    return table


def moodle_table(chapter: Chapter, rows: list[Row]) -> Table:
    """Moodle's offline grading worksheet."""
    table: Table = [["Identifier", "Full name", "Email address", "Grade", "Maximum Grade"]]
    for row in rows:
        identifier = f"Participant {row.lms_id}" if row.lms_id else row.student
        table.append([identifier, _name(row), row.email, _points(row), row.max_score])
    return table


def plain_table(chapter: Chapter, rows: list[Row]) -> Table:
    """Everything: scores, penalties, and each part in a column."""
    parts = sorted({name for row in rows for name in row.parts})
    head = ["assignment", "student", "first_name", "last_name", "email", "timestamp"]
    table: Table = [[*head, "raw_score", "late_penalty", "score", "max_score", *parts]]
    for row in rows:
        who = [row.student, row.first_name, row.last_name, row.email, row.timestamp]
        scores = [row.raw, row.penalty, _points(row), row.max_score]
        each = [row.parts[name][0] if name in row.parts else "" for name in parts]
        table.append([chapter.assignment, *who, *scores, *each])
    return table


TABLES: dict[str, Callable[[Chapter, list[Row]], Table]] = {
    "canvas": canvas_table,
    "moodle": moodle_table,
    "csv": plain_table,
}


def _gradescope(course: Course, chapter: Chapter, rows: list[Row]) -> Path:
    """A ``results.json`` for each student, as a Gradescope autograder writes it."""
    folder = course.exports / f"{chapter.assignment}-gradescope"
    for row in rows:
        result = chosen_result(course, row.student, chapter.assignment)
        tests = []
        for part in result.parts:
            exercise = exercise_of(part.grade_id)
            kind = "hidden" if is_hidden(part.grade_id) else "visible"
            name = f"{exercise.number} {exercise.title} ({kind})" if exercise else part.grade_id
            score, most = row.parts.get(part.grade_id, (part.points, part.max_points))
            tests.append(
                {
                    "name": name,
                    "score": score,
                    "max_score": most,
                    "status": "passed" if part.verdict == PASS else "failed",
                    "output": shown_message(part.grade_id, part.verdict, part.message),
                    "visibility": "visible",
                }
            )
        data = {"score": row.score, "visibility": "visible", "tests": tests}
        text = json.dumps(data, indent=1, ensure_ascii=True) + "\n"
        write_atomically(folder / row.student / "results.json", text.encode())
    return folder
