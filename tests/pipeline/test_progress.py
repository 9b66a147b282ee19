"""What an instructor is told while a class is graded."""

import io
import itertools
from types import SimpleNamespace

import pytest

from autograder.pipeline.progress import Progress
from autograder.pipeline.result import FAIL, PASS, Part, Result

MODULE = Progress.__module__


def result(*points: float, error: str = "") -> Result:
    parts = tuple(
        Part(f"ex-2-{number}-visible", PASS if got else FAIL, got, 2.0)
        for number, got in enumerate(points, 1)
    )
    return Result("ann", "one", "ch02", "", "digest", {}, parts, (), error)


def test_where_there_is_no_terminal_lines_tell_the_tally_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = itertools.count(step=4.0)
    monkeypatch.setattr(f"{MODULE}.time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(f"{MODULE}.sys", SimpleNamespace(stderr=io.StringIO()))
    said: list[str] = []
    with Progress(5, said.append) as bar:
        for each in (result(2.0, 2.0), result(2.0, 0.0), result(0.0, 0.0), result(error="broken")):
            bar.count(each)
    assert said == [
        "3 of 5, about 8 s to go: 1 full, 1 part, 1 zero",
        "4 of 5 attempts in 20 s: 1 full, 1 part, 1 zero, 1 ungraded",
    ]


def test_nothing_is_summed_up_where_grading_was_broken_off() -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt), Progress(2, said.append) as bar:
        bar.count(result(2.0))
        raise KeyboardInterrupt
    assert said == []
