"""No mutant of a solution survives the checks, save a written list of equivalents."""

import ast

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
