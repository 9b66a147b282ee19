"""Feedback for students: a page of their own for each chapter, and their notebook as nbgrader renders it."""

import fnmatch
from collections.abc import Iterator
from html import escape
from pathlib import Path

from nbgrader.apps import NbGraderAPI

from autograder.pipeline.course import Course
from autograder.pipeline.feedback_html import page
from autograder.pipeline.gradebook import Row, gradebook_rows
from autograder.pipeline.messages import exercise_of, is_hidden, shown_message
from autograder.pipeline.nbgrader_tools import NbgraderError, nbgrader_api, succeed
from autograder.pipeline.replay import chosen_result
from autograder.pipeline.result import FAIL, MISSING, PASS, Part, Result, write_atomically
from rlcourse.chapters import Chapter

VERDICTS = {PASS: "passed", FAIL: "not yet", MISSING: "not handed in"}


def feedback(course: Course, chapter: Chapter, student: str = "*") -> list[Path]:
    """Write feedback for the students in the gradebook whose identifier matches; return the pages.

    Raises:
        NbgraderError: naming whose work has no valid result or cannot be rendered, once all others have their page.
    """
    api = nbgrader_api(course)
    pages, failed = [], []
    for row in gradebook_rows(course, chapter.assignment):
        if not fnmatch.fnmatchcase(row.student, student):
            continue
        try:
            pages.append(_write(course, chapter, row, api))
        except Exception as error:  # one student's work must not cost the others their feedback
            failed.append(f"{row.student}: {error}")
    if failed:
        raise NbgraderError(f"{len(pages)} pages written, but none for\n" + "\n".join(failed))
    return pages


def _write(course: Course, chapter: Chapter, row: Row, api: NbGraderAPI) -> Path:
    result = chosen_result(course, row.student, chapter.assignment)
    answer = api.generate_feedback(chapter.assignment, row.student, force=True)
    succeed(f"nbgrader generate_feedback of {row.student}", answer)
    path = course.feedback(row.student, chapter) / "index.html"
    attempts = len(list((course.results(chapter) / row.student).glob("[!.]*.json"))) - 1
    write_atomically(path, student_page(chapter, row, result, attempts).encode())
    return path


def student_page(chapter: Chapter, row: Row, result: Result, attempts: int) -> str:
    """One student's page: what passed, what did not, which mistake it looks like, what to read."""
    body = [
        f"<h1>{chapter.name}: {escape(chapter.title)}</h1>",
        f"<p>{escape(row.student)}: <strong>{row.score:g} of {row.max_score:g} points</strong>.</p>",
        *_about_attempt(row, result, attempts),
        "<table><thead><tr><th>Exercise</th><th>Tests</th>",
        '<th class="number">Points</th><th>Result</th></tr></thead><tbody>',
        *(_line(part, row) for part in result.parts),
        "</tbody></table>",
        *_by_hand(result, row),
        f'<p>Your notebook as it was graded: <a href="{chapter.module}.html">{chapter.module}.html</a>.</p>',
    ]
    return page(f"Feedback: {chapter.title}", "\n".join(body))


def _about_attempt(row: Row, result: Result, attempts: int) -> Iterator[str]:
    which = f", one of {attempts} attempts; it is the one that counts" if attempts > 1 else ""
    yield f"<p>Handed in on {escape(result.timestamp)} UTC{which}.</p>"
    if row.penalty:
        yield f"<p>{row.raw:g} points, less {row.penalty:g} for being late.</p>"
    if result.flags:
        items = "".join(f"<li>{escape(flag)}</li>" for flag in result.flags)
        yield f"<p>Noticed when your work was unpacked:</p><ul>{items}</ul>"


def _line(part: Part, row: Row) -> str:
    exercise = exercise_of(part.grade_id)
    name = f"{exercise.number} {exercise.title}" if exercise else part.grade_id
    kind = "hidden" if is_hidden(part.grade_id) else "visible"
    score, most = row.parts.get(part.grade_id, (part.points, part.max_points))
    verdict = VERDICTS.get(part.verdict, part.verdict)
    colour = "pass" if part.verdict == PASS else "fail"
    line = (
        f"<tr><td>{escape(name)}</td><td>{kind}</td>"
        f'<td class="number">{score:g} / {most:g}</td>'
        f'<td class="{colour}">{escape(verdict)}</td></tr>'
    )
    message = shown_message(part.grade_id, part.verdict, part.message)
    told = f'<tr><td colspan="4"><pre>{escape(message)}</pre></td></tr>' if message else ""
    return line + told


def _by_hand(result: Result, row: Row) -> Iterator[str]:
    """Parts that a person grades, and what they wrote."""
    machine = {part.grade_id for part in result.parts}
    for grade_id, (score, most) in row.parts.items():
        if grade_id not in machine:
            yield f"<p>{escape(grade_id)}: {score:g} of {most:g} points.</p>"
    for comment in row.comments:
        yield f"<blockquote>{escape(comment)}</blockquote>"
