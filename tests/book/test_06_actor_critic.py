"""The page of chapter 6: what it must contain, and that what it says is what it measures."""

import re
from pathlib import Path

import pytest

from autograder.checks.actor_critic import EXERCISES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "06_actor_critic.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEADINGS = [
    "One step of hindsight",
    "Between one step and all of them",
    "Two losses, two stop-gradients",
    "Keeping it undecided: entropy",
    "Is the critic any good?",
    "One update",
    "The ladder of probes",
    "Three agents, one budget",
    "Silent bugs",
    "Check yourself",
    "Recap",
    "Further reading",
    "Next",
]
CELLS = re.findall(r"^```\{code-cell\} python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
QUIZZES = re.findall(r"^::::\{quiz\}\n(.*?)^::::$", TEXT, re.DOTALL | re.MULTILINE)


def test_headings_in_order():
    assert re.findall(r"^## (.*)$", PROSE, re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)
def test_each_exercise_is_linked_from_the_section_it_names(exercise):
    section = TEXT.split(f"\n## {exercise.section}\n")[1].split("\n## ")[0]
    assert f"(#exercise-{exercise.number.replace('.', '-')})" in section


def test_each_figure_has_alt_text_a_caption_and_a_name():
    figures = [cell for cell in CELLS if re.search(r"\b(figure|panels)\(\d", cell)]
    assert len(figures) == 2
    for cell in figures:
        head = cell.split("\n---\n")[0]
        assert re.search(r"alt: \S.{60,}", head)
        assert re.search(r"name: fig-ac-\S+", head)
        assert re.search(r"caption: \|\n\s+\S.{40,}", head)


def test_quizzes_explain_every_answer_and_do_not_hide_the_right_one_in_one_place():
    assert len(QUIZZES) >= 6
    places = set()
    for quiz in QUIZZES:
        answers = re.split(r"^- \[", quiz, flags=re.MULTILINE)[1:]
        assert len(answers) >= 3
        assert sum(answer.startswith("x") for answer in answers) == 1
        places |= {i for i, answer in enumerate(answers) if answer.startswith("x")}
        assert all(re.search(r"\n\n  \S", answer) for answer in answers)
    assert len(places) >= 3


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("06_actor_critic", "ac-")


@pytest.mark.slow
def test_every_quoted_value_is_measured(measured):
    quoted = set(re.findall(r"\{glue:text\}`([\w-]+)", TEXT))
    assert quoted <= {f"ac-{name}" for name in measured}


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("delta-right", 0, 1e-12),
    ("delta-wrong", 0.2, 0.6),  # "about as large as the advantages"
    ("advantage-size", 0.2, 0.6),
    ("best-lambda-good", 0.05, 0.3),
    ("best-lambda-middle", 0.3, 0.6),
    ("best-lambda-bad", 0.6, 0.9),
    ("bias-one", 0, 1e-20),
    ("ladder-right", 0, 0.15),
    ("ladder-critic-first", 1, 1),
    ("ladder-rows-first", 2, 2),
    ("ladder-gamma-first", 3, 3),
    ("ladder-actor-first", 4, 4),
    ("ladder-critic-policy", 0, 0.15),  # "the policies of the last two rungs are fine"
    ("a2c-explained", -0.1, 0.2),  # "hardly better than a constant"
    ("a2c-updates", 110, 125),
    ("agents-plain", 250, 500),
    ("agents-baseline", 350, 500),
    ("agents-a2c", 180, 470),
    ("salary-right", 9.5, 10.5),
    ("salary-bug", 2, 6),
    ("leak-share", 20, 80),
    ("leak-size", 5, 30),
    ("leak-typical", 1, 6),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("best-lambda-good", "best-lambda-middle", 0.05),
    ("best-lambda-middle", "best-lambda-bad", 0.05),
    ("error-best-bad", "error-zero-bad", 0.02),
    ("error-best-bad", "error-one-bad", 0.05),
    ("error-best-good", "error-best-middle", 0.01),
    ("error-best-middle", "error-best-bad", 0.02),
    ("agents-a2c", "agents-baseline", 20),  # "the critic did not win"
    ("leak-typical", "leak-size", 2),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap
