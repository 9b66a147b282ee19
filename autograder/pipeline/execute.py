"""Run the tests of a notebook against a submission: in the sandbox, where student's code and tests are apart."""

import atexit
from functools import lru_cache
from threading import Lock

from autograder.pipeline.result import Part
from autograder.pipeline.work import Work
from autograder.sandbox import Grader, Limits

_starting = Lock()


def execute(work: Work) -> list[Part]:
    """A verdict for each graded cell of the notebook.

    Raises:
        GraderError: if the sandbox itself failed, so that nothing is known about the submission.
    """
    files = {f"{work.module_name}.py": work.module or b""}
    with _starting:
        grader = _grader(work.seconds, work.memory_mb)
    result = grader.grade(work.notebook, files, work.assignment)
    return [
        Part(
            grade_id=part.part,
            verdict=str(part.verdict.value),
            points=part.points,
            max_points=part.max_points,
            message=part.message,
            output=part.output,
        )
        for part in result.parts
    ]


@lru_cache(maxsize=1)
def _grader(seconds: float, memory_mb: int) -> Grader:
    """The sandbox's warm parents, started once and shared by all threads of this process."""
    limits = Limits(cpu_seconds=seconds, wall_seconds=10.0 * seconds, memory_mb=memory_mb)
    grader = Grader(limits=limits)
    atexit.register(grader.close)
    return grader
