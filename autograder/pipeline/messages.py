"""What a student may be told about a part: for hidden tests, only words that the course's authors wrote."""

import re

from autograder.pipeline.result import FAIL, PASS
from rlcourse.checks.exercise import Exercise, find_exercise

GRADE_ID = re.compile(r"ex-(?P<chapter>\d+)-(?P<number>\d+)-(?P<kind>visible|hidden)")
PLAIN = {
    "error": "Your code raised an exception.",
    "timeout": "Your code took too long and was stopped.",
    "crash": "The process that ran your code died.",
    "out of memory": "Your code asked for more memory than there is.",
    "missing": "The module was not handed in.",
}


def exercise_of(grade_id: str) -> Exercise | None:
    """The exercise that a graded cell belongs to."""
    match = GRADE_ID.search(grade_id)
    if match is None:
        return None
    try:
        return find_exercise(f"{match['chapter']}.{match['number']}")
    except (ValueError, FileNotFoundError):
        return None


def is_hidden(grade_id: str) -> bool:
    """Whether the cell holds hidden tests."""
    match = GRADE_ID.search(grade_id)
    return match is not None and match["kind"] == "hidden"


def shown_message(grade_id: str, verdict: str, message: str, hidden: bool | None = None) -> str:
    """The message for the student.

    What a hidden test says may hold its inputs, because the student's code can put them into an exception. So of a
    hidden test's message only the mistakes that have a name are kept, in their author's words.
    """
    if verdict == PASS:
        return ""
    if not (is_hidden(grade_id) if hidden is None else hidden):
        return message.strip() or PLAIN.get(verdict, verdict)
    lines = [PLAIN.get(verdict, "A hidden test, on inputs you have not seen, did not pass.")]
    exercise = exercise_of(grade_id)
    if exercise is None:
        return lines[0]
    if verdict == FAIL and "not started yet" in message.split("\n")[0]:
        return f"{exercise.number} {exercise.title}: not started yet."
    for mistake in exercise.mistakes:
        if f"A known mistake gives just this: {mistake.name}." in message:
            lines += [f"A known mistake gives just this: {mistake.name}.", f"  {mistake.message}"]
    lines.append(f"Read “{exercise.section}” on page {exercise.chapter.page}.")
    return "\n".join(lines)
