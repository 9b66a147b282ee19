"""A released course in a folder of its own, copied for each test."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.pipeline.course import REPOSITORY, Course
from autograder.pipeline.grade import Options, Summary, grade
from autograder.pipeline.release import release_assignment
from rlcourse.chapters import Chapter, find_chapter

STAND_IN = "tests.pipeline.stand_in:execute"
CHAPTER = find_chapter("ch02")


@pytest.fixture(scope="session")
def chapter() -> Chapter:
    return CHAPTER


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Never change this one; copy it."""
    course = Course(tmp_path_factory.mktemp("released") / "autograder")
    shutil.copytree(REPOSITORY / "autograder" / "source" / "ch02", course.source(CHAPTER))
    release_assignment(course, CHAPTER)
    return course


@pytest.fixture
def course(released: Course, tmp_path: Path) -> Course:
    shutil.copytree(released.root, tmp_path / "autograder")
    return Course(tmp_path / "autograder")


HandIn = Callable[..., Path]


@pytest.fixture
def hand_in(course: Course) -> HandIn:
    """Put a submission into nbgrader's folder: ``hand_in("jane", "# 2.3 fail")``."""

    def put(student: str, module: str | None, when: str = "2027-01-15 12:00:00 UTC") -> Path:
        folder = course.submitted(student, CHAPTER)
        folder.mkdir(parents=True)
        shutil.copy(course.release(CHAPTER) / "policy_gradient.ipynb", folder)
        if module is not None:
            (folder / "policy_gradient.py").write_text(module)
        (folder / "timestamp.txt").write_text(when)
        return folder

    return put


@pytest.fixture
def judge(course: Course) -> Callable[..., Summary]:
    """Grade with the stand-in judge, quietly."""

    def run(**options: object) -> Summary:
        how = Options(**{"executor": STAND_IN, **options})  # type: ignore[arg-type]
        return grade(course, CHAPTER, how, lambda line: None)

    return run
