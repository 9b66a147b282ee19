"""The page of chapter 12: what it says is what it measures."""

import pytest


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("12_gpt2_ppo", "fi-")


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("loaded", 0, 1e-5),
    ("exact", 2e-3, 0.1),  # "small enough to be taken for rounding"
    ("turned", 1, 100),
    ("gap", 0, 2e-5),
    ("pad-plain", 40, 60),
    ("pad-bucket", 0, 10),
    ("short", 5, 30),
    ("long", 60, 120),
    ("shares", 0, 1e-5),
    ("halves", 0.3, 3),
    ("weights", 123, 124.5),
    ("even", 80, 100),
    ("rate", 1, 1e7),
    ("roof", 0.01, 150),
    ("first-kl", 0, 1e-4),
    (
        "replayed",
        0,
        0.5,
    ),  # other processors round otherwise, and a token may fall to the other side
    ("score-early", -0.8, 0.2),
    ("score-late", 1.2, 2.2),
    ("kl-late", 3, 9),
    ("healthy-findings", 0, 0),
    ("no_penalty-findings", 1, 1),
    ("cut_off_is_dear-findings", 1, 1),
    ("cut_off_is_dear-kl", 15, 20),  # "just below our limit"
    ("untrained_critic-findings", 1, 1),
    ("no_penalty-kl", 30, 100),
    ("free-entropy", 0, 1.4),
    ("dead-ev", -5, 0),
    ("judge-after", 0.8, 2.5),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("score-early", "score-late", 1.0),
    ("judge-after", "score-after", 0.1),  # "some of it is the reward model's own taste"
    ("distinct-after", "distinct-before", 0.03),  # "less varied"
    ("length-late", "length-early", 1.5),
    ("healthy-score", "no_penalty-score", 1.5),
    ("untrained_critic-score", "cut_off_is_dear-score", 0.5),
    ("cut_off_is_dear-score", "no_penalty-score", 0.3),  # "the second-best"
    ("healthy-score", "cut_off_is_dear-score", 0.5),
    ("healthy-kl", "untrained_critic-kl", 3),
    ("healthy-kl", "no_penalty-kl", 20),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap
