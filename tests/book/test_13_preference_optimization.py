"""The epilogue: what it says is what it measures."""

import pytest


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("13_preference_optimization", "po-")


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("distance-log", -17, -9),  # DPO arrives at the optimum: total variation below 1e-9
    ("flat", 0, 1e-6),  # RLOO weighs every prompt by one
    ("dr", 0.875 - 1e-6, 0.875 + 1e-6),  # (K - 1) / K
    ("middle", 1.97, 2.0),
    ("hard", 5.5, 6.2),
    ("constant-true", 1 - 1e-9, 1 + 1e-9),
    ("sequence-true", 0.9, 0.97),
    ("few-kl-1k", 4, 6),
    ("few-kl-100k", 1.5, 2.0),
    ("best-kl", 1.4, 1.8),
    ("at-optimum", 1.55, 1.7),
    ("behind", 0, 0.12),  # the online methods agree
    ("before", 0.25, 0.45),
    ("rloo-after", 0.8, 1),
    ("grpo-after", 0.75, 1),
    ("true-last", 0, 0.1),
    ("length-last", 4.7, 5),
    ("fold-right", 0, 1e-6),
    ("fold-wrong", 30, 60),
    ("stuck-change", 0, 1e-9),
    ("scored", 2560, 2560),
    ("reach-dpo", 5.3, 6.5),
    ("gpt-ppo-judge", 1.15, 1.45),
    ("gpt-rloo-judge", 1.0, 1.25),
    ("gpt-grpo-judge", 0.8, 1.05),
    ("gpt-dpo-judge", 0.2, 0.5),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("few-reward-1k", "best-reward", 0.5),
    ("best-kl", "few-kl-1k", 2),
    ("hard-small", "hard", 3),
    ("true-long", "token-long", 0.05),
    ("token-long", "sequence-long", 0.15),
    ("sequence-true", "token-true", 0.03),
    ("at-dpo-10000", "at-rloo", 0.02),
    ("at-dpo-10000", "at-ppo", 0.02),
    ("before", "rloo-after", 0.4),
    ("before", "grpo-after", 0.35),
    ("paid-first", "paid-last", 0.3),
    ("kept-dear", "runaway-dear", 0.3),
    ("gpt-dpo-judge-most", "gpt-grpo-judge-least", 0.3),  # more than twice the spread
    ("gpt-dpo-score-most", "gpt-grpo-score-least", 0.3),
    ("gpt-grpo-judge-most", "gpt-rloo-judge-least", 0.02),  # in every seed
    ("gpt-rloo-judge", "gpt-ppo-judge", 0.03),
    (
        "gpt-rloo-judge-most",
        "gpt-ppo-judge-least",
        0.0,
    ),  # the worst of one above the best of the other
    ("gpt-ppo-distinct", "gpt-rloo-distinct", 0.01),
    ("gpt-rloo-distinct", "gpt-grpo-distinct", 0.01),
    ("gpt-grpo-distinct", "gpt-dpo-distinct", 0.05),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap
