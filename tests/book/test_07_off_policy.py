"""The page of chapter 7: what it says is what it measures."""

import pytest


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("07_off_policy", "op-")


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("exact-fifty", 3.2e11, 3.3e11),  # the syllabus' 3e11
    ("measured-fifty", 5, 2_000),
    ("measured-fifty-least", 0, 10),
    ("measured-fifty-most", 100, 3e8),  # "within a factor of a thousand"
    ("mean-fifty", 0.02, 0.5),  # must be 1
    ("needed", 2, 3),  # million
    ("ess-optimist", 1, 20),
    ("ess-ratio", 1e6, 1e9),
    ("mean-ordinary", 0.38, 0.42),
    ("mean-normalized", 0.37, 0.42),
    ("drift-10-1", 0.95, 1.0),
    ("drift-single-least", 0.9, 1.0),  # "keep nearly all their worth"
    ("drift-10-50", 0.4, 0.97),
    ("drift-60-50", 0.1, 0.9),
    ("drift-60-500", 0.0, 0.25),
    ("drift-kl", 0, 0.03),
    ("drift-length", 120, 450),
    ("whole-variance", 550, 570),
    ("decision-variance", 95, 99),
    ("single-variance", 13, 14.5),
    ("overclaim", 2.5, 8),
    ("free-kl-40", 3, 9),
    ("held-kl-40", 0, 1),
    ("forms-equal", 0, 1e-13),
    ("forms-start", 0, 1e-13),
    ("forms-policy-gradient", 0, 1e-13),
    ("forms-plain", 30, 120),
    ("unit-share", 20, 60),
    ("run-one", 30, 120),
    ("run-free-kl-max", 1, 100),
    ("run-fixed-kl-max", 0, 0.1),
    ("run-adaptive-kl-max", 0.02, 0.6),
    ("run-adaptive-kl", 0.005, 0.02),  # the target is 0.01
    ("ratio-first", 0, 0),
    ("ratio-last", 0.1, 2),
    ("fresh-claimed", 0, 1e-12),
    ("fresh-kl", 3, 12),
    ("cool-off", 32, 34),
    ("cool-honest", 0, 1e-9),
    ("sign-price", 0, 1e-6),
    ("sign-kl", 0.5, 100),
    ("sign-early", 60, 500),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("mean-plain", "truth", 0.2),
    ("error-ordinary", "error-plain", 0.1),
    ("error-normalized", "error-plain", 0.1),
    ("drift-10-500", "drift-10-50", 0.1),
    ("drift-60-500", "drift-60-50", 0.1),
    ("drift-60-50", "drift-60-1", 0.1),
    ("decision-variance", "whole-variance", 400),
    ("single-variance", "decision-variance", 70),
    ("none-mean", "single-mean", 0.5),
    ("walk-far-true", "walk-far-surrogate", 0.1),
    ("fresh-gain", "free-true-40", 0.05),
    ("free-kl-40", "fresh-kl", 0.05),
    ("run-one", "run-fixed", 100),
    ("run-one", "run-adaptive", 80),
    ("run-free", "run-fixed", 80),
    ("run-free", "run-adaptive", 60),
    ("run-fixed-early", "run-free-early", 3),  # "race ahead at first"
    ("run-adaptive-kl-max", "run-free-kl-max", 0.5),
    ("sign-return", "sign-healthy", 50),
    ("sign-return", "sign-early", 20),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap


@pytest.mark.slow
def test_single_steps_and_the_surrogate_agree_at_the_start(measured):
    promised, came = measured["walk-small-surrogate"], measured["walk-small-true"]
    assert 0 < promised - came < 0.1 * came
