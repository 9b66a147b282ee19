"""The whole engine with the real sandbox: partial credit, a kill, a cluster; one set of results."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.pipeline.course import REPOSITORY, Course
from autograder.pipeline.grade import Options, Summary
from autograder.pipeline.gradebook import gradebook_rows
from autograder.pipeline.result import read_result
from rlcourse.chapters import Chapter

pytestmark = pytest.mark.slow

SOLUTION = (REPOSITORY / "solutions" / "policy_gradient.py").read_text("utf-8")
BROKEN = f"""{SOLUTION}

def bandit_gradient(*args):  # 2.1 ends its process
    import os
    os._exit(0)

def discounted_returns(*args):  # 2.3 never ends
    while True:
        pass

def policy_gradient_loss(*args):  # 2.4 uses up the memory
    return bytearray(1 << 44)

def exact_policy_gradient(*args):  # 2.6 reads where nothing is
    import ctypes
    ctypes.string_at(0)
"""
VERDICTS = {1: "crash", 2: "pass", 3: "timeout", 4: "out of memory", 5: "pass", 6: "crash"}
LIMITS = "[limits]\nseconds = 3.0\n"
SCRIPT = """
import sys
from pathlib import Path
from autograder.pipeline.course import Course
from autograder.pipeline.grade import Options, grade
from rlcourse.chapters import find_chapter
grade(Course(Path(sys.argv[1])), find_chapter("ch02"), Options(resume=True))
"""

HandIn = Callable[..., Path]
Judge = Callable[..., Summary]
REAL = Options().executor


def results(course: Course, chapter: Chapter) -> dict[str, bytes]:
    folder = course.results(chapter)
    return {
        str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.json"))
    }


def a_class(course: Course, hand_in: HandIn) -> None:
    (course.root / "grading.toml").write_text(LIMITS)
    hand_in("ann", SOLUTION)
    hand_in("bob", BROKEN)
    hand_in("cyd", SOLUTION.replace("def categorical_log_prob", "def renamed"))


def killed_once_something_is_graded(course: Course, chapter: Chapter) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(course.root)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
    )
    while not results(course, chapter) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_one_class_graded_in_every_way(
    course: Course, chapter: Chapter, hand_in: HandIn, judge: Judge
) -> None:
    from distributed import LocalCluster

    a_class(course, hand_in)
    killed_once_something_is_graded(course, chapter)
    assert judge(executor=REAL, resume=True).exit_code == 0
    resumed, rows = results(course, chapter), gradebook_rows(course, "ch02")

    found = read_result(course.results(chapter) / "bob" / "submitted.json")
    assert found is not None
    verdicts = {part.grade_id: part.verdict for part in found.parts}
    assert verdicts == {
        f"ex-2-{number}-{kind}": verdict
        for number, verdict in VERDICTS.items()
        for kind in ("visible", "hidden")
    }
    assert all(part.message for part in found.parts if part.verdict != "pass")
    full = rows[0].max_score
    assert [row.score for row in rows] == pytest.approx([full, full - 12.0, full - 2.0])

    judge(executor=REAL, jobs=2)
    assert (results(course, chapter), gradebook_rows(course, "ch02")) == (resumed, rows)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        judge(executor=REAL, cluster=cluster.scheduler_address)
    assert (results(course, chapter), gradebook_rows(course, "ch02")) == (resumed, rows)
