"""A busy machine harms no honest work: what counts is the processor's time, not the clock's."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sandbox import Grader, Limits
from autograder.sandbox.assignment import REPOSITORY
from tests.sandbox.helpers import COUNTING, FULL, notebook

HOGS = 2
CPU_SECONDS = 4.0
BURN = f"""
import time
def double(x):
    until = time.process_time() + {0.8 * CPU_SECONDS}
    while time.process_time() < until: pass
    return 2 * x
def total(x): return x.sum()
"""
"""Honest and slow: it takes most of what it may."""
PARTS = {"slow": (FULL, "assert counting.double(21) == 42")}


@pytest.fixture
def hogs() -> Iterator[None]:
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(HOGS)]
    yield
    for hog in running:
        hog.kill()
        hog.wait()


@pytest.mark.slow
def test_slow_work_beside_two_cpu_hogs_keeps_its_points(hogs: None) -> None:
    with Grader(Limits(cpu_seconds=CPU_SECONDS, wall_seconds=20 * CPU_SECONDS)) as grader:
        result = grader.grade(notebook(parts=PARTS), {COUNTING.file: BURN.encode()}, COUNTING)
    assert result.points == FULL, result.parts


@pytest.mark.slow
def test_a_chapter_beside_two_cpu_hogs_gets_the_same_result(hogs: None) -> None:
    module = (REPOSITORY / "solutions" / "policy_gradient.py").read_bytes()
    source = Path(REPOSITORY, "autograder", "source", "ch02", "policy_gradient.ipynb").read_text()
    with Grader() as grader:
        results = [grader.grade(source, {"policy_gradient.py": module}, "ch02") for _ in range(4)]
    assert all(result.points == result.max_points for result in results)
    assert len({result.to_json() for result in results}) == 1
