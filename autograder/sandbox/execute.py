"""``SplitExecute``: an nbgrader preprocessor in place of ``Execute``.

In ``nbgrader_config.py``: put ``"autograder.sandbox.execute.SplitExecute"`` first in
``c.Autograde.autograde_preprocessors``, where ``Execute`` was.
"""

import os
import stat
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, v4, writes
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Float, Int, Unicode

from autograder.sandbox.grader import grade_submission
from autograder.sandbox.limits import Limits
from autograder.sandbox.results import PartResult, Verdict

MAX_FILES_MB = 64


class SplitExecute(NbGraderPreprocessor):  # type: ignore[misc]
    """Run a submission in the sandbox and its test cells apart from it."""

    tier = Unicode("", help="isolation tier; empty: the best one that works here").tag(config=True)
    cpu_seconds = Float(10.0, help="CPU time of one part").tag(config=True)
    wall_seconds = Float(90.0, help="clock time of one part").tag(config=True)
    memory_mb = Int(4096, help="memory of one process of a submission").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Give every code cell its outputs.

        Raises:
            GraderError: if the grader is at fault; nbgrader then records no score.
        """
        folder = Path(resources["metadata"]["path"])
        limits = Limits(self.cpu_seconds, self.wall_seconds, self.memory_mb)
        assignment = resources["nbgrader"]["assignment"]
        files = read_files(folder)
        result = grade_submission(
            writes(nb), files, assignment, limits=limits, tier=self.tier or None
        )
        parts = {part.part: part for part in result.parts}
        printed = {cell.index: cell for cell in result.cells}
        for index, cell in enumerate(nb.cells):
            if cell.cell_type != "code":
                continue
            cell.outputs, cell.execution_count = [], None
            if utils.is_grade(cell) and not utils.is_solution(cell):
                cell.outputs = outputs_of(parts[cell.metadata.nbgrader["grade_id"]])
            elif index in printed:
                own = printed[index]
                cell.outputs = [*_stream(own.output), *_error("error", own.message)]
        return nb, resources


def outputs_of(part: PartResult) -> list[NotebookNode]:
    """Return outputs from which nbgrader reads just this verdict; stderr would cost the points."""
    if part.verdict is not Verdict.PASS:
        return [*_stream(part.output), *_error(part.verdict.value, part.message or part.verdict)]
    if part.points == part.max_points:
        return _stream(part.output)
    data = {"text/plain": repr(part.points)}
    number = v4.new_output("execute_result", data=data, execution_count=1)
    return [*_stream(part.output), number]


def _stream(text: str) -> list[NotebookNode]:
    return [v4.new_output("stream", name="stdout", text=text)] if text else []


def _error(name: str, message: str) -> list[NotebookNode]:
    lines = message.splitlines()
    return [v4.new_output("error", ename=name, evalue=lines[0], traceback=lines)] if lines else []


def read_files(folder: Path) -> dict[str, bytes]:
    """Read a submission's regular files but notebooks; links and devices are left out.

    Raises:
        ValueError: if they are too large together.
    """
    found: dict[str, bytes] = {}
    room = MAX_FILES_MB << 20
    for parent, folders, names in os.walk(folder):
        folders[:] = [n for n in folders if not n.startswith(".") and n != "__pycache__"]
        for name in sorted(names):
            path = Path(parent, name)
            if name.endswith(".ipynb") or not stat.S_ISREG(path.lstat().st_mode):
                continue
            room -= path.lstat().st_size
            if room < 0:
                raise ValueError(f"the submission in {folder} is larger than {MAX_FILES_MB} MB")
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found
