"""A submission cannot keep its judge busy for ever, nor does a check that never ends cost a student anything."""

import pytest

from autograder.sandbox import Grader, GraderError
from tests.sandbox.helpers import COUNTING, notebook

pytestmark = pytest.mark.slow

CALLS_BACK = """
class Counter:
    sandbox_names = frozenset({"sum"})
    def sum(self, n=4):
        found = 0
        while found < n:
            found += 1
        return found
assert counting.total(Counter()) == 4
"""
DOUBLE = "assert float(counting.double(torch.ones(()))) == 2.0"
PARTS = {"calls back": (1.0, CALLS_BACK), "double": (1.0, DOUBLE)}
AGAIN = """
def again(x):
    try: return x.sum(10**13)
    except BaseException: return 4
"""
HONEST = "def double(x): return 2 * x\ndef total(x): return x.sum()\n"


@pytest.mark.parametrize(
    "ask",
    ["x.sum(10**13)", "[again(x) for _ in range(9)]"],
    ids=["one endless request", "swallowed and asked again"],
)
def test_an_endless_callback_costs_its_own_part_only(grader: Grader, ask: str) -> None:
    module = f"{AGAIN}\ndef double(x): return 2 * x\ndef total(x): return {ask}\n"
    result = grader.grade(notebook(parts=PARTS), {COUNTING.file: module.encode()}, COUNTING)
    assert [part.verdict.value for part in result.parts] == ["timeout", "pass"]
    assert "checking what it does" in result.parts[0].message


def test_an_endless_check_is_the_graders_fault(grader: Grader) -> None:
    parts = {"endless": (1.0, "while True: pass")}
    with pytest.raises(GraderError, match="reference solution fails as well"):
        grader.grade(notebook(parts=parts), {COUNTING.file: HONEST.encode()}, COUNTING)


def test_an_honest_submission_is_not_stopped(grader: Grader) -> None:
    result = grader.grade(notebook(parts=PARTS), {COUNTING.file: HONEST.encode()}, COUNTING)
    assert result.points == 2.0
