"""The page of chapter 5: what it says is what it measures."""

import pytest


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("05_q_learning", "ql-")


@pytest.mark.slow
def test_the_film_is_on_the_page_with_a_label_and_a_poster(executed):
    htmls = [
        output["data"]["text/html"]
        for cell in executed("05_q_learning").cells
        for output in cell.get("outputs", ())
        if "<video" in output.get("data", {}).get("text/html", "")
    ]
    assert len(htmls) == 1
    assert "aria-label=" in htmls[0] and "data:video/mp4;base64," in htmls[0]
    assert "poster=" in htmls[0] and "http" not in htmls[0]


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
    ("film-before", 5, 60),  # "drops the pole"
    ("film-after", 100, 200),
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
