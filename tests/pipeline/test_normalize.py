"""A submission gets back the shape that was released, whatever was done to it."""

import copy
import difflib
import json
import random
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat import v4 as v4

from autograder.pipeline import normalize as normalizing
from autograder.pipeline.course import Course
from autograder.pipeline.normalize import Normalized, normalize
from rlcourse.chapters import Chapter

MODULE, NOTEBOOK = "policy_gradient.py", "policy_gradient.ipynb"


def marked(cell: NotebookNode, grade_id: str, **marks: bool) -> NotebookNode:
    flags = {"grade": False, "locked": False, "solution": False, "task": False} | marks
    cell.metadata["nbgrader"] = {"grade_id": grade_id, "schema_version": 3, **flags}
    if flags["grade"]:
        cell.metadata["nbgrader"]["points"] = 2
    return cell


@pytest.fixture
def skeleton() -> NotebookNode:
    """Setup, an answer in words, two tests."""
    words = "Explain in your own words why the baseline does not change the gradient."
    cells = [
        marked(v4.new_code_cell("import rlcourse", id="c0"), "setup", locked=True),
        marked(v4.new_markdown_cell(words, id="c1"), "words", grade=True, solution=True),
        marked(
            v4.new_code_cell('check("2.1")', id="c2"), "ex-2-1-visible", grade=True, locked=True
        ),
        marked(
            v4.new_code_cell('check("2.2")', id="c3"), "ex-2-2-visible", grade=True, locked=True
        ),
    ]
    return v4.new_notebook(cells=cells)


Edit = Callable[[list[dict[str, Any]]], Any]


def submitted(skeleton: NotebookNode, edit: Edit, chapter: Chapter) -> Normalized:
    notebook = json.loads(nbformat.writes(skeleton))
    edit(notebook["cells"])
    files = {MODULE: b"x = 1", NOTEBOOK: json.dumps(notebook).encode()}
    return normalize(files, skeleton, chapter)


def shape(normal: Normalized) -> list[str]:
    return [
        cell.metadata.get("nbgrader", {}).get("grade_id", "own") for cell in normal.notebook.cells
    ]


RELEASED = ["setup", "words", "ex-2-1-visible", "ex-2-2-visible"]


def answer(cells: list[dict[str, Any]]) -> None:
    cells[1]["source"] = "Because its expectation is zero."


def edit_test(cells: list[dict[str, Any]]) -> None:
    cells[2]["source"] = "pass"


def delete_test(cells: list[dict[str, Any]]) -> None:
    del cells[3]


def duplicate_test(cells: list[dict[str, Any]]) -> None:
    cells.append({**copy.deepcopy(cells[2]), "id": "z", "source": "pass"})


def rename_test(cells: list[dict[str, Any]]) -> None:
    cells[2]["metadata"]["nbgrader"]["grade_id"] = "mine"


def strip_marks(cells: list[dict[str, Any]]) -> None:
    for cell in cells:
        cell["metadata"] = {}
        cell["id"] = f"new-{cell['id']}"


def worth_more(cells: list[dict[str, Any]]) -> None:
    cells[2]["metadata"]["nbgrader"] |= {"points": 100, "locked": False, "solution": True}
    cells[2]["source"] = "pass"


def add_cells(cells: list[dict[str, Any]]) -> None:
    cells.insert(
        2, {"cell_type": "code", "metadata": {}, "source": ["print(", "1)"], "outputs": []}
    )
    cells.insert(0, {"cell_type": "markdown", "metadata": {}, "source": "# mine"})


def reverse(cells: list[dict[str, Any]]) -> None:
    cells.reverse()


def nonsense(cells: list[dict[str, Any]]) -> None:
    cells += [
        1,
        None,
        "cell",
        {},
        {"cell_type": "raw"},
        {"cell_type": 7, "source": 7, "metadata": 7},
    ]  # type: ignore[list-item]


EDITS = {
    "edited": (edit_test, "locked cell edited, restored: ex-2-1-visible"),
    "deleted": (delete_test, "missing cell put back: ex-2-2-visible"),
    "duplicated": (duplicate_test, "duplicate cell left out: ex-2-1-visible"),
    "renamed": (rename_test, "ex-2-1-visible"),
    "worth more": (worth_more, "locked cell edited, restored: ex-2-1-visible"),
}


@pytest.mark.parametrize("name", EDITS)
def test_tests_are_restored(name: str, skeleton: NotebookNode, chapter: Chapter) -> None:
    edit, flag = EDITS[name]
    normal = submitted(skeleton, edit, chapter)
    assert [grade_id for grade_id in shape(normal) if grade_id != "own"] == RELEASED
    graded = [cell for cell in normal.notebook.cells if cell.metadata.get("nbgrader")]
    assert [cell.source for cell in graded[2:]] == ['check("2.1")', 'check("2.2")']
    assert [cell.metadata.nbgrader.get("points") for cell in graded[2:]] == [2, 2]
    assert any(flag in text for text in normal.flags), normal.flags


def test_answers_are_kept(skeleton: NotebookNode, chapter: Chapter) -> None:
    normal = submitted(skeleton, answer, chapter)
    assert normal.notebook.cells[1].source == "Because its expectation is zero."
    assert normal.flags == () and normal.module == b"x = 1"


def test_stripped_cells_are_known_by_their_text(skeleton: NotebookNode, chapter: Chapter) -> None:
    normal = submitted(skeleton, strip_marks, chapter)
    assert shape(normal) == RELEASED
    assert sum("known by its text" in flag for flag in normal.flags) == 4


def test_own_cells_stay_in_place_without_an_id(skeleton: NotebookNode, chapter: Chapter) -> None:
    normal = submitted(skeleton, add_cells, chapter)
    assert shape(normal) == ["own", "setup", "words", "own", *RELEASED[2:]]
    assert normal.notebook.cells[3].source == "print(1)"
    nbformat.validate(normal.notebook)


@pytest.mark.parametrize("edit", [reverse, nonsense])
def test_order_and_nonsense_do_no_harm(
    edit: Edit, skeleton: NotebookNode, chapter: Chapter
) -> None:
    normal = submitted(skeleton, edit, chapter)
    assert [grade_id for grade_id in shape(normal) if grade_id != "own"] == RELEASED
    nbformat.validate(normal.notebook)


BROKEN = [b"", b"{", b"[]", b'{"cells": 7}', b"\xff\xfe", b'{"nbformat": 3}', b"[" * 100_000]


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_broken_notebooks_lose_only_their_cells(
    data: bytes, skeleton: NotebookNode, chapter: Chapter
) -> None:
    normal = normalize({MODULE: b"x", NOTEBOOK: data}, skeleton, chapter)
    assert shape(normal) == RELEASED and normal.module == b"x"
    assert any("cells are lost" in flag for flag in normal.flags)


def test_a_missing_module_stays_missing(skeleton: NotebookNode, chapter: Chapter) -> None:
    normal = normalize({NOTEBOOK: nbformat.writes(skeleton).encode()}, skeleton, chapter)
    assert normal.module is None
    assert "the module policy_gradient.py is missing" in normal.flags


@pytest.mark.parametrize(
    "name", ["policy_gradient-2.py", "policy_gradient (1).py", "work/policy_gradient.py"]
)
def test_renamed_copies_of_the_module_are_found(
    name: str, skeleton: NotebookNode, chapter: Chapter
) -> None:
    normal = normalize({name: b"x"}, skeleton, chapter)
    assert normal.module == b"x" and f"{MODULE} taken from {name}" in normal.flags


def test_two_copies_are_no_choice_for_a_machine(skeleton: NotebookNode, chapter: Chapter) -> None:
    normal = normalize(
        {"a/policy_gradient.py": b"1", "b/policy_gradient.py": b"2"}, skeleton, chapter
    )
    assert normal.module is None
    assert any("ambiguous" in flag for flag in normal.flags)


def test_foreign_files_are_left_out(skeleton: NotebookNode, chapter: Chapter) -> None:
    files = {MODULE: b"x", "torch.py": b"evil", "rlcourse/__init__.py": b"evil"}
    flags = normalize(files, skeleton, chapter).flags
    assert "not part of the assignment, left out: torch.py" in flags


def test_thousands_of_cells_take_no_time(skeleton: NotebookNode, chapter: Chapter) -> None:
    def flood(cells: list[dict[str, Any]]) -> None:
        cells += [
            {"cell_type": "code", "metadata": {}, "source": f"x = {n}" * 50} for n in range(5000)
        ]

    normal = submitted(skeleton, flood, chapter)
    assert len(normal.notebook.cells) < 250
    assert any("5004 cells" in flag for flag in normal.flags)


def test_own_cells_are_bounded_together(skeleton: NotebookNode, chapter: Chapter) -> None:
    def flood(cells: list[dict[str, Any]]) -> None:
        cells += [{"cell_type": "code", "metadata": {}, "source": "(" * 49_000}] * 100

    normal = submitted(skeleton, flood, chapter)
    assert 250_000 < sum(len(cell.source) for cell in normal.notebook.cells) < 350_000


def test_cells_made_to_be_compared_for_ever_take_no_time(
    skeleton: NotebookNode, chapter: Chapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts of the same letters as a released one, in another order: the slowest to compare."""
    texts = (cell.source for cell in skeleton.cells if cell.cell_type == "markdown")
    longest, chance = max(texts, key=len), random.Random(0)
    monkeypatch.setattr(normalizing, "EFFORT", 20 * len(longest) ** 2)

    def flood(cells: list[dict[str, Any]]) -> None:
        for _ in range(400):
            text = "".join(chance.sample(longest, len(longest)))
            cells.insert(0, {"cell_type": "markdown", "metadata": {}, "source": text})

    compared: list[int] = []

    class Counted(difflib.SequenceMatcher[str]):
        def ratio(self) -> float:
            compared.append(1)
            return super().ratio()

    monkeypatch.setattr(normalizing.difflib, "SequenceMatcher", Counted)
    normal = submitted(skeleton, flood, chapter)
    assert 0 < len(compared) < 60
    assert not any("put back" in flag for flag in normal.flags), "released cells are still found"


def test_the_released_notebook_is_left_as_it_is(course: Course, chapter: Chapter) -> None:
    released = (course.release(chapter) / NOTEBOOK).read_bytes()
    skeleton = nbformat.reads(released.decode(), as_version=4)
    normal = normalize({MODULE: b"x", NOTEBOOK: released}, skeleton, chapter)
    assert normal.flags == () and normal.notebook == skeleton
