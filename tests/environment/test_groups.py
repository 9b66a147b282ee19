"""Which tests follow one another, and what comes first."""

from pathlib import Path

import pytest

from autograder.checks.registry import find_spec
from rlcourse.chapters import CHAPTERS
from tests.conftest import LONG, group_of

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", LONG)
def test_what_is_said_to_be_long_is_a_group(name: str) -> None:
    kind, _, which = name.partition(" ")
    if kind == "exercise":
        assert find_spec(which)
    elif which:
        known = {"page": [each.page for each in CHAPTERS], "mutants": [c.module for c in CHAPTERS]}
        assert which in known[kind]
    else:
        assert (TESTS / name).is_file()


@pytest.mark.parametrize(
    ("group", "tests"),
    {
        "exercise 2.3": [
            "tests/checks/test_exercises.py::test_a_mistake_is_named[2.3 mistake: no minus]",
            "tests/sandbox/test_equivalence.py::test_equal_verdicts[2.3 reference]",
        ],
        "page 02_policy_gradient": [
            "tests/book/test_pages.py::test_figures[02_policy_gradient]",
            "tests/book/test_pages.py::test_exercises[02_policy_gradient-2.3]",
            "tests/book/test_02_policy_gradient.py::test_what_is_said",
            "tests/book/test_02_policy_gradient.py::test_larger[few-many-1]",
        ],
        "mutants baselines": ["tests/generate/test_mutants.py::test_none_survives[baselines]"],
        "support/test_gpt2.py": [
            "tests/support/test_gpt2.py::test_size[1]",
            "tests/support/test_gpt2.py::test_other",
        ],
    }.items(),
    ids=["exercise", "page", "mutants", "file"],
)
def test_what_shares_work_is_in_one_group(group: str, tests: list[str]) -> None:
    assert {group_of(each) for each in tests} == {group}
