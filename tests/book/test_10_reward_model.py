"""The page of chapter 10: what it says is what it measures."""

import pytest


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("10_reward_model", "rm-")


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
    ("length-left", 0.02, 0.2),  # "a slight taste for the long"
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
    ("best-judge", "best-rm", 0.2),
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
