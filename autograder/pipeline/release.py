"""Release a chapter: nbgrader's own ``generate_assignment``, then the distribution that students fetch."""

from dataclasses import dataclass
from pathlib import Path

from autograder.pipeline.course import Course
from autograder.pipeline.distribution import build_distribution
from autograder.pipeline.nbgrader_tools import (
    NbgraderError,
    nbgrader_api,
    open_gradebook,
    succeed,
)
from autograder.pipeline.settings import load_settings
from rlcourse.chapters import CHAPTERS, Chapter


@dataclass(frozen=True, slots=True)
class Released:
    """What a release wrote."""

    assignment: Path
    """nbgrader's release folder of the chapter."""
    distribution: Path
    """Everything a student needs, as a folder."""
    archive: Path
    """The same as a zip archive."""


def release(course: Course, chapter: Chapter) -> Released:
    """Release one chapter; those released before stay in the distribution.

    Raises:
        NbgraderError: if the assignment was not generated, or nbgrader refuses it.
    """
    release_assignment(course, chapter)
    released = [other for other in CHAPTERS if course.release(other).is_dir()]
    folder, archive = build_distribution(course, released)
    return Released(course.release(chapter), folder, archive)


def release_assignment(course: Course, chapter: Chapter) -> None:
    """Make ``release/chNN`` and enter the assignment into the gradebook."""
    source = course.source(chapter)
    for name in (f"{chapter.module}.ipynb", f"{chapter.module}.py"):
        if not (source / name).exists():
            advice = "run `python -m autograder generate` first"
            raise NbgraderError(f"{source / name} does not exist; {advice}")
    answer = nbgrader_api(course).generate_assignment(chapter.assignment, force=True)
    if "Cannot add or remove cells" in str(answer):
        raise NbgraderError(
            f"{chapter.assignment} has other cells than the one students have handed in. Release it "
            f"as it was, or start a new gradebook (move {course.root / 'gradebook.db'} away)"
        )
    succeed(f"nbgrader generate_assignment {chapter.assignment}", answer)
    with open_gradebook(course) as gradebook:
        due = load_settings(course.root).due.get(chapter.assignment)
        gradebook.update_or_create_assignment(chapter.assignment, duedate=due)
