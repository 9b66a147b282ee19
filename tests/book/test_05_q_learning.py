"""The page of chapter 5: what it must contain, and that what it says is what it measures."""

import re
from pathlib import Path

import pytest

from autograder.checks.q_learning import EXERCISES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "05_q_learning.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEADINGS = [
    "From a table to a network",
    "The loss",
    "Learning from the past: replay",
    "A target that stands still",
    "Exploring less and less",
    "A world whose answer is known",
    "The largest of several guesses",
    "Double DQN",
    "CartPole: what each part is for",
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
    assert len(figures) == 4
    for cell in figures:
        head = cell.split("\n---\n")[0]
        assert re.search(r"alt: \S.{60,}", head)
        assert re.search(r"name: fig-ql-\S+", head)
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
    return lent("05_q_learning", "ql-")


@pytest.mark.slow
def test_every_quoted_value_is_measured(measured):
    quoted = set(re.findall(r"\{glue:text\}`([\w-]+)", TEXT))
    assert quoted <= {f"ql-{name}" for name in measured}


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("lake-first", 0.5, 1.5),
    ("lake-last", 0, 0.01),
    ("lake-start", 0.59, 0.5905),  # 0.9 to the fifth
    ("bug-right", 0, 0.01),
    ("bug-termination", 0.8, 3),  # "errors as large as the values themselves"
    ("bug-gamma", 0.3, 1.2),
    ("bug-mean", 0.5, 1),
    ("bug-broadcast", 0.6, 1.2),
    ("bug-copy", 0.005, 0.2),  # "not far from right"
    ("bug-gradient", 0, 0.001),  # "perfect"
    ("max-2", 0.56, 0.57),
    ("max-10", 1.53, 1.55),
    ("left-plain-peak", 92, 98),  # "95 percent"
    ("left-double-peak", 48, 58),
    ("left-plain-50", 75, 90),
    ("left-double-50", 8, 20),
    ("left-plain-end", 7, 18),
    ("over-dqn-2", 0.1, 0.6),
    ("over-double-2", -0.15, 0.2),
    ("over-dqn-10", 0.6, 1.6),
    ("over-double-10", 0.2, 0.8),
    ("cart-bound", 99.9, 100.1),
    ("cart-dqn-best", 110, 350),
    ("cart-double-dqn-best", 110, 350),
    ("cart-no-replay-best", 60, 220),
    ("cart-no-target-best", 10, 60),  # "below 30"; an ε-greedy start gives about 22
    ("cart-no-target-value", 1e4, 1e9),
    ("cart-dqn-value", 5, 100),
    ("cart-no-replay-value", 3, 100),  # "values stayed sane"
    ("salary-right", 9.5, 10.3),
    ("salary-clock", 6.8, 8.2),  # 7.5 by balance of the slopes
    ("salary-reset", 7.8, 8.8),  # 8.33
    ("salary-square", 3.57, 3.58),
    ("icy-live", 0.25, 0.6),
    ("icy-right", 0, 0.2),
    ("icy-largest", 0.63, 0.65),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("bug-gradient", "bug-copy", 0.003),
    ("over-double-2", "over-dqn-2", 0.08),
    ("over-double-10", "over-dqn-10", 0.2),
    ("left-double-50", "left-plain-50", 50),
    ("cart-no-target-best", "cart-no-replay-best", 20),
    ("cart-no-replay-best", "cart-dqn-best", 10),
    ("cart-no-replay-end", "cart-no-replay-best", 20),  # "what it had, it loses again"
    ("salary-clock", "salary-right", 1),
    ("salary-square", "salary-clock", 2),
    ("icy-right", "icy-live", 0.15),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap
