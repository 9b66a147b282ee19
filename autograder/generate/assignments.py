"""Make a chapter's nbgrader assignment: a notebook of checks beside the module to fill in."""

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.checks.registry import specs
from autograder.checks.spec import ExerciseSpec
from autograder.generate.pages import facts
from autograder.generate.stubs import signature
from rlcourse.chapters import Chapter
from rlcourse.checks.exercise import Exercise

SETUP = """\
import rlcourse

rlcourse.overlay(".")  # the {module}.py beside this notebook is the one that counts

from rlcourse.checks import check
"""

HIDDEN = """\
# Runs when your work is graded: other inputs, the same demands.
### BEGIN HIDDEN TESTS
from autograder.checks import check_hidden

check_hidden("{number}")
### END HIDDEN TESTS
"""

INTRODUCTION = """\
# {title}: exercises

Write your code in `{module}.py`, in this folder. Then run the cell under an exercise: it imports your file afresh,
checks it and says what is wrong. The same in a terminal: `rlcourse check {number}`, and `rlcourse hint {number}.1`
when stuck. Hand in with `rlcourse submit {assignment}`.
"""


def notebook(chapter: Chapter, source: str) -> str:
    """The instructor's version of the assignment, with its hidden cells, as JSON.

    Args:
        chapter: which one.
        source: text of the solution module, for the signatures.
    """
    cells = [
        _cell("markdown", f"{chapter.assignment}-introduction", _introduction(chapter)),
        _cell("code", f"{chapter.assignment}-setup", SETUP.format(module=chapter.module)),
    ]
    for spec in specs(chapter.module):
        cells += _exercise_cells(spec, source)
    made = new_notebook(cells=cells, metadata=_metadata())
    nbformat.validate(made)
    return str(nbformat.writes(made))


def _introduction(chapter: Chapter) -> str:
    return INTRODUCTION.format(
        title=chapter.title,
        module=chapter.module,
        number=chapter.number,
        assignment=chapter.assignment,
    )


def _exercise_cells(spec: ExerciseSpec, source: str) -> list[NotebookNode]:
    name = f"ex-{spec.number.replace('.', '-')}"
    exercise = points_of(spec)
    defs = "\n".join(signature(source, target) for target in spec.targets)
    statement = (
        f"## Exercise {spec.number} · {spec.title}\n\n*{facts(spec)}*\n\n"
        f"{spec.statement.strip()}\n\n```python\n{defs}\n```"
    )
    hidden = HIDDEN.format(number=spec.number)
    return [
        _cell("markdown", f"{name}-statement", statement),
        _cell("code", f"{name}-visible", f'check("{spec.number}")', exercise.visible_points),
        _cell("code", f"{name}-hidden", hidden, exercise.hidden_points),
    ]


def points_of(spec: ExerciseSpec) -> Exercise:
    """The exercise without checks: enough to know how its points are divided."""
    known = (
        "number",
        "title",
        "targets",
        "points",
        "minutes",
        "difficulty",
        "section",
        "statement",
    )
    return Exercise(
        **{name: getattr(spec, name) for name in known}, hints=spec.hints, mistakes=(), checks=()
    )


def _cell(kind: str, name: str, text: str, points: float | None = None) -> NotebookNode:
    """A locked cell with a fixed identity."""
    nbgrader = {
        "grade": points is not None,
        "grade_id": name,
        "locked": True,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }
    if points is not None:
        nbgrader["points"] = points
    metadata: dict[str, object] = {"nbgrader": nbgrader}
    if points is not None:
        metadata["tags"] = ["raises-exception"]  # *Run All* goes on to the next exercise
    made: NotebookNode = (
        new_code_cell(text.rstrip("\n"), id=name, metadata=metadata)
        if kind == "code"
        else new_markdown_cell(text.rstrip("\n"), id=name, metadata=metadata)
    )
    return made


def _metadata() -> dict[str, dict[str, str]]:
    return {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
