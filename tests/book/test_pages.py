"""What the narrative page of every chapter must have; what each one says is tested in a file of its own."""

import re
from pathlib import Path

import pytest

from autograder.checks.registry import specs
from rlcourse.chapters import CHAPTERS

ROOT = Path(__file__).resolve().parents[2]
LAST = ["Silent bugs", "Check yourself", "Recap", "Further reading", "Next"]
EXERCISES = [(chapter.page, each) for chapter in CHAPTERS for each in specs(chapter.module)]
FOLDED = re.compile(r"^:?tags: \[.*(remove-|hide-)", re.MULTILINE)
WIDEST = 130
"""Columns of a line of shown code; further on it must be scrolled even on a desktop."""
SETTINGS = {
    "02_policy_gradient": {"0.05", "0.01"},
    "03_baselines": {"0.01"},
    "04_value_functions": {"0.05"},
    "06_actor_critic": {"0.95"},
    "07_off_policy": {"0.05"},
    "08_ppo": {"0.01"},
    "10_reward_model": {"1.00"},
}
"""Numbers with two decimals that may be typed: costs, step sizes, customs; chosen and not found."""


class PageText:
    """A page, taken apart."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (ROOT / "book" / f"{name}.md").read_text(encoding="utf-8")
        fences = re.DOTALL | re.MULTILINE
        self.cells = re.findall(r"^```\{code-cell\} python\n(.*?)^```$", self.text, fences)
        self.prose = re.sub(r"^```.*?^```$", "", self.text, flags=fences)
        self.quizzes = re.findall(r"^::::\{quiz\}\n(.*?)^::::$", self.text, fences)
        self.quoted = set(re.findall(r"\{glue:text\}`([^:`]+)", self.text))

    def section(self, heading: str) -> str:
        return self.text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


@pytest.fixture(params=[chapter.page for chapter in CHAPTERS])
def page(request: pytest.FixtureRequest) -> PageText:
    return PageText(request.param)


def test_the_last_sections_are_the_same_everywhere(page: PageText) -> None:
    assert re.findall(r"^## (.*)$", page.prose, re.MULTILINE)[-len(LAST) :] == LAST


@pytest.mark.parametrize(
    ("name", "exercise"), EXERCISES, ids=lambda each: getattr(each, "number", each)
)
def test_each_exercise_is_linked_from_the_section_it_names(name, exercise) -> None:
    label = f"(#exercise-{exercise.number.replace('.', '-')})"
    assert label in PageText(name).section(exercise.section)


def test_each_figure_has_alt_text_a_caption_and_a_name(page: PageText) -> None:
    figures = [cell for cell in page.cells if re.search(r"= (figure|panels)\(", cell)]
    assert len(figures) >= 2
    for cell in figures:
        head = cell.split("\n---\n")[0]
        assert re.search(r"alt: \S.{60,}", head)
        assert re.search(r"name: fig-[a-z]+-\S+", head)
        assert re.search(r"caption: \|\n\s+\S.{40,}", head)


OTHER_SPELLINGS = re.compile(
    r"\b\w*(?:(?:optim|minim|maxim|normal|initial|general|regular|standard|stabil|recogn|summar)is"
    r"(?:e|es|ed|ing|er|ers|ation|ations)|(?:behavi|col|fav|neighb)or\w*)\b"
)


def test_spelling_is_british_with_ize(page: PageText) -> None:
    prose = re.sub(r"`[^`]*`", "", page.prose)
    assert OTHER_SPELLINGS.findall(prose) == []


def test_names_of_a_page_share_a_prefix_that_no_other_page_has(page: PageText) -> None:
    (prefix,) = {name.split("-")[0] for name in page.quoted}
    others = [PageText(chapter.page) for chapter in CHAPTERS if chapter.page != page.name]
    assert all(not name.startswith(f"{prefix}-") for other in others for name in other.quoted)


def test_quizzes_explain_every_answer_and_do_not_hide_the_right_one_in_one_place(
    page: PageText,
) -> None:
    assert len(page.quizzes) >= 6
    places = set()
    for quiz in page.quizzes:
        answers = re.split(r"^- \[", quiz, flags=re.MULTILINE)[1:]
        assert len(answers) >= 3
        places |= {i for i, answer in enumerate(answers) if answer.startswith("x")}
        assert all(re.search(r"\n\n  \S", answer) for answer in answers)
    assert len(places) >= 3


def test_silent_bugs_are_guessed_before_they_are_told(page: PageText) -> None:
    *questions, _ = page.section("Silent bugs").split("{dropdown} What happens")
    assert len(questions) >= 3
    assert all(len(question) > 100 for question in questions)


def test_lines_of_shown_code_fit_the_page(page: PageText) -> None:
    shown = [cell for cell in page.cells if not FOLDED.search(cell)]
    assert not [line for cell in shown for line in cell.splitlines() if len(line) > WIDEST]


def test_a_result_is_never_typed(page: PageText) -> None:
    """Outside formulas, code and what stands in for a widget, two decimals come from a cell."""
    outside = re.sub(r"^:::\{widget\}.*?^:::$", "", page.prose, flags=re.DOTALL | re.MULTILINE)
    outside = outside.split("---\n", 2)[2]
    words = re.sub(r"\$.*?\$|`[^`]*`|\{[^}]*\}`[^`]*`", "", outside, flags=re.DOTALL)
    typed = set(re.findall(r"\d+\.\d\d+", words.split("::::{quiz}")[0]))
    assert typed <= SETTINGS.get(page.name, set())


@pytest.mark.slow
def test_every_quoted_value_is_measured(page: PageText, lent) -> None:
    assert page.quoted <= set(lent(page.name, ""))
