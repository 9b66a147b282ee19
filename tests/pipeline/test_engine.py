"""Attempts become results, results become a gradebook: the same one, however the work was done or cut off."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from autograder.pipeline.attempts import choose, find_attempts
from autograder.pipeline.collect import collect
from autograder.pipeline.course import REPOSITORY, Course
from autograder.pipeline.export import export
from autograder.pipeline.grade import Options, Summary
from autograder.pipeline.gradebook import gradebook_rows
from autograder.pipeline.nbgrader_tools import NbgraderError, nbgrader_api
from autograder.pipeline.result import FAIL, PASS, Part, Result, from_json, read_result, to_json
from autograder.pipeline.settings import LatePolicy, Settings, load_settings
from autograder.pipeline.work import prepare, set_up
from rlcourse.chapters import Chapter

STAND_IN = "tests.pipeline.stand_in:execute"
Judge = Callable[..., Summary]
HandIn = Callable[..., Path]


def scores(course: Course) -> dict[str, float]:
    return {row.student: row.score for row in gradebook_rows(course, "ch02")}


def everything(course: Course) -> tuple[object, ...]:
    """The gradebook without nbgrader's random keys, and the bytes of all results."""
    results = course.root / "results"
    files = {str(p.relative_to(results)): p.read_bytes() for p in sorted(results.rglob("*.json"))}
    return gradebook_rows(course, "ch02"), files


def full_score(course: Course) -> float:
    return gradebook_rows(course, "ch02")[0].max_score


def a_class(hand_in: HandIn) -> None:
    hand_in("ann", "")
    hand_in("bob", "# 2.3 fail\n")
    hand_in("cyd", None)
    hand_in("dan", "# 2.1 timeout\n# 2.2 crash\n")


def test_each_part_counts_for_itself(course: Course, hand_in: HandIn, judge: Judge) -> None:
    a_class(hand_in)
    assert judge().exit_code == 0
    full = full_score(course)
    parts = gradebook_rows(course, "ch02")[0].parts
    worth = {n: sum(p for name, (_, p) in parts.items() if f"-2-{n}-" in name) for n in (1, 2, 3)}
    assert scores(course) == pytest.approx(
        {"ann": full, "bob": full - worth[3], "cyd": 0.0, "dan": full - worth[1] - worth[2]}
    )


def test_results_do_not_depend_on_who_does_the_work(
    course: Course, hand_in: HandIn, judge: Judge
) -> None:
    a_class(hand_in)
    judge(jobs=1)
    one = everything(course)
    judge(jobs=3)
    assert everything(course) == one


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes(course: Course, hand_in: HandIn, judge: Judge) -> None:
    from distributed import LocalCluster

    a_class(hand_in)
    judge(jobs=1)
    here = everything(course)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        judge(cluster=cluster.scheduler_address)
    assert everything(course) == here


def test_a_judge_that_breaks_gives_no_zero(course: Course, hand_in: HandIn, judge: Judge) -> None:
    hand_in("ann", "")
    hand_in("eve", "# raise\n")
    hand_in("fay", "# 2.4 grader error\n")
    summary = judge()
    assert summary.exit_code == 1
    assert [student for student, _ in summary.ungraded] == ["eve", "fay"]
    assert "the judge broke" in summary.ungraded[0][1]
    assert set(scores(course)) == {"ann"}, "nothing may stand in the gradebook for the others"


@pytest.mark.parametrize("executor", ["forget_one", "too_generous"])
def test_impossible_verdicts_are_a_fault_of_the_grader(
    executor: str, course: Course, hand_in: HandIn, judge: Judge
) -> None:
    hand_in("ann", "")
    summary = judge(executor=f"tests.pipeline.stand_in:{executor}")
    assert summary.exit_code == 1 and not scores(course)


def test_an_old_grade_is_not_wiped_out_by_a_broken_judge(
    course: Course, hand_in: HandIn, judge: Judge
) -> None:
    folder = hand_in("ann", "")
    judge()
    before = scores(course)
    (folder / "policy_gradient.py").write_text("# raise\n")
    assert judge().exit_code == 1
    assert scores(course) == before


def test_only_the_students_asked_for(course: Course, hand_in: HandIn, judge: Judge) -> None:
    a_class(hand_in)
    judge(student="[ab]*")
    assert set(scores(course)) == {"ann", "bob"}
    with pytest.raises(ValueError, match="no attempt at ch02 of 'nobody'"):
        judge(student="nobody")


def test_resume_keeps_valid_results_and_makes_the_others(
    course: Course, hand_in: HandIn, judge: Judge
) -> None:
    a_class(hand_in)
    judge()
    assert judge(resume=True).graded == 0
    (course.submitted("bob", find_ch02()) / "policy_gradient.py").write_text("")
    (course.results(find_ch02()) / "dan" / "submitted.json").write_text('{"student": "dan"')
    summary = judge(resume=True)
    assert (summary.graded, summary.kept) == (2, 2)
    assert scores(course)["bob"] == full_score(course)


def find_ch02() -> Chapter:
    from rlcourse.chapters import find_chapter

    return find_chapter("ch02")


@pytest.mark.slow
def test_resume_enters_what_the_gradebook_lost(
    course: Course, hand_in: HandIn, judge: Judge
) -> None:
    a_class(hand_in)
    judge()
    before = scores(course)
    from autograder.pipeline.nbgrader_tools import open_gradebook

    with open_gradebook(course) as gradebook:
        gradebook.remove_submission("ch02", "ann")
    judge(resume=True)
    assert scores(course) == before


SCRIPT = """
import sys
from pathlib import Path
from autograder.pipeline.course import Course
from autograder.pipeline.grade import Options, grade
from rlcourse.chapters import find_chapter
grade(Course(Path(sys.argv[1])), find_chapter("ch02"),
      Options(executor="tests.pipeline.stand_in:execute", resume=True))
"""


def killed_after(course: Course, seconds: float) -> None:
    """Start grading and kill it without warning."""
    environment = {**os.environ, "STAND_IN_SECONDS": "0.3", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", SCRIPT, str(course.root)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
    first = course.results(find_ch02()) / "ann" / "submitted.json"
    while not first.exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 1.0, 1.6])
def test_resume_after_kill_gives_the_same_gradebook(
    seconds: float, course: Course, hand_in: HandIn, judge: Judge, tmp_path: Path
) -> None:
    a_class(hand_in)
    killed_after(course, seconds)
    judge(resume=True)
    resumed = everything(course)
    judge()
    assert everything(course) == resumed
    assert len(gradebook_rows(course, "ch02")) == 4


def result(score: float, when: str = "2027-01-15 12:00:00", ungraded: bool = False) -> Result:
    parts = (Part("ex-2-1-visible", PASS if score else FAIL, score, 10.0),)
    error = "broken" if ungraded else ""
    return Result("ann", when, "ch02", when, "digest", {}, parts, (), error)


DUE = {"ch02": datetime(2027, 1, 16)}


def test_best_and_last_attempt() -> None:
    early, late = result(8.0), result(9.0, "2027-01-20 12:00:00")
    worse = result(3.0, "2027-01-15 13:00:00")
    assert choose([early, worse], Settings(attempts="best")) is early
    assert choose([early, worse], Settings(attempts="last")) is worse
    assert choose([early, late], Settings(attempts="best")) is late
    assert choose([early, late], Settings(attempts="best", due=DUE)) is early, "9 less 50 % is 4.5"
    assert choose([], Settings()) is None


def test_an_ungraded_attempt_is_never_passed_over() -> None:
    good, broken = result(8.0), result(0.0, "2027-01-15 13:00:00", ungraded=True)
    assert choose([good, broken], Settings(attempts="best")) is None
    assert choose([good, broken], Settings(attempts="last")) is None
    assert choose([broken, good], Settings(attempts="last")) is good


def test_late_policy() -> None:
    policy = LatePolicy(grace_minutes=15, per_day=0.1, at_most=0.5)
    hour = 3600.0
    cases = {-hour: 0.0, 900.0: 0.0, 901.0: 1.0, 25 * hour: 2.0, 400 * hour: 5.0}
    assert {late: policy.penalty(10.0, late) for late in cases} == pytest.approx(cases)


def test_late_work_in_the_gradebook(course: Course, hand_in: HandIn, judge: Judge) -> None:
    (course.root / "grading.toml").write_text("[due]\nch02 = 2027-01-14T12:00:00Z\n")
    hand_in("ann", "", "2027-01-14 12:10:00 UTC")
    hand_in("bob", "", "2027-01-15 13:00:00 UTC")
    judge()
    full = full_score(course)
    assert scores(course) == pytest.approx({"ann": full, "bob": 0.8 * full})


@pytest.mark.parametrize(
    "text", ['attempts = "first"', "[late]\nper_week = 1", "[due]\nch02 = 7", "nonsense = 1"]
)
def test_settings_that_make_no_sense(text: str, tmp_path: Path) -> None:
    (tmp_path / "grading.toml").write_text(text)
    with pytest.raises(ValueError, match=r"grading\.toml"):
        load_settings(tmp_path)


def test_the_settings_that_are_shipped_can_be_read() -> None:
    assert load_settings(REPOSITORY / "autograder") == Settings()


def test_chapter_that_was_not_released(tmp_path: Path, chapter: Chapter) -> None:
    with pytest.raises(NbgraderError, match="release ch02"):
        set_up(Course(tmp_path), chapter, Settings(), STAND_IN)


