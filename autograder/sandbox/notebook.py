"""The cells of a notebook, sorted by who wrote them and where they run."""

import ast
import json
from dataclasses import dataclass
from typing import Any

from autograder.sandbox.errors import GraderError

OWN, SETUP, TEST = "own", "setup", "test"


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell."""

    index: int
    """Position among all cells of the notebook."""
    role: str
    """``own``: the student's, runs in the sandbox. ``setup``: locked but not graded, runs on both
    sides. ``test``: locked and graded, runs on the trusted side."""
    source: str
    grade_id: str = ""
    points: float = 0.0


def read_cells(notebook: str) -> tuple[Cell, ...]:
    """Read the code cells of a normalized notebook.

    Raises:
        GraderError: if the text is no notebook: it was made by the normalizer, not by the student.
    """
    try:
        cells = json.loads(notebook)["cells"]
        return tuple(_cell(i, cell) for i, cell in enumerate(cells) if cell["cell_type"] == "code")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GraderError(f"the normalized notebook cannot be read: {error!r}") from None


def _cell(index: int, cell: dict[str, Any]) -> Cell:
    source = cell["source"]
    text = source if isinstance(source, str) else "".join(source)
    marks = cell.get("metadata", {}).get("nbgrader", {})
    if marks.get("grade") and not marks.get("solution"):
        return Cell(index, TEST, text, str(marks["grade_id"]), float(marks["points"]))
    return Cell(index, SETUP if marks.get("locked") else OWN, text)


def run_source(source: str, names: dict[str, Any], title: str) -> Any:
    """Run a trusted cell; return the value of its last line, if that is an expression."""
    tree = ast.parse(source, title)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body[-1].value)
        del tree.body[-1]
    exec(compile(tree, title, "exec"), names)
    return None if last is None else eval(compile(last, title, "eval"), names)


def names_bound(source: str) -> set[str]:
    """Return the names that a cell imports, assigns or defines."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
    return found
