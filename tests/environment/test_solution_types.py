"""`make types` also reads the solutions, each where its stub stands."""

import shutil
from pathlib import Path

import pytest

from autograder.solution_types import check_types, overlaid

ROOT = Path(__file__).resolve().parents[2]
STUB = "def double(x: int) -> int:\n    raise NotImplementedError\n"
RIGHT = "def double(x: int) -> int:\n    return 2 * x\n"
WRONG = "def double(x: int) -> int:\n    return str(x)\n"
DRIFTED = "def double(x: int, y: int) -> int:\n    return x + y\n"
USER = "from rlcourse.early import double\n\nfour: int = double(2)\n"


@pytest.fixture
def course(tmp_path):
    """A repository with one stub and a module that calls it; the test adds the solution."""
    for folder in ("rlcourse", "rlcourse/recipes", "solutions"):
        (tmp_path / folder).mkdir()
    (tmp_path / "rlcourse" / "__init__.py").touch()
    (tmp_path / "rlcourse" / "recipes" / "__init__.py").touch()
    (tmp_path / "rlcourse" / "early.py").write_text(STUB)
    (tmp_path / "rlcourse" / "recipes" / "run.py").write_text(USER)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def test_the_solution_stands_where_the_stub_stood(course, tmp_path):
    (course / "solutions" / "early.py").write_text(RIGHT)
    folder = tmp_path / "linked"
    folder.mkdir()
    assert overlaid(folder, course) == ["early"]
    assert (folder / "rlcourse" / "early.py").read_text() == RIGHT
    assert (folder / "rlcourse" / "recipes" / "run.py").read_text() == USER


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solution", "status", "place"),
    [
        (RIGHT, 0, "no issues"),
        (WRONG, 1, "solutions/early.py:2"),
        (DRIFTED, 1, "rlcourse/recipes/run.py:3"),
    ],
)
def test_mypy_reads_the_solution(course, capsys, solution, status, place):
    (course / "solutions" / "early.py").write_text(solution)
    assert check_types(course) == status
    assert place in capsys.readouterr().out
