"""The page of chapter 10: what it must contain, and that what it says is what it measures."""

import re
from pathlib import Path

import pytest

from autograder.checks.reward_model import EXERCISES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "10_reward_model.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEADINGS = [
    "What people said",
    "The human ceiling",
    "From comparisons to a score",
    "A language model with one more number",
    "All pairs at once",
    "How many comparisons",
    "How sure may it be",
    "The zero of the scale",
    "A leak",
    "A taste for length",
    "Two judges",
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
    figures = [cell for cell in CELLS if re.search(r"\b(figure|panels)\((\d|width)", cell)]
    assert len(figures) == 3
    for cell in figures:
        head = cell.split("\n---\n")[0]
        assert re.search(r"alt: \S.{60,}", head)
        assert re.search(r"name: fig-rm-\S+", head)
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


def test_every_quoted_value_is_closed():
    assert not re.search(r"\{glue:text\}`[^`\n]*[}\s]", TEXT)


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("10_reward_model", "rm-")


@pytest.mark.slow
def test_every_quoted_value_is_measured(measured):
    quoted = set(re.findall(r"\{glue:text\}`([\w-]+)", TEXT))
    assert quoted <= {f"rm-{name}" for name in measured}


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("ties", 12, 17),
    ("ceiling", 0.81, 0.85),  # measured .831
    ("half", 0.88, 0.93),
    ("raters-100", 0.5, 0.58),  # "little more than a coin"
    ("raters-100k", 0.70, 0.74),
    ("accuracy", 0.68, 0.74),
    ("judge-accuracy", 0.68, 0.74),
    ("largest-gap", 0, 0.035),  # "nearly as good as means"
    ("leak", 0.89, 0.97),  # "far beyond the human ceiling"
    ("honest", 0.55, 0.68),
    ("truly", 0.6, 0.68),
    ("first-right", 0.4, 0.6),  # "a coin"
    ("mean-after", -0.3, 0.3),
    ("length-left", -0.2, -0.02),  # "a slight taste for the short"
    ("good-not", 0.3, 1.4),  # "well above the average snippet"
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("ceiling", "leak", 0.05),
    ("truly", "leak", 0.2),
    ("way-pairs", "way-all", 0.003),
    ("raters-100", "raters-1k", 0.04),
    ("raters-1k", "raters-10k", 0.04),
    ("accuracy", "ceiling", 0.08),
    ("accuracy", "together", 0.03),
    ("dull", "lovely", 0.5),
    ("best-people", "best-rm", 0.3),
    ("best-judge", "best-rm", 0.3),
    ("gap-half", "gap-hundredth", 0.2),
    ("disliked", "liked", 0.5),
    ("good-not", "good-once", 0.3),
    ("good-once", "good-often", 0.1),
    ("best-people", "best-judge", 0.4),
    ("best-words", "best-judge", 0.4),
    ("sure-right", "sure-said", 3),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap
