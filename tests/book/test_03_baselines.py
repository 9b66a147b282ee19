"""The page of chapter 3: what it must contain, and that what it says is what it measures.

The numbers that the text quotes are read back from an execution. Exact ones are asserted tightly;
margins of sampled ones are wide, seen to hold over other seeds.
"""

import re
from pathlib import Path

import pytest

from autograder.checks.baselines import EXERCISES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "03_baselines.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEADINGS = [
    "One subtraction",
    "The variance of a vector",
    "One gradient a trajectory",
    "The mean of the batch",
    "Leave one out",
    "The best baseline",
    "A baseline for each state",
    "One reward at the end",
    "What a baseline must not know",
    "Standardized advantages",
    "Learning curves",
    "Silent bugs",
    "Check yourself",
    "Recap",
    "Further reading",
    "Next",
]
CELLS = re.findall(r"^```\{code-cell\} python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
QUIZZES = re.findall(r"^::::\{quiz\}\n(.*?)^::::$", TEXT, re.DOTALL | re.MULTILINE)
WIDGET = re.search(
    r"^:::\{widget\} rl-baseline-variance\n(.*?)^:::$", TEXT, re.DOTALL | re.MULTILINE
)


def test_headings_in_order():
    assert re.findall(r"^## (.*)$", PROSE, re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)
def test_each_exercise_is_linked_from_the_section_it_names(exercise):
    section = TEXT.split(f"\n## {exercise.section}\n")[1].split("\n## ")[0]
    assert f"(#exercise-{exercise.number.replace('.', '-')})" in section


def test_each_figure_has_alt_text_a_caption_and_a_name():
    figures = [cell for cell in CELLS if re.search(r"\b(figure|panels)\(\d", cell)]
    assert len(figures) == 5
    for cell in figures:
        head = cell.split("\n---\n")[0]
        assert re.search(r"alt: \S.{60,}", head)
        assert re.search(r"name: fig-vb-\S+", head)
        assert re.search(r"caption: \|\n\s+\S.{40,}", head)


def test_quizzes_explain_every_answer_and_do_not_hide_the_right_one_in_one_place():
    assert len(QUIZZES) >= 6
    places = set()
    for quiz in QUIZZES:
        answers = re.split(r"^- \[", quiz, flags=re.MULTILINE)[1:]
        assert len(answers) >= 3
        places |= {i for i, answer in enumerate(answers) if answer.startswith("x")}
        assert all(re.search(r"\n\n  \S", answer) for answer in answers)
    assert len(places) >= 3


def test_silent_bugs_are_guessed_before_they_are_told():
    bugs = TEXT.split("\n## Silent bugs\n")[1].split("\n## ")[0].split("\n### ")[1:]
    assert len(bugs) == 5
    for bug in bugs:
        assert re.search(
            r"^```python\n.*?^```\n.*?\?.*?hide-output.*?:::\{dropdown\}", bug, re.S | re.M
        )


def test_lines_of_shown_code_fit_the_page():
    folded = re.compile(r"tags: \[(remove-cell|hide-input)\]")
    shown = [cell for cell in CELLS if not folded.search(cell)]
    assert len(shown) > 15
    assert not [line for cell in shown for line in cell.splitlines() if len(line) > 83]


def test_a_result_is_never_typed():
    """Outside formulas, code, settings and the widget's table, which is checked below."""
    words = PROSE.replace(WIDGET.group(0), "")
    words = re.sub(r"\$.*?\$|`[^`]*`|\{[^}]*\}`[^`]*`", "", words, flags=re.DOTALL)
    assert set(re.findall(r"\d+\.\d\d+", words.split("::::{quiz}")[0])) <= {"0.01"}  # a step size


def test_the_table_in_the_widget_is_right():
    rows = re.findall(r"^\| ([\d.]+)[^|]*\| ([\d.]+) \|$", WIDGET.group(1), re.MULTILINE)
    p, r = (0.6, 0.3, 0.1), (9.0, 10.0, 12.0)
    mean = sum(a * b for a, b in zip(p, r, strict=True))
    squares = [1 - 2 * a + sum(b * b for b in p) for a in p]
    exact = sum((a * (b - mean)) ** 2 for a, b in zip(p, r, strict=True))
    assert len(rows) == 5
    for b, variance in rows:
        found = (
            sum(a * s * (x - float(b)) ** 2 for a, s, x in zip(p, squares, r, strict=True)) - exact
        )
        assert float(variance) == pytest.approx(found, rel=0.01)


def quoted():
    return set(re.findall(r"\{glue:text\}`([\w-]+)", TEXT))


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("03_baselines", "vb-")


@pytest.mark.slow
def test_every_quoted_value_is_measured(measured):
    assert quoted() <= {f"vb-{name}" for name in measured}


EQUALITIES = [
    "share-error",
    "loo-error",
    "walk-difference",
    "ladder-bias",
    "end-bias",
    "end-same",
    "knows-v-bias",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", EQUALITIES)
def test_what_is_said_to_be_equal_is_equal(measured, name):
    assert abs(measured[name]) < 1e-12


# name, least, most: the text would be wrong outside
CLAIMS = [
    # exact: worked out without any random number, or from a fixed world
    ("bandit-none", 56.3, 56.5),
    ("bandit-mean", 0.62, 0.63),
    ("bandit-gain", 90, 91),
    ("best", 10.17, 10.18),
    ("best-variance", 0.44, 0.45),
    ("best-taken", 0.99, 1),
    ("share-2", 0.499999, 0.500001),
    ("share-4", 0.749999, 0.750001),
    ("loo-ratio", 0.749999, 0.750001),
    ("ladder-to-go", 0.385, 0.395),
    ("ladder-value", 0.00175, 0.00185),
    ("ladder-constant", 0.0036, 0.0037),
    ("ladder-advantage", 0.00024, 0.00026),
    ("ladder-worth", 500, 600),
    ("end-whole", 23.05, 23.15),
    ("end-to-go", 23.95, 24.05),
    ("end-prefix", 6.15, 6.25),
    ("end-prompt", 6.8, 6.9),
    ("group-mean", 22.9, 23.1),
    ("group-4", 9.6, 9.7),
    ("group-v-prompt", 7.0, 7.05),
    ("knows-q-bias", 1 - 1e-9, 1 + 1e-9),  # "a mean gradient of zero"
    ("knows-bonus-bias", 0.3, 0.45),
    ("part-plain", 0.03, 0.07),
    ("part-divided", 0.45, 0.6),
    ("part-cosine", 0.6, 0.8),
    # sampled
    ("sampled-ratio", 0.9, 1.1),
    ("best-sampled", 10.1, 10.3),
    ("slope-return", -1.25, -0.75),  # 1/n
    ("slope-reward-to-go", -1.25, -0.75),
    ("slope-mean", -1.25, -0.75),
    ("slope-value", -1.25, -0.75),
    ("cart-reward-to-go", 0.3, 0.8),
    ("cart-mean", 0.02, 0.4),
    ("cart-value", 0.01, 0.2),
    ("cart-length", 100, 450),  # "half trained"
    ("run-nothing", 280, 440),
    ("run-mean", 440, 500),
    ("run-value", 465, 500),
    ("run-nothing-min", 50, 280),
    ("run-value-min", 380, 500),
    ("run-nothing-400", 3, 13),  # over three blocks of seeds: 6, 10, 6
    ("run-mean-400", 15, 20),  # 18, 20, 18
    ("run-value-400", 18, 20),  # 20, 20, 20
    ("axis-right", 8.7, 10.6),  # exactly 9.7
    ("axis-wrong", 70, 95),
    ("axis-right-share", 0.9, 1.1),
    ("axis-wrong-share", 0.85, 1.15),  # "no bias"
    ("pad-share", 0.2, 0.7),
    ("pad-0", 0.2, 2),
    ("own-share", 0.3, 0.85),
    ("other-share", 0.9, 1.1),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("cart-value", "cart-mean", 0.005),  # the lines of the figure, from below
    ("cart-mean", "cart-reward-to-go", 0.1),
    ("end-whole", "end-to-go", 0.5),  # "it is even a little worse"
    ("group-v-prefix", "group-v-prompt", 0.1),
    ("group-32", "group-8", 0.1),
    ("group-8", "group-4", 0.1),
    ("group-4", "group-2", 0.1),
    ("group-2", "group-mean", 1),
    ("group-mean", "group-no", 1),
    ("group-no", "axis-wrong", 10),  # "even more than with no baseline at all"
    ("knows-q", "knows-v", 1),
    ("pad-0", "pad-500", 0.1),
    ("pad-500", "pad-5000", 0.1),
    ("pad-5000", "pad-none", 0),
    ("run-nothing", "run-mean", 40),
    ("run-mean", "run-value", 0),
    ("run-nothing-min", "run-value-min", 100),
    ("free-min", "run-value-min", 50),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap


@pytest.mark.slow
def test_a_group_of_four_is_nearer_to_a_perfect_critic_than_to_the_batch(measured):
    to_critic = measured["group-4"] - measured["group-v-prefix"]
    assert to_critic < measured["group-mean"] - measured["group-4"]


@pytest.mark.slow
def test_the_interquartile_mean_hides_what_the_worst_seed_shows(measured):
    assert measured["run-value"] - measured["free"] < 40
