"""An assignment's notebook as a student gets it, made by nbgrader's own steps."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import (
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)

STEPS = (
    ClearSolutions,
    LockCells,
    ClearOutput,
    ClearHiddenTests,
    ClearMarkScheme,
    ComputeChecksums,
)


def student_notebook(source: Path) -> NotebookNode:
    """Take solutions and hidden tests out of an assignment's source notebook.

    Raises:
        ValueError: if the file is not an nbgrader source notebook.
    """
    notebook: NotebookNode = nbformat.read(source, as_version=4)
    if not any("nbgrader" in cell.metadata for cell in notebook.cells):
        raise ValueError(f"{source} has no nbgrader cells; generate it with: make generate")
    for step in STEPS:
        notebook, _ = step().preprocess(notebook, {})
    return notebook
