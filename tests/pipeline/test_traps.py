"""Ways in which nbgrader was seen to give a wrong grade, as permanent tests."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.pipeline.course import REPOSITORY, Course, put_environment_first
from autograder.pipeline.gradebook import gradebook_rows
from autograder.pipeline.nbgrader_tools import nbgrader_api, nbgrader_config, open_gradebook
from rlcourse.chapters import CHAPTERS, Chapter

HandIn = Callable[..., Path]


def test_the_stub_does_not_take_the_place_of_the_work(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Callable[..., object]
) -> None:
    """Without ``exclude_overwriting`` nbgrader copies the released module over the submitted one."""
    hand_in("ann", "# my own work\n")
    judge()
    for folder in (course.normalized("ann", chapter), course.autograded("ann", chapter)):
        assert (folder / "policy_gradient.py").read_text() == "# my own work\n"


def test_every_chapter_is_protected_from_its_stub(course: Course) -> None:
    config = nbgrader_config(course)
    assert config.Autograde.exclude_overwriting == {
        c.assignment: [f"{c.module}.py"] for c in CHAPTERS
    }


def test_a_missing_module_is_neither_the_stub_nor_the_solution(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Callable[..., object]
) -> None:
    hand_in("ann", None)
    judge()
    (row,) = gradebook_rows(course, "ch02")
    assert row.score == 0.0 and row.max_score > 0.0
    for folder in (course.normalized("ann", chapter), course.autograded("ann", chapter)):
        assert not (folder / "policy_gradient.py").exists()


@pytest.mark.slow
def test_alembic_is_found_without_help(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new gradebook calls the bare command ``alembic``, which only this environment has."""
    (course.root / "gradebook.db").unlink()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with open_gradebook(course) as gradebook:
        assert gradebook.assignments == []
    assert os.environ["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    put_environment_first()
    assert os.environ["PATH"].count(str(Path(sys.executable).parent)) == 1


def test_a_word_on_stderr_costs_nothing(
    course: Course, hand_in: HandIn, judge: Callable[..., object]
) -> None:
    """nbgrader gives 0 for any output on stderr; what is replayed has none."""
    hand_in("ann", "")
    judge()
    (row,) = gradebook_rows(course, "ch02")
    assert row.score == row.max_score


@pytest.mark.slow
def test_nbgraders_own_command_reads_the_same_configuration(tmp_path: Path) -> None:
    """As an instructor would type it, in the course's folder."""
    root = tmp_path / "autograder"
    root.mkdir()
    config = (REPOSITORY / "autograder" / "nbgrader_config.py").read_text()
    config = config.replace("str(ROOT.parent)", repr(str(REPOSITORY)))
    (root / "nbgrader_config.py").write_text(config)
    shutil.copytree(REPOSITORY / "autograder" / "source" / "ch02", root / "source" / "ch02")
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "ch02"]
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (root / "release" / "ch02" / "policy_gradient.ipynb").exists()
    with open_gradebook(Course(root)) as gradebook:
        assert [assignment.name for assignment in gradebook.assignments] == ["ch02"]
    assert nbgrader_api(Course(root)).get_source_assignments() == {"ch02"}
