"""Rebuild a submission on the released skeleton, so that what is graded has the shape that was released.

Cells are matched by grade id, then by cell id, then by likeness. Only cells that a student may answer take the
student's text; locked cells and tests are restored, deleted ones put back, duplicates and renamed ones mended, cells
of the student's own kept for a reader, without an id. Of the files, notebook and module stay; everything else is
dropped. A module that was not handed in stays missing.
"""

import difflib
import json
from dataclasses import dataclass
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.pipeline.downloads import own_name
from rlcourse.chapters import Chapter

ALIKE = 0.6
MOST_CELLS = 500
OWN_CELLS = 200
OWN_TEXT = 50_000
OWN_ALL = 300_000
"""Characters kept of a student's own cells together: to show them in colours takes a second for each 50,000."""
EFFORT = 300_000_000
"""Pairs of characters compared in one notebook: texts can be made to be compared for hours."""


@dataclass(frozen=True, slots=True)
class Normalized:
    """A submission in its released shape."""

    notebook: NotebookNode
    module: bytes | None
    """The module as handed in; None if it was not."""
    flags: tuple[str, ...]
    """What was mended or dropped, for the instructor."""


def normalize(files: dict[str, bytes], skeleton: NotebookNode, chapter: Chapter) -> Normalized:
    """Rebuild one submission.

    Args:
        files: its files by name, as they were handed in.
        skeleton: the released notebook.
        chapter: whose notebook and module they are.
    """
    flags: list[str] = []
    module = _pick(files, f"{chapter.module}.py", flags)
    notebook = _pick(files, f"{chapter.module}.ipynb", flags)
    for name in sorted(set(files) - {module, notebook, "submission.json", "timestamp.txt"}):
        flags.append(f"not part of the assignment, left out: {name}")
    cells = _read_cells(files[notebook], flags) if notebook else []
    if notebook is None:
        flags.append("the notebook is missing; graded on the released one")
    if module is None:
        flags.append(f"the module {chapter.module}.py is missing")
    rebuilt = graft(skeleton, cells, flags)
    return Normalized(rebuilt, files[module] if module else None, tuple(flags))


def _pick(files: dict[str, bytes], wanted: str, flags: list[str]) -> str | None:
    """The file meant by a released name: exactly that, or the only copy of it, whatever folder it is in."""
    if wanted in files:
        return wanted
    exact = [name for name in files if name.split("/")[-1] == wanted]
    copies = exact or [name for name in files if own_name(name.split("/")[-1]) == wanted]
    shallow = [name for name in copies if name.count("/") == min(n.count("/") for n in copies)]
    if len(shallow) == 1:
        flags.append(f"{wanted} taken from {shallow[0]}")
        return shallow[0]
    if shallow:
        flags.append(f"{wanted} is ambiguous: {', '.join(sorted(shallow))}")
    return None


