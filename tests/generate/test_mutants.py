"""No mutant of a solution survives the checks, save a written list of equivalents."""

import ast
import gc
import sys
import time

import pytest

from autograder.generate.mutants import Looping, cpu_limit, equivalents, mutants, survivors
from rlcourse.chapters import CHAPTERS, Chapter

SOURCE = '''
def f(x, y):
    """Doc."""
    ### BEGIN SOLUTION 2.1
    total = -x + 2 * y.detach()
    return total[1:].mean(dim=0)
    ### END SOLUTION


def g(x):
    return x + 1
'''


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.module)
def test_only_known_equivalents_survive(chapter: Chapter) -> None:
    total, alive = survivors(chapter.module)
    assert total > 50
    assert set(alive) == set(equivalents(chapter.module)), (
        "survivors, or equivalents that do not survive any more"
    )


def test_mutants_change_only_solution_regions_and_always_parse() -> None:
    made = list(mutants(SOURCE))
    assert len({mutant.source for mutant in made}) >= 10
    for mutant in made:
        ast.parse(mutant.source)
        assert mutant.exercise == "2.1"
        assert "return x + 1" in mutant.source, "code outside the regions stays as it is"
    changes = " ".join(mutant.change for mutant in made)
    for kind in ("operator", "drop detach", "rename", "whole slice", "drop dim=", "plus 1"):
        assert kind in changes


def test_a_loop_is_stopped_even_where_exceptions_are_caught() -> None:
    with pytest.raises(Looping), cpu_limit(0.05):
        while True:
            try:
                pass
            except Exception:
                continue


def test_a_loop_is_stopped_though_the_alarm_rings_in_a_callback_of_the_collector() -> None:
    """Hypothesis times collections: an exception raised there is dropped."""

    def callback(phase: str, info: dict[str, int]) -> None:
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass

    gc.callbacks.append(callback)
    try:
        with pytest.raises(Looping), cpu_limit(0.05):
            while True:
                _ = [[] for _ in range(1000)]
    finally:
        gc.callbacks.remove(callback)
    assert gc.isenabled()


def test_a_loop_is_stopped_though_a_finalizer_swallows_the_first_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dropped: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)

    class Slow:
        def __del__(self) -> None:
            until = time.process_time() + 0.2
            while time.process_time() < until:
                pass

    with pytest.raises(Looping), cpu_limit(0.05):
        Slow()
        while True:
            pass
    assert dropped, "the first alarm was swallowed"
