"""The sample class: five submissions of chapter 2 with known scores, graded for real; part of ``make course``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder.pipeline import specimens
from autograder.pipeline.course import Course
from autograder.pipeline.export import export
from autograder.pipeline.feedback import feedback
from autograder.pipeline.grade import Options, grade
from autograder.pipeline.gradebook import Row, gradebook_rows
from autograder.pipeline.nbgrader_tools import open_gradebook
from autograder.pipeline.release import release
from rlcourse.chapters import Chapter

WRONG = "2.4"
"""The exercise that one student of the sample class gets wrong."""


class SampleClassWrong(RuntimeError):
    """The sample class did not get the scores that it must get."""


@dataclass(frozen=True, slots=True)
class Member:
    """A student of the sample class."""

    student: str
    about: str
    lost: str
    """Number of the exercise that is wrong, ``none`` or ``all``."""


CLASS = (
    Member("sample-complete", "everything done", "none"),
    Member("sample-missing", "the module is missing", "all"),
    Member("sample-stub", "nothing done", "all"),
    Member("sample-syntax", "a syntax error", "all"),
    Member("sample-wrong", f"exercise {WRONG} wrong", WRONG),
)


def run_sample_class(
    course: Course, chapter: Chapter, jobs: int = 2, report: Callable[[str], None] = print
) -> None:
    """Release, submit, grade, give feedback, export; print the gradebook.

    Raises:
        SampleClassWrong: if a score is not the one expected.
    """
    forget_sample(course, chapter)
    released = release(course, chapter)
    report(f"released {chapter.assignment}: {_shown(released.archive, course)}")
    hand_in_sample(course, chapter)
    summary = grade(course, chapter, Options(jobs=jobs, student="sample-*"), report)
    if summary.ungraded:
        raise SampleClassWrong(f"ungraded: {summary.ungraded}")
    rows = {row.student: row for row in gradebook_rows(course, chapter.assignment)}
    check_scores(rows)
    pages = feedback(course, chapter, "sample-*")
    table = export(course, chapter, "csv")
    report("\n" + gradebook_table(rows))
    report(f"\nfeedback: {len(pages)} pages, such as {_shown(pages[0], course)}")
    report(f"grades: {_shown(table, course)}")


def forget_sample(course: Course, chapter: Chapter) -> None:
    """Take the sample class out of the gradebook, so that it never stands in the way of a new release."""
    with open_gradebook(course) as gradebook:
        present = {row.student for row in gradebook_rows(course, chapter.assignment)}
        for member in CLASS:
            if member.student in present:
                gradebook.remove_submission(chapter.assignment, member.student)


def hand_in_sample(course: Course, chapter: Chapter) -> None:
    """Put the five submissions where nbgrader collects."""
    whole = specimens.reference(course, chapter)
    spec, mistake = next(pair for pair in specimens.mistakes(chapter) if pair[0].number == WRONG)
    modules = {
        "sample-complete": whole,
        "sample-missing": None,
        "sample-stub": specimens.stub(course, chapter),
        "sample-syntax": whole.replace("return ", "return (", 1),
        "sample-wrong": specimens.with_mistake(course, chapter, spec, mistake),
    }
    for student, module in modules.items():
        specimens.put(course, chapter, student, module)


def check_scores(rows: dict[str, Row]) -> None:
    """Hold the gradebook against what must be in it.

    Raises:
        SampleClassWrong: naming every student whose score is off.
    """
    wrong = []
    for member in CLASS:
        row = rows.get(member.student)
        expected = _expected(row, member.lost) if row else 0.0
        if row is None or abs(row.score - expected) > 1e-9 or row.max_score <= 0.0:
            got = f"{row.score:g} of {row.max_score:g}" if row else "no entry"
            wrong.append(f"{member.student} ({member.about}): expected {expected:g}, got {got}")
    if wrong:
        raise SampleClassWrong("the sample class has wrong scores:\n" + "\n".join(wrong))


def _expected(row: Row, lost: str) -> float:
    if lost == "all":
        return 0.0
    own = f"ex-{lost.replace('.', '-')}-"
    return sum(most for name, (_, most) in row.parts.items() if not name.startswith(own))


def gradebook_table(rows: dict[str, Row]) -> str:
    """The gradebook as a table for the terminal: one line a student, one column an exercise."""
    about = {member.student: member.about for member in CLASS}
    parts = sorted({name for row in rows.values() for name in row.parts})
    exercises = list(dict.fromkeys(_exercise(name) for name in parts))
    lines = [["student", *exercises, "score", "of", ""]]
    for row in rows.values():
        cells = []
        for exercise in exercises:
            own = [row.parts[name][0] for name in parts if _exercise(name) == exercise]
            cells.append(f"{sum(own):g}")
        total = [f"{row.score:g}", f"{row.max_score:g}", about.get(row.student, "")]
        lines.append([row.student, *cells, *total])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(_aligned(line, widths)).rstrip() for line in lines)


def _aligned(line: list[str], widths: list[int]) -> list[str]:
    first, last = 0, len(line) - 1
    return [
        cell.ljust(width) if i in (first, last) else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]


def _exercise(grade_id: str) -> str:
    words = grade_id.split("-")
    return f"{words[1]}.{words[2]}" if len(words) > 2 else grade_id


def _shown(path: Path, course: Course) -> str:
    """A path as seen from the clone."""
    return (
        str(path.relative_to(course.repository))
        if path.is_relative_to(course.repository)
        else str(path)
    )
