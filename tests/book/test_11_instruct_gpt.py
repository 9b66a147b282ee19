"""The page of chapter 11: what it says is what it measures."""

import pytest


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return {**lent("11_instruct_gpt", "ig-"), "even": 50.0}


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("accuracy", 0.66, 0.75),  # "wrong in three pairs out of ten"
    ("first-kl", 0, 1e-3),  # "what is left is rounding"
    ("first-moved", 0, 1e-4),
    ("first-clip", 0, 0),
    ("first-ended", 50, 95),
    ("leash-score", 1.5, 3.2),  # measured 2.22
    ("leash-judge", 1.0, 2.5),  # measured 1.67
    ("leash-kl", 6, 18),  # measured 11.4
    ("leash-percent", 90, 100),
    ("free-score", 2.5, 5.5),  # measured 3.53
    ("free-kl", 25, 90),  # measured 40.7
    ("free-distinct", 0.1, 0.68),  # "again and again"
    ("above", -1, 1e-9),  # "nothing can lie above the line"
    ("four-formula", 0.636, 0.637),
    ("ppo-share", 75, 100),
    ("gold-n", 8, 64),
    ("fit", 0.8, 1),
    ("wins", 75, 97),
    ("free-wins", 42, 60),
    ("shared-kl", 0, 1e-4),
    ("pad-mean", 0.5, 1.5),
    ("bon-1000", 5.8, 6.0),  # "1,000 draws for six nats"
    ("ptx-kl", 5, 9),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("leash-judge", "leash-score", 0.2),
    ("dear-kl", "cheap-kl", 3),
    ("cheap-kl", "none-kl", 30),
    ("dear-score", "cheap-score", 0.5),
    ("dear-ridge", "cheap-ridge", 0.3),
    ("none-ridge", "cheap-ridge", 0.1),  # "turns over"
    ("before-ridge", "leash-ridge", 0.5),
    ("leash-score", "free-score", 0.4),  # "well ahead"
    ("free-low", "even", 1),  # "nobody could tell them apart"
    ("even", "free-high", 1),
    ("leash-kl", "free-kl", 10),
    ("free-distinct", "leash-distinct", 0.05),
    ("leash-distinct", "before-distinct", 0.1),
    ("four-reward", "four-best", 0.0),
    ("four-kl", "four-formula", 1e-6),
    ("gold-last", "gold-top", 0.4),
    ("gold-top", "proxy-last", 1.5),
    ("loss-reference", "loss-leash", 0.2),
    ("loss-leash", "loss-free", 0.1),
    ("free-paid", "leash-paid", 0.4),  # "a nat bought less on that way"
    ("ptx-loss", "plain-loss", 0.15),  # "half of what would be forgotten"
    ("plain-score", "ptx-score", -0.25),  # "nearly free"
    ("few-low", "few-high", 5),
    ("wins-low", "wins", 1),
    ("wins", "wins-high", 1),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap
