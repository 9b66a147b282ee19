"""The page of chapter 4: what it must contain, and that what it says is what it measures.

The numbers that the text quotes are read back from an execution. Their margins are wide: each was
seen to hold over several seeds (``tests/recipes/test_value_functions.py`` uses others).
"""

import re
from pathlib import Path

import pytest

from autograder.checks.value_functions import EXERCISES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "04_value_functions.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEADINGS = [
    "What a state is worth",
    "The Bellman equation",
    "Monte Carlo: wait and average",
    "Temporal difference: learn a guess from a guess",
    "Which of the two is right?",
    "Between the two: n steps",
    "Control: SARSA, expected SARSA, Q-learning",
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
    assert len(figures) == 8
    for cell in figures:
        head = cell.split("\n---\n")[0]
        assert re.search(r"alt: \S.{60,}", head)
        assert re.search(r"name: fig-vf-\S+", head)
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


def test_lines_of_shown_code_fit_the_page():
    shown = [
        c for c in CELLS if not re.search(r"^:?tags: \[.*(remove-|hide-input)", c, re.MULTILINE)
    ]
    assert max(len(line) for cell in shown for line in cell.splitlines()) <= 82


def quoted():
    return set(re.findall(r"\{glue:text\}`([\w.-]+)", TEXT))


def test_a_result_is_never_typed():
    """Outside formulas, code and the table inside the widget, two decimals come from a cell."""
    outside = re.sub(r"^:::\{widget\}.*?^:::$", "", PROSE, flags=re.DOTALL | re.MULTILINE)
    words = re.sub(r"\$.*?\$|`[^`]*`|\{[^}]*\}`[^`]*`", "", outside, flags=re.DOTALL)
    typed = set(re.findall(r"\d+\.\d\d+", words.split("::::{quiz}")[0]))
    assert typed <= {"0.05"}, typed  # a step size


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("04_value_functions", "vf-")


@pytest.mark.slow
def test_a_figure_shows_nothing_but_the_figure(executed):
    """Another output, such as what the last line returns, would be a second figure of that name."""
    cells = executed("04_value_functions").cells
    figures = [cell for cell in cells if "mystnb" in cell.metadata]
    assert len(figures) == 8
    assert max(len(cell.outputs) for cell in figures) == 1


@pytest.mark.slow
def test_every_quoted_value_is_measured(measured):
    assert quoted() <= {f"vf-{name}" for name in measured}


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("cat-t", 0.33124, 0.33126),
    ("ca-x", -0.169, -0.168),
    ("sweeps", 10, 60),
    ("walk-error", 0, 1e-12),
    ("td-best-50", 0.045, 0.057),  # the syllabus: .050 against .097
    ("mc-best-50", 0.085, 0.115),
    ("first-episode", 1, 1),  # "the first episode changed 1 value"
    ("td-05-10", 0.165, 0.185),
    ("td-15-10", 0.085, 0.105),
    ("td-15-100", 0.06, 0.085),
    ("predictor-mc", 0, 0),
    ("predictor-td", 0.745, 0.751),
    ("predictor-world", 0.75, 0.75),
    ("batch-td-50", 0.04, 0.065),
    ("batch-mc-50", 0.068, 0.095),
    ("batch-mc-100", 0.04, 0.065),
    ("best-n-1", 1, 1),
    ("best-n-10", 22, 24),
    ("best-n-1000", 70, 74),
    ("bias-1", 0.12, 0.121),
    ("bias-64", 0.004, 0.005),
    ("sd-1", 0.053, 0.055),
    ("sd-64", 0.29, 0.295),
    ("exact-sd-1", 0.049, 0.051),
    ("n-best", 4, 4),
    ("alpha-best", 0.3, 0.5),
    ("n-error", 0.12, 0.147),
    ("n1-error", 0.16, 0.185),
    ("n256-error", 0.22, 0.27),
    ("cliff-q_learning", -57, -43),  # the syllabus: -49
    ("cliff-sarsa", -33, -23),  # the syllabus: -28.5
    ("cliff-expected_sarsa", -24, -18),
    ("cliff-path-q_learning", 13, 13),
    ("cliff-path-expected_sarsa", 15, 17),
    ("cliff-path-sarsa", 15, 21),
    ("interim-expected_sarsa", -55, -38),
    ("interim-sarsa", -90, -58),
    ("interim-q_learning", -95, -60),
    ("end-0.5", 0.85, 1.1),
    ("end-0", 0.4, 0.6),
    ("end-error-0.5", 0, 0.02),  # "the TD errors cancel as well as before"
    ("end-error-0", 0, 0.02),
    ("clock-0.9", 9.9, 10.01),
    ("clock-0", 3.2, 3.9),
    ("leak-4-right", 0.002, 0.04),
    ("leak-4-leaky", 0.03, 0.1),
    ("ties-shared", 0.12, 0.4),
    ("ties-first", 0, 0.05),
    ("ties-first-nothing", 14, 20),
    ("lake-1-promised", 1 - 1e-6, 1 + 1e-6),
    ("lake-1", 0, 0),  # "it arrives in 0.0 %"
    ("lake-ever", 0, 0),
    ("lake-0.999", 88, 89.2),
    ("lake-possible", 91.31, 91.33),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# smaller, larger
ORDERS = [
    ("td-best-50", "mc-best-50"),
    ("batch-td-50", "batch-mc-50"),
    ("n-error", "n1-error"),
    ("n-error", "n256-error"),
    ("td-15-10", "td-05-10"),
    ("cliff-q_learning", "cliff-sarsa"),
    ("cliff-sarsa", "cliff-expected_sarsa"),
    ("cliff-path-q_learning", "cliff-path-expected_sarsa"),
    ("interim-sarsa", "interim-expected_sarsa"),
    ("interim-q_learning", "interim-expected_sarsa"),
    ("leak-4-right", "leak-4-leaky"),
    ("ties-first", "ties-shared"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("smaller", "larger"), ORDERS, ids=[" ".join(pair) for pair in ORDERS])
def test_what_is_said_to_be_less_is_less(measured, smaller, larger):
    assert measured[smaller] < measured[larger]


@pytest.mark.slow
def test_one_step_returns_do_not_notice_the_leak(measured):
    assert measured["leak-1-right"] == measured["leak-1-leaky"]


@pytest.mark.slow
def test_td_wins_every_batch(measured):
    """Except the first: from one episode both learn the same."""
    assert measured["batch-wins"] >= measured["batch-points"] - 1
