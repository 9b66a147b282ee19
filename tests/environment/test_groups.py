"""Which tests follow one another, and what comes first."""

from pathlib import Path
from types import SimpleNamespace

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


def item(path: str, **params: object) -> pytest.Item:
    found = SimpleNamespace(path=TESTS / path)
    if params:
        found.callspec = SimpleNamespace(params=params)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("group", "items"),
    {
        "exercise 2.3": [
            item("checks/test_exercises.py", spec=find_spec("2.3"), mistake=None),
            item("sandbox/test_equivalence.py", module="policy_gradient", number="2.3"),
        ],
        "page 02_policy_gradient": [
            item("book/test_pages.py", page="02_policy_gradient"),
            item("book/test_pages.py", name="02_policy_gradient", exercise=None),
            item("book/test_02_policy_gradient.py"),
            item("book/test_02_policy_gradient.py", larger=1),
        ],
        "mutants baselines": [item("generate/test_mutants.py", chapter=CHAPTERS[2])],
        "support/test_gpt2.py": [
            item("support/test_gpt2.py", size=1),
            item("support/test_gpt2.py"),
        ],
    }.items(),
    ids=["exercise", "page", "mutants", "file"],
)
def test_what_shares_work_is_in_one_group(group: str, items: list[pytest.Item]) -> None:
    assert {group_of(each) for each in items} == {group}
