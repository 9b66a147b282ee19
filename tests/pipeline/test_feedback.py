"""Feedback and exports: what a student may know, nothing that runs, nothing a spreadsheet would execute."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat import v4 as v4

from autograder.pipeline.course import Course
from autograder.pipeline.export import as_csv, export, safe
from autograder.pipeline.feedback import feedback
from autograder.pipeline.feedback_html import HideInstructorsSide, clean, page
from autograder.pipeline.gradebook import gradebook_rows
from autograder.pipeline.messages import shown_message
from autograder.pipeline.nbgrader_tools import NbgraderError, open_gradebook
from autograder.pipeline.result import read_result, to_json
from autograder.pipeline.similarity import similarity
from rlcourse.chapters import Chapter
from rlcourse.checks.exercise import find_exercise

HandIn = Callable[..., Path]
Judge = Callable[..., object]

SCRIPTS = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    '<a href="javascript:alert(1)">x</a>',
    "<svg onload=alert(1)></svg>",
    '<iframe src="https://example.org"></iframe>',
    '<div style="background:url(https://example.org/x)">x</div>',
    '<img src="https://example.org/pixel.png">',
    '<a href="https://example.org">x</a>',
    '<form action="https://example.org"><input></form>',
    '<meta http-equiv="refresh" content="0;url=https://example.org">',
    '<link rel="stylesheet" href="https://example.org/x.css">',
    "<style>@import 'https://example.org/x.css'</style>",
    '<base href="https://example.org">',
    '<object data="https://example.org"></object>',
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_nothing_that_runs_or_fetches(script: str) -> None:
    found = clean(f"before {script} after")
    assert "before" in found and "after" in found
    assert not re.search(r"alert|example\.org|<script|<style|onerror|onload|javascript", found)


def test_a_page_forbids_what_it_does_not_hold() -> None:
    html = page("T </title><script>", "body")
    assert "default-src 'none'" in html and "<script" not in html
    assert html.index("Content-Security-Policy") < html.index("<style")


def test_pictures_in_the_page_and_links_within_it_stay() -> None:
    kept = '<img src="data:image/png;base64,AAAA"><a href="#top">x</a><a href="policy_gradient.html">y</a>'
    assert clean(kept).count("src=") == 1 and clean(kept).count("href=") == 2


NASTY = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>"


def feedback_of(course: Course, chapter: Chapter, student: str) -> tuple[str, str]:
    (path,) = feedback(course, chapter, student)
    return path.read_text(), (path.parent / "policy_gradient.html").read_text()


def test_the_students_own_page(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Judge
) -> None:
    hand_in("ann", "# 2.3 fail\n# 2.4 timeout\n")
    (course.submitted("ann", chapter) / "secret.txt").write_text("x")
    judge()
    own, notebook = feedback_of(course, chapter, "ann")
    row = gradebook_rows(course, "ch02")[0]
    assert f"{row.score:g} of {row.max_score:g} points" in own
    for number in ("2.1", "2.3", "2.6"):
        assert find_exercise(number).title in own
    assert (
        own.count(">passed<") == 8 and own.count(">not yet<") == 2 and own.count(">timeout<") == 2
    )
    assert "2.3: fail" in own and find_exercise("2.3").section in own
    assert "left out: secret.txt" in own
    assert "Score" in notebook and "Content-Security-Policy" in notebook


def test_one_student_without_a_result_costs_nobody_else_the_page(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Judge
) -> None:
    for student in ("ann", "bob"):
        hand_in(student, "# all well\n")
    judge()
    (course.results(chapter) / "ann" / "submitted.json").unlink()
    with pytest.raises(NbgraderError, match="ann's attempt submitted has no valid result"):
        feedback(course, chapter)
    assert (course.feedback("bob", chapter) / "index.html").exists()


def test_no_hidden_code_and_no_script_in_feedback(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Judge
) -> None:
    folder = hand_in("ann", "# 2.3 fail\n")
    notebook = nbformat.read(folder / "policy_gradient.ipynb", as_version=4)
    notebook.cells.append(v4.new_markdown_cell(f"Look: {NASTY}"))
    notebook.cells.append(v4.new_code_cell(f"print({NASTY!r})"))
    nbformat.write(notebook, folder / "policy_gradient.ipynb")
    judge()
    assert (
        "check_hidden" in (course.autograded("ann", chapter) / "policy_gradient.ipynb").read_text()
    )
    for html in feedback_of(course, chapter, "ann"):
        assert "check_hidden" not in html and "HIDDEN TESTS" not in html
        assert "<script" not in html
        assert not re.search(r"<[^>]*(onerror|src=[\"']?x|https?://)", html)


def test_messages_are_text_never_markup(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Judge
) -> None:
    hand_in("ann", "# 2.3 fail\n")
    judge()
    path = course.results(chapter) / "ann" / "submitted.json"
    result = read_result(path)
    assert result is not None
    parts = tuple(replace(p, message=NASTY, output=NASTY) if p.message else p for p in result.parts)
    path.write_text(to_json(replace(result, parts=parts, flags=(NASTY,))))
    own, _ = feedback_of(course, chapter, "ann")
    assert "&lt;script&gt;" in own and "<script" not in own and "<img" not in own


def test_hidden_inputs_cannot_be_smuggled_out() -> None:
    mistake = find_exercise("2.4").mistakes[0]
    message = (
        "2.4 The REINFORCE loss: not yet.\n  another batch: five trajectories\n"
        "  it raised ValueError: SMUGGLED tensor([1, 2, 3])\n  Next: SMUGGLED too\n"
        f"  A known mistake gives just this: {mistake.name}.\n    SMUGGLED words"
    )
    shown = shown_message("ex-2-4-hidden", "fail", message)
    assert "SMUGGLED" not in shown
    assert mistake.name in shown and mistake.message in shown and "02_policy_gradient" in shown
    assert "SMUGGLED" in shown_message("ex-2-4-visible", "fail", message), (
        "visible inputs are known"
    )
    assert "SMUGGLED" not in shown_message("ex-2-4-hidden", "error", "SMUGGLED")
    assert "SMUGGLED" not in shown_message("other", "fail", message, hidden=True)


def test_output_on_hidden_inputs_is_taken_out() -> None:
    source = (
        "# Runs when graded.\n### BEGIN HIDDEN TESTS\nassert f(7) == 9\n### END HIDDEN TESTS\n1"
    )
    cell = v4.new_code_cell(source)
    cell.metadata["nbgrader"] = {"grade": True, "grade_id": "ex-2-4-hidden"}
    cell.outputs = [
        v4.new_output("stream", name="stdout", text="7"),
        v4.new_output("error", ename="fail", evalue="9", traceback=["it raised X: 9"]),
    ]
    made, _ = HideInstructorsSide().preprocess_cell(cell, {}, 0)
    assert made.source == "# Runs when graded.\n# hidden tests\n1"
    assert len(made.outputs) == 1 and "9" not in "".join(made.outputs[0].traceback)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =cmd|'/c calc'!A1", "\r=1"]
)
def test_formulas_become_text(text: str) -> None:
    found = safe(text)
    assert isinstance(found, str) and found.startswith("'")


def test_numbers_stay_numbers() -> None:
    assert as_csv([["a", -1.5], ['x"y,z', 2]]) == '"a",-1.5\n"x""y,z",2.0\n'


@pytest.fixture
def graded(course: Course, hand_in: HandIn, judge: Judge) -> Course:
    hand_in("ann", "")
    hand_in("bob", "# 2.3 fail\n")
    judge()
    with open_gradebook(course) as gradebook:
        names = {"first_name": '=HYPERLINK("x")', "last_name": 'O"Neil, Jr', "lms_user_id": "42"}
        gradebook.update_or_create_student("bob", **names)
        gradebook.update_or_create_student("cyd", first_name="never handed in")
    return course


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_canvas(graded: Course, chapter: Chapter) -> None:
    lines = table(export(graded, chapter, "canvas"))
    rows = {row.student: row for row in gradebook_rows(graded, "ch02")}
    assert lines[0]["Student"].strip() == "Points Possible"
    assert float(lines[0]["ch02"]) == rows["ann"].max_score
    bob = next(line for line in lines if line["ID"] == "42")
    assert bob["Student"] == '\'=HYPERLINK("x") O"Neil, Jr'
    assert float(bob["ch02"]) == rows["bob"].score


def test_moodle(graded: Course, chapter: Chapter) -> None:
    lines = {line["Identifier"]: line for line in table(export(graded, chapter, "moodle"))}
    assert set(lines) == {"ann", "Participant 42"}
    assert float(lines["ann"]["Grade"]) == float(lines["ann"]["Maximum Grade"]) > 0


def test_plain_table(graded: Course, chapter: Chapter) -> None:
    ann, bob = table(export(graded, chapter, "csv"))
    parts = [name for name in bob if name.startswith("ex-2-")]
    assert len(parts) == 12
    assert sum(float(bob[name]) for name in parts) == pytest.approx(float(bob["score"]))
    assert float(ann["score"]) > float(bob["score"]) == float(bob["raw_score"])


def test_gradescope(graded: Course, chapter: Chapter) -> None:
    folder = export(graded, chapter, "gradescope")
    data = json.loads((folder / "bob" / "results.json").read_text())
    rows = {row.student: row for row in gradebook_rows(graded, "ch02")}
    assert (
        data["score"] == rows["bob"].score == pytest.approx(sum(t["score"] for t in data["tests"]))
    )
    assert [t["status"] for t in data["tests"]].count("failed") == 2


def test_work_that_waits_for_a_person_has_no_grade_yet(graded: Course, chapter: Chapter) -> None:
    with open_gradebook(graded) as gradebook:
        grade = gradebook.find_grade("ex-2-1-visible", "policy_gradient", "ch02", "ann")
        grade.needs_manual_grade = True
        gradebook.db.commit()
    ann = next(line for line in table(export(graded, chapter, "csv")) if line["student"] == "ann")
    assert ann["score"] == ""


def test_nothing_to_export(course: Course, chapter: Chapter) -> None:
    with pytest.raises(ValueError, match="grade ch02"):
        export(course, chapter, "csv")


def test_unknown_platform(graded: Course, chapter: Chapter) -> None:
    with pytest.raises(ValueError, match="canvas, moodle, csv, gradescope"):
        export(graded, chapter, "blackboard")


COPIED = """
def average_of_windows(values, width):
    totals = []
    for start in range(0, len(values) - width + 1):
        window = values[start:start + width]
        totals.append(sum(window) / float(width))
    return totals
"""
RENAMED = COPIED.replace("totals", "out").replace("window", "part").replace("values", "xs")
OWN = """
import math
class Walker:
    def __init__(self, size): self.size, self.where = size, 0
    def step(self): self.where = (self.where * 7 + int(math.sqrt(self.size))) % self.size; return self.where
    def __repr__(self): return f"Walker at {self.where} of {self.size}" if self.where else "Walker at home"
"""


def test_similarity_sees_through_new_names_and_leaves_the_stub_out(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Judge
) -> None:
    stub = (course.release(chapter) / "policy_gradient.py").read_text()
    hand_in("ann", stub + COPIED)
    hand_in("bob", stub + RENAMED)
    hand_in("cyd", stub + OWN)
    judge()
    pairs, report = similarity(course, chapter)
    assert (pairs[0].first, pairs[0].second) == ("ann", "bob")
    assert pairs[0].likeness > 0.6 and max(pair.likeness for pair in pairs[1:]) < 0.3
    assert "ann, bob" in report.read_text() and "<script" not in report.read_text()


def test_similarity_needs_two(course: Course, chapter: Chapter) -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        similarity(course, chapter)
