"""The page of chapter 9: what it says is what it measures."""

import pytest


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("09_language_policy", "lp-")


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("larger", 5.2, 5.4),
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
