"""Grading code that cannot be trusted: the student's code never shares a process with its judge.

The student's module and notebook cells run in a sandboxed child process; the locked test cells run unchanged in a
trusted process, where ``rlcourse.<module>`` is a proxy. Arguments go out; results come back as data (JSON and raw
bytes). Nothing that the child sends is unpickled or evaluated.

For whoever drives it (engine, nbgrader, tests)::

    from autograder.sandbox import Grader, Limits, GraderError

    with Grader(limits=Limits()) as grader:            # starts the two warm parents once (about 3 s)
        result = grader.grade(notebook, files, "ch02")  # thread-safe: call it from as many threads as there are jobs
        result.to_json()                                # stable text: same submission, same bytes

``notebook``: text of the normalized ``.ipynb`` (released skeleton, the student's own cells, test cells *with* the
hidden tests). ``files``: ``{"policy_gradient.py": b"..."}``, paths relative to the submission, no notebook needed.
``grade`` returns a `SubmissionResult`; it raises `GraderError` when the grader itself is at fault, and then nothing may
be recorded as a mark. `grade_submission(notebook, files, "ch02")` is the same with a grader kept for the process
(what a dask worker calls). `SplitExecute` is the nbgrader preprocessor built on it. Every process is gone when the
grader is closed, or when the process that holds it dies.

``grade(..., graded_cells=...)`` is not needed: graded cells are those nbgrader marks with ``grade``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.sandbox.assignment import GradedModule
    from autograder.sandbox.errors import GraderError
    from autograder.sandbox.execute import SplitExecute
    from autograder.sandbox.grader import Grader, grade_submission
    from autograder.sandbox.limits import Limits
    from autograder.sandbox.results import PartResult, SubmissionResult, Verdict

__all__ = [
    "GradedModule",
    "Grader",
    "GraderError",
    "Limits",
    "PartResult",
    "SplitExecute",
    "SubmissionResult",
    "Verdict",
    "grade_submission",
]

_HOMES = {
    "GradedModule": "assignment",
    "GraderError": "errors",
    "Grader": "grader",
    "grade_submission": "grader",
    "Limits": "limits",
    "PartResult": "results",
    "SubmissionResult": "results",
    "Verdict": "results",
    "SplitExecute": "execute",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its own file, so that the untrusted side loads none of the others."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
