"""The page of chapter 8: what it says is what it measures."""

import pytest


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("08_ppo", "ppo-")


@pytest.mark.slow
def test_the_film_is_on_the_page_with_a_label_and_a_poster(executed):
    htmls = [
        output["data"]["text/html"]
        for cell in executed("08_ppo").cells
        for output in cell.get("outputs", ())
        if "<video" in output.get("data", {}).get("text/html", "")
    ]
    assert len(htmls) == 1
    assert "aria-label=" in htmls[0] and "data:video/mp4;base64," in htmls[0]
    assert "poster=" in htmls[0] and "http" not in htmls[0]


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("three-clip-best", 400, 500),
    ("three-penalty-best", 400, 500),
    ("three-neither-last", 9, 350),
    ("three-neither-median", 0.05, 2),
    ("three-clip-median", 0.001, 0.015),
    ("three-penalty-median", 0.001, 0.015),
    ("three-clip-largest", 0, 0.1),
    ("three-neither-largest", 1, 50),
    ("widget-value-0", 1.2, 1.2001),
    ("widget-slope-0", 0, 0),
    ("widget-slope-1", 0.999, 1.001),
    ("widget-slope-2", -1.001, -0.999),
    ("widget-slope-3", 0, 0),
    ("map-flat", 30, 40),
    ("kl-plain-negative", 10, 25),
    ("kl-quieter", 7, 14),
    ("study-right", 280, 480),
    ("study-critic-lag", 3, 10),
    ("study-right-lag", 0, 2),
    ("cartpole-worst", 475, 500),  # solved, all five
    ("cartpole-longest", 30, 82),
    ("cartpole-greedy", 450, 500),
    ("cartpole-clipped", 0.01, 0.15),  # "around a tenth"
    ("cartpole-kl", 0.001, 0.01),  # "around 0.01 or below"
    ("acrobot-worst", -100, -60),  # solved, all five
    ("acrobot-longest", 30, 150),
    ("film-after", 40, 99),
    ("film-before", 100, 100),
    ("old-bug-clipped", 0, 0),  # "exactly zero"
    ("old-bug-reported", 0, 0),
    ("old-bug-moved", 0.5, 20),
    ("old-right-moved", 0.001, 0.05),
    ("rows-bug-kl", 0.0001, 0.02),  # "nothing alarming"
    ("side-1.5-1.0", 0, 1e-6),
    ("side-0.5-1.0", 0, 1e-6),
    ("side-1.5--1.0", 0.299, 0.301),
    ("side-0.5--1.0", 0.299, 0.301),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("three-neither-last", "three-clip-last", 100),
    ("three-neither-last", "three-penalty-last", 100),
    ("three-clip-median", "three-neither-median", 0.05),
    ("study-critic", "study-right", 10),
    ("study-right-lag", "study-critic-lag", 2),
    ("kl-better-std", "kl-plain-std", 0.005),
    ("rows-bug", "rows-right", 50),
    ("old-right-moved", "old-bug-moved", 0.5),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap
