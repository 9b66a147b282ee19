"""The sample class and ``verify``: graded for real, in the sandbox."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from autograder.pipeline import specimens
from autograder.pipeline.course import REPOSITORY, Course
from autograder.pipeline.gradebook import gradebook_rows
from autograder.pipeline.nbgrader_tools import NbgraderError
from autograder.pipeline.release import release_assignment
from autograder.pipeline.result import FAIL, PASS, Part, Result
from autograder.pipeline.sample import (
    CLASS,
    SampleClassWrong,
    check_scores,
    forget_sample,
    gradebook_table,
    hand_in_sample,
    run_sample_class,
)
from autograder.pipeline.verify import _wrong, verify
from rlcourse.chapters import Chapter


@pytest.mark.slow
def test_the_sample_class_twice(tmp_path: Path, chapter: Chapter) -> None:
    """Into a fresh gradebook, and again over the one there is."""
    course = Course(tmp_path / "autograder")
    shutil.copytree(REPOSITORY / "autograder" / "source", course.root / "source")
    said: list[str] = []
    for _ in range(2):
        run_sample_class(course, chapter, 2, said.append)
    rows = gradebook_rows(course, "ch02")
    assert [row.student for row in rows] == [member.student for member in CLASS]
    full = rows[0].max_score
    assert rows[0].score == full and [row.score for row in rows[1:4]] == [0.0] * 3
    assert 0.0 < rows[4].score < full
    page = (course.feedback("sample-wrong", chapter) / "index.html").read_text()
    assert "A known mistake gives just this" in page
    assert any("sample-complete" in line and "2.6" in line for line in said)


@pytest.mark.slow
def test_verify_finds_nothing_wrong(chapter: Chapter) -> None:
    course = Course(REPOSITORY / "autograder")
    assert verify(course, chapter, jobs=2, mistakes=False, report=lambda line: None) == []


def result(**verdicts: str) -> Result:
    parts = []
    for name, verdict in verdicts.items():
        grade_id = "ex-2-" + name.strip("_").replace("_", "-")
        parts.append(Part(grade_id, verdict, 1.0 if verdict == PASS else 0.0, 1.0))
    return Result("x", "submitted", "ch02", "", "", {}, tuple(parts))


def test_verify_notices_each_kind_of_wrong_grade() -> None:
    good = result(_1_visible=PASS, _2_visible=PASS)
    half = result(_1_visible=PASS, _2_visible=FAIL)
    assert list(_wrong(good, "none")) == [] and list(_wrong(half, "2.2")) == []
    assert "lost points in ex-2-2-visible" in list(_wrong(half, "none"))
    assert "got 1 points for nothing" in list(_wrong(half, "all"))
    assert "did not notice" in next(_wrong(good, "2.2"))
    assert "lost ex-2-2-visible, which is right" in list(_wrong(half, "2.1"))


@pytest.mark.slow
def test_a_sample_class_with_wrong_scores_is_an_error(
    course: Course, chapter: Chapter, judge: Callable[..., object]
) -> None:
    hand_in_sample(course, chapter)
    judge()  # the stand-in gives everybody with a module full marks
    rows = {row.student: row for row in gradebook_rows(course, "ch02")}
    with pytest.raises(SampleClassWrong, match="sample-stub.*expected 0, got 18"):
        check_scores(rows)
    stub, wrong = rows["sample-stub"], rows["sample-wrong"]
    lost = {n: (0.0 if "-2-4-" in n else p, m) for n, (p, m) in wrong.parts.items()}
    right = rows | {
        "sample-stub": replace(stub, raw=0.0),
        "sample-syntax": replace(rows["sample-syntax"], raw=0.0),
        "sample-wrong": replace(wrong, raw=sum(p for p, _ in lost.values()), parts=lost),
    }
    check_scores(right)
    assert "exercise 2.4 wrong" in gradebook_table(right)


@pytest.mark.slow
def test_the_sample_class_makes_room_for_a_new_release(
    course: Course, chapter: Chapter, judge: Callable[..., object]
) -> None:
    hand_in_sample(course, chapter)
    judge()
    source = course.source(chapter) / "policy_gradient.ipynb"
    notebook = nbformat.read(source, as_version=4)
    del notebook.cells[-1]
    nbformat.write(notebook, source)
    with pytest.raises(NbgraderError, match="other cells than the one students have handed in"):
        release_assignment(course, chapter)
    forget_sample(course, chapter)
    release_assignment(course, chapter)


def test_planted_mistakes_replace_the_function(chapter: Chapter) -> None:
    course = Course(REPOSITORY / "autograder")
    pairs = specimens.mistakes(chapter)
    assert len(pairs) >= 6
    spec, mistake = pairs[0]
    space: dict[str, object] = {"__name__": "planted"}
    exec(specimens.with_mistake(course, chapter, spec, mistake), space)
    planted = space[spec.target_of(mistake)]
    assert callable(planted) and planted.__code__.co_code == mistake.code.__code__.co_code