def test_a_result_survives_its_file() -> None:
    one = result(3.0)
    assert from_json(to_json(one)) == one
    for text in ("", "{}", "[]", to_json(one)[:-20]):
        with pytest.raises((ValueError, AttributeError)):
            from_json(text)


def test_damaged_results_are_made_again(tmp_path: Path) -> None:
    for text in ("", "{}", "[1]", "\x00"):
        (tmp_path / "r.json").write_text(text)
        assert read_result(tmp_path / "r.json") is None


def test_the_digest_covers_what_a_result_depends_on(
    course: Course, chapter: Chapter, hand_in: HandIn
) -> None:
    hand_in("ann", "x = 1")
    hand_in("bob", "x = 2")
    bench = set_up(course, chapter, Settings(), STAND_IN)
    strict = set_up(course, chapter, Settings(seconds=1.0), STAND_IN)
    ann, bob = find_attempts(course, chapter)
    digests = {prepare(ann, bench).digest, prepare(bob, bench).digest, prepare(ann, strict).digest}
    assert len(digests) == 3
    assert prepare(ann, bench).digest == prepare(ann, bench).digest


def test_hidden_tests_are_back_for_the_judge_only(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Judge
) -> None:
    hand_in("ann", "")
    work = prepare(find_attempts(course, chapter)[0], set_up(course, chapter, Settings(), STAND_IN))
    assert "check_hidden" in work.notebook
    judge()
    released = (course.release(chapter) / "policy_gradient.ipynb").read_text()
    assert "check_hidden" not in released


def test_nbgrader_alone_never_makes_up_a_grade(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Judge
) -> None:
    """Formgrader's button on work whose result is gone: an error, neither a pass nor a zero."""
    hand_in("ann", "# 2.1 fail\n")
    judge()
    before = scores(course)
    (course.results(chapter) / "ann" / "submitted.json").unlink()
    answer = nbgrader_api(course).autograde("ch02", "ann", force=True)
    assert not answer["success"] and "no valid result" in answer["log"]
    assert scores(course) == before


def test_formgraders_button_gives_the_same_grade(
    course: Course, hand_in: HandIn, judge: Judge
) -> None:
    hand_in("ann", "# 2.1 fail\n")
    judge()
    before = scores(course)
    answer = nbgrader_api(course).autograde("ch02", "ann", force=True)
    assert answer["success"], answer
    assert scores(course) == before


def test_a_persons_score_outlives_grading_again(
    course: Course, hand_in: HandIn, judge: Judge
) -> None:
    from autograder.pipeline.nbgrader_tools import open_gradebook

    hand_in("ann", "# 2.1 fail\n")
    judge()
    low = scores(course)["ann"]
    with open_gradebook(course) as gradebook:
        grade = gradebook.find_grade("ex-2-1-visible", "policy_gradient", "ch02", "ann")
        grade.manual_score = 1.0
        gradebook.db.commit()
    judge()
    assert scores(course)["ann"] == pytest.approx(low + 1.0)


def test_what_the_platform_knows_of_a_student(
    course: Course, chapter: Chapter, judge: Judge, tmp_path: Path
) -> None:
    folder = tmp_path / "download" / "Zoë Ångström_301_assignsubmission_file_"
    folder.mkdir(parents=True)
    (folder / "policy_gradient.py").write_text("")
    collect(course, folder.parent)
    judge()
    (row,) = gradebook_rows(course, "ch02")
    assert (row.student, row.lms_id, row.last_name) == ("Zoe_Angstrom_301", "301", "Zoë Ångström")
    text = export(course, chapter, "moodle").read_text()
    assert '"Participant 301","Zoë Ångström"' in text


def test_only_one_process_grades_a_course(course: Course, hand_in: HandIn, judge: Judge) -> None:
    hand_in("ann", "")
    (course.root / "results").mkdir()
    with (course.root / "results" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RuntimeError, match="graded by another process"):
            judge()
    assert judge().exit_code == 0


def test_options_stand_for_the_sandbox() -> None:
    assert Options().executor == "autograder.pipeline.execute:execute"


def test_note_beside_normalized_work(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Judge
) -> None:
    folder = hand_in("ann", "x = 1")
    (folder / "numpy.py").write_text("evil")
    judge()
    normalized = course.normalized("ann", chapter)
    assert sorted(path.name for path in normalized.iterdir()) == [
        "attempt.json",
        "policy_gradient.ipynb",
        "policy_gradient.py",
        "timestamp.txt",
    ]
    assert any(
        "numpy.py" in flag
        for flag in json.loads((normalized / "attempt.json").read_text())["flags"]
    )
