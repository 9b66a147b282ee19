"""Run the tests with nbgrader's ordinary Execute: everything in one kernel, no isolation.

Only for work that is trusted, such as an author's own. The kernel starts in a folder that holds the submitted module and
the reference modules of earlier chapters, and nothing else of the kind stands behind it.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import nbformat
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbgrader.preprocessors import Execute

from autograder.pipeline.course import REPOSITORY, put_environment_first
from autograder.pipeline.result import CRASH, ERROR, FAIL, PASS, TIMEOUT, Part
from autograder.pipeline.work import Work, graded_cells

FAILURES = {"CheckFailed": FAIL, "AssertionError": FAIL, "CellTimeoutError": TIMEOUT}
_one_at_a_time = Lock()  # a kernel inherits the environment of this process


def execute(work: Work) -> list[Part]:
    """A verdict for each graded cell of the notebook."""
    notebook = nbformat.reads(work.notebook, as_version=4)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    crashed = False
    with tempfile.TemporaryDirectory(prefix="grade-") as folder:
        place = Path(folder)
        (place / f"{work.module_name}.py").write_bytes(work.module or b"")
        for name, data in work.references.items():
            (place / f"{name}.py").write_bytes(data)
        with _environment(OMP_NUM_THREADS="1", PYTHONPATH=str(REPOSITORY), RLCOURSE_OVERLAY=folder):
            runner = Execute(timeout=int(work.seconds))
            try:
                notebook, _ = runner.preprocess(notebook, {"metadata": {"path": folder}})
            except DeadKernelError:
                crashed = True
    return [_verdict(cell, crashed) for cell in graded_cells(notebook)]


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    with _one_at_a_time:
        put_environment_first()
        before = dict(os.environ)
        os.environ.update(values)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _verdict(cell: NotebookNode, crashed: bool) -> Part:
    grade_id, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
    errors = [output for output in cell.outputs if output.output_type == "error"]
    printed = "".join(out.text for out in cell.outputs if out.output_type == "stream")[:20000]
    if errors:
        verdict = FAILURES.get(errors[0].ename, ERROR)
        text = errors[0].evalue if verdict == FAIL else f"{errors[0].ename}: {errors[0].evalue}"
        return Part(grade_id, verdict, 0.0, points, text, printed)
    if cell.execution_count is None:
        text = "the process died here" if crashed else "not run"
        return Part(grade_id, CRASH, 0.0, points, text, printed)
    return Part(grade_id, PASS, points, points, "", printed)