def _read_cells(data: bytes, flags: list[str]) -> list[dict[str, Any]]:
    """The cells of a student's notebook as far as they can be read."""
    try:
        cells = json.loads(data.decode("utf-8", "replace"))["cells"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        flags.append(f"the notebook cannot be read ({type(error).__name__}); its cells are lost")
        return []
    if not isinstance(cells, list):
        flags.append("the notebook has no list of cells; its cells are lost")
        return []
    if len(cells) > MOST_CELLS:
        flags.append(f"the notebook has {len(cells)} cells; those after {MOST_CELLS} are left out")
    return [cell for cell in cells[:MOST_CELLS] if isinstance(cell, dict)]


def graft(skeleton: NotebookNode, cells: list[dict[str, Any]], flags: list[str]) -> NotebookNode:
    """The skeleton with the student's answers in it and the student's own cells between."""
    notebook: NotebookNode = nbformat.from_dict(json.loads(json.dumps(skeleton)))
    placed: dict[int, list[dict[str, Any]]] = {}
    taken: set[int] = set()
    likeness = _Likeness()
    last = -1
    for cell in cells:
        place = _place_of(cell, notebook.cells, taken, likeness, flags)
        if place is None:
            placed.setdefault(last, []).append(cell)
        elif place in taken:
            flags.append(f"duplicate cell left out: {_label(notebook.cells[place])}")
        else:
            taken.add(place)
            last = place
            _answer(notebook.cells[place], cell, flags)
    for index, cell in enumerate(notebook.cells):
        if index not in taken:
            flags.append(f"missing cell put back: {_label(cell)}")
    own = {index: _own_cells(group) for index, group in placed.items()}
    rebuilt = list(own.get(-1, []))
    for index, cell in enumerate(notebook.cells):
        rebuilt += [cell, *own.get(index, [])]
    room = OWN_ALL
    for number, cell in enumerate(rebuilt):
        if "student-cell" in cell.metadata.get("tags", []):
            cell.source, room = cell.source[:room], max(0, room - len(cell.source))
            cell.id = f"student-cell-{number}"  # the same for the same submission
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.cells = rebuilt
    return notebook


class _Likeness:
    """Compares cells for as long as its patience lasts."""

    def __init__(self) -> None:
        self._left = EFFORT

    def of(self, cell: dict[str, Any], other: NotebookNode) -> float:
        """How alike two cells are, from 0 to 1; cells of different kinds are not."""
        mine, text = _source(cell)[:4000], str(other.source)[:4000]
        if cell.get("cell_type") != other.cell_type:
            return 0.0
        if mine == text:
            return 1.0
        matcher = difflib.SequenceMatcher(None, mine, text, autojunk=False)
        if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
            return 0.0
        self._left -= len(mine) * len(text)
        return matcher.ratio() if self._left >= 0 else 0.0


def _place_of(
    cell: dict[str, Any],
    released: list[NotebookNode],
    taken: set[int],
    likeness: _Likeness,
    flags: list[str],
) -> int | None:
    """The released cell that this one is: by grade id, cell id, or likeness of the text."""
    grade_id, cell_id = _grade_id(cell), cell.get("id")
    for index, other in enumerate(released):
        if grade_id and _grade_id(other) == grade_id:
            return index
    for index, other in enumerate(released):
        if not grade_id and cell_id and other.get("id") == cell_id:
            return index
    if not _source(cell).strip():
        return None
    found = [
        (likeness.of(cell, other), index)
        for index, other in enumerate(released)
        if index not in taken
    ]
    best, place = max(found, default=(0.0, -1))
    if best < ALIKE:
        return None
    flags.append(f"cell known by its text: {_label(released[place])}")
    return place


def _answer(place: NotebookNode, cell: dict[str, Any], flags: list[str]) -> None:
    """Take the student's text where it is asked for; note where a locked cell was edited."""
    mark = place.metadata.get("nbgrader", {})
    text = _source(cell)
    if mark.get("solution") and not mark.get("locked"):
        if cell.get("cell_type") == place.cell_type:
            place.source = text[:OWN_TEXT]
    elif text != place.source and (mark.get("locked") or mark.get("grade")):
        flags.append(f"locked cell edited, restored: {_label(place)}")


def _own_cells(cells: list[dict[str, Any]]) -> list[NotebookNode]:
    """The student's own cells, for a reader: text only, nothing that nbgrader reads."""
    made = []
    for cell in cells[:OWN_CELLS]:
        text = _source(cell)[:OWN_TEXT]
        if cell.get("cell_type") == "code":
            made.append(nbformat.v4.new_code_cell(text))
        elif cell.get("cell_type") == "markdown":
            made.append(nbformat.v4.new_markdown_cell(text))
    for cell in made:
        cell.metadata["tags"] = ["student-cell"]
    return made


def _grade_id(cell: Any) -> str | None:
    metadata = cell.get("metadata")
    mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    found = mark.get("grade_id") if isinstance(mark, dict) else None
    return found if isinstance(found, str) else None


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source.encode("utf-8", "replace").decode() if isinstance(source, str) else ""


def _label(cell: NotebookNode) -> str:
    return _grade_id(cell) or str(cell.get("id", "?"))
