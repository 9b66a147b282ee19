"""Run a notebook's tests on a submission, in the sandbox: student's code and tests stay apart."""

from autograder.pipeline.result import Part
from autograder.pipeline.work import Work
from autograder.sandbox import Limits, grade_submission

PATIENCE = 10.0
"""Seconds of the clock for each second of the processor: a busy machine harms no honest work."""


def execute(work: Work) -> list[Part]:
    """A verdict for each graded cell of the notebook.

    The sandbox starts once a process and is shared by its threads.

    Raises:
        GraderError: if the sandbox itself failed, so that nothing is known about the submission.
    """
    files = {} if work.module is None else {f"{work.module_name}.py": work.module}
    limits = Limits(
        cpu_seconds=work.seconds, wall_seconds=PATIENCE * work.seconds, memory_mb=work.memory_mb
    )
    result = grade_submission(work.notebook, files, work.assignment, limits=limits)
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
