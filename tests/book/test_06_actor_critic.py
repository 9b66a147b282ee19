"""The page of chapter 6: what it says is what it measures."""

import pytest


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("06_actor_critic", "ac-")


@pytest.mark.slow
def test_the_film_is_on_the_page_with_a_label_and_a_poster(executed):
    htmls = [
        output["data"]["text/html"]
        for cell in executed("06_actor_critic").cells
        for output in cell.get("outputs", ())
        if "<video" in output.get("data", {}).get("text/html", "")
    ]
    assert len(htmls) == 1
    assert "aria-label=" in htmls[0] and "data:video/mp4;base64," in htmls[0]
    assert "poster=" in htmls[0] and "http" not in htmls[0]


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
    ("film-before", 5, 60),  # "drops the pole"
    ("film-after", 100, 200),
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
