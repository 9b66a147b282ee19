"""The page of chapter 9: what it must contain, and that what it says is what it measures."""

import re
from pathlib import Path

import pytest

from autograder.checks.language_policy import EXERCISES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "09_language_policy.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEADINGS = [
    "Text as states and actions",
    "Where a response begins and ends",
    "How probable a text is",
    "Means over ragged rows",
    "Sampling a response",
    "Supervised fine-tuning",
    "Exposure bias",
    "How far from the reference",
    "A penalty with the right gradient",
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
    assert len(figures) == 4
    for cell in figures:
        head = cell.split("\n---\n")[0]
        assert re.search(r"alt: \S.{60,}", head)
        assert re.search(r"name: fig-lp-\S+", head)
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
    return lent("09_language_policy", "lp-")


@pytest.mark.slow
def test_every_quoted_value_is_measured(measured):
    quoted = set(re.findall(r"\{glue:text\}`([\w-]+)", TEXT))
    assert quoted <= {f"lp-{name}" for name in measured}


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("weights", 1.0, 1.1),  # "one million weights"
    ("vocabulary", 2048, 2048),
    ("ppl-human", 40, 110),
    ("rescored", 0, 1e-5),
    ("read-cached", 29, 29),
    ("read-naive", 390, 400),
    ("examples", 500, 900),
    ("after-ended", 70, 100),  # "most have stopped"
    ("after-distinct", 0.7, 1),
    ("judge", 0.5, 0.7),
    ("exposure-ratio", 1.4, 1.7),  # "about one and a half times as much"
    ("exposure-people", 0.08, 0.12),  # "stays near a tenth"
    ("near-k1-bias", -1e-12, 1e-12),
    ("near-k3-bias", -1e-12, 1e-12),
    ("far-k3-bias", -1e-12, 1e-12),
    ("gradient-k1", 1 - 1e-9, 1 + 1e-9),
    ("gradient-k2", 0, 1e-12),
    ("gradient-k3", 0.3, 0.7),
    ("gradient-near-k3", 0.01, 0.1),  # "nearly the same"
    ("pulled-start", 0.65, 0.75),
    ("pulled-k2", 0, 0.05),
    ("pulled-k3", 0, 0.05),
    ("parrot-loss", 0, 0.8),
    ("cool-ratio", 0.9, 1.2),  # "looks innocent"
    ("cool-outside", 50, 100),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("ppl-human", "ppl-shuffled", 80),
    ("after-loss", "before-loss", 0.02),
    ("before-ended", "after-ended", 20),
    ("after-length", "before-length", 2),
    ("before-rating", "after-rating", 0.02),  # "a little friendlier"
    ("after-rating", "demonstrated-rating", 0.2),
    ("endless", "after-ended", 25),
    ("parrot-distinct", "after-distinct", 0.3),
    ("exposure-people", "exposure-itself", 0.03),
    ("near-k3-spread", "near-k1-spread", 0.1),
    ("far-k1-spread", "far-k3-spread", 5),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap


@pytest.mark.slow
def test_k3_is_ten_times_less_noisy_near_the_reference(measured):
    assert 8 < measured["near-k1-spread"] / measured["near-k3-spread"] < 12


@pytest.mark.slow
def test_k1_holds_nothing(measured):
    assert measured["pulled-k1"] == pytest.approx(measured["pulled-start"], rel=1e-9)
