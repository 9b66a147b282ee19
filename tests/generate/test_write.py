"""Generated files are current, an outdated one is named, and a bad source ships nothing."""

import json
from pathlib import Path

import nbformat
import pytest

from autograder.checks.registry import specs
from autograder.generate import write
from autograder.generate.cli import main
from autograder.generate.fingerprints import same_numbers
from autograder.generate.pages import solution_page
from rlcourse.chapters import CHAPTERS, Chapter

ROOT = Path(__file__).resolve().parents[2]


def by_module(chapter: Chapter) -> str:
    return chapter.module


@pytest.fixture(scope="module")
def made() -> dict[Path, str]:
    return write.outputs()


@pytest.mark.slow  # `make check` compares them by `make stale`
def test_every_generated_file_is_current(made: dict[Path, str]) -> None:
    assert write.stale(made) == []


def test_an_edited_a_missing_and_a_leftover_file_are_named(tmp_path: Path) -> None:
    edited, missing, leftover = (tmp_path / name for name in ("a.py", "b.py", "c.py"))
    edited.write_text("by hand")
    leftover.write_text("")
    assert write.stale({edited: "generated", missing: ""}) == [edited, missing, leftover]


def test_nothing_is_written_when_one_file_is_bad(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(source: str, module: str) -> str:
        raise write_error

    write_error = SyntaxError("line 3: no END SOLUTION")
    monkeypatch.setattr(write, "stub", broken)
    monkeypatch.setattr(write.os, "replace", lambda *_: pytest.fail("a file was written"))
    assert main("generate") == 1
    assert "nothing was written" in capsys.readouterr().err


@pytest.mark.parametrize("chapter", CHAPTERS, ids=by_module)
def test_the_assignment_is_a_valid_nbgrader_notebook(chapter: Chapter) -> None:
    path = ROOT / "autograder" / "source" / chapter.assignment / f"{chapter.module}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell.metadata.nbgrader for cell in notebook.cells]
    points = sum(cell.get("points", 0) for cell in cells)
    assert points == pytest.approx(sum(spec.points for spec in specs(chapter.module)))
    names = [cell.grade_id for cell in cells]
    assert len(set(names)) == len(names) and all(cell.locked for cell in cells)
    for cell in notebook.cells:
        if "hidden" in cell.metadata.nbgrader.grade_id:
            body = cell.source.split("### BEGIN HIDDEN TESTS")
            assert "check_hidden" not in body[0] and "check_hidden" in body[1]
            assert cell.source.rstrip().endswith("### END HIDDEN TESTS")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=by_module)
def test_fingerprints_hold_no_code(chapter: Chapter) -> None:
    path = ROOT / "rlcourse" / "checks" / "data" / f"{chapter.module}.json"
    text = path.read_text("utf-8")
    assert len(json.loads(text)["exercises"]) == len(specs(chapter.module))
    assert "lambda" not in text
    hidden = [c.name for s in specs(chapter.module) for c in s.checks if c.hidden]
    shown = [c.name for s in specs(chapter.module) for c in s.checks if not c.hidden]
    for name in set(hidden) - set(shown):
        assert f'"name": "{name}"' not in text


@pytest.mark.parametrize("chapter", CHAPTERS, ids=by_module)
def test_the_solution_page_shows_every_solution(chapter: Chapter) -> None:
    page = solution_page(chapter)
    for spec in specs(chapter.module):
        assert f"## {spec.number} {spec.title}" in page
        for mistake in spec.mistakes:
            assert mistake.message in page
    assert page.count("```python") >= len(specs(chapter.module))


def test_numbers_may_differ_in_their_last_digits_only() -> None:
    assert same_numbers({"a": [1.0, 2]}, {"a": [1.0 + 1e-12, 2]})
    assert not same_numbers({"a": [1.0]}, {"a": [1.0 + 1e-5]})
    assert not same_numbers({"a": 1}, {"a": 1.0})
    assert not same_numbers({"a": 1}, {"b": 1})
    assert not same_numbers([1.0], [1.0, 1.0])
