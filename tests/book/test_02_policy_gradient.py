"""The page of chapter 2: what it says is what it measures.

The numbers that the text quotes are read back from an execution. Their margins are wide: each was
seen to hold over several blocks of seeds, so that a red test means a changed result, not bad luck.
"""

import pytest


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("02_policy_gradient", "pg-")


EQUALITIES = [
    "vote-mean-error",
    "autograd-formula",
    "mean-score",
    "bias-whole",
    "bias-to-go",
    "loss-bias",
    "theorem-difference",
    "clock-change",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", EQUALITIES)
def test_what_is_said_to_be_equal_is_equal(measured, name):
    assert abs(measured[name]) < 1e-12


# name, least, most: the text would be wrong outside
CLAIMS = [
    ("responses", 121, 121),
    ("J", -0.18, -0.17),  # "an undecided writer loses money"
    ("J-sampled", -0.2, -0.15),
    ("vote-angle-best", 40, 60),  # "no pull points the right way"
    ("vote-angle-worst", 60, 80),
    ("pulls-error", 0, 0.02),  # "the third is close"
    ("bandit-plain", 0.7, 1),
    ("bandit-gifted", 0.3, 0.75),
    ("bandit-lost", 4, 16),
    ("line-difference", 0, 1e-8),
    ("to-go-ratio", 0.3, 0.8),
    ("power-kept", 1 - 1e-9, 1 + 1e-9),
    ("power-dropped", 0.9, 0.9995),
    ("J-student", 1.5, 1.71),  # "it has found a word"
    ("clock-unseen", 5.9, 5.91),
    ("grid-first", -2.5, -0.8),
    ("grid-last", 0.4, 0.8),
    ("grid-hole", 0, 0.1),  # "is left with a probability of"
    ("grid-start-down", 0.6, 1),  # the arrows of the figure and of its alt text
    ("slope", -0.6, -0.4),
    ("slope-ratio", 1, 1.4),
    ("cart-iqm", 280, 460),  # over five blocks of twenty seeds: 352 to 392
    ("cart-max", 430, 500),
    ("cart-min", 20, 250),
    ("cart-above-400", 1, 18),
    ("cart-fallen", 1, 18),
    ("cart-whole-iqm", 40, 130),  # 70 to 79
    ("cart-whole-max", 80, 300),
    ("writer-best", 8, 19),  # over four blocks: 10 to 14
    ("writer-short", 1, 12),
    ("writer-act", 1, 19),
    ("writer-cat", 1, 19),
    ("writer-second", 0, 2),
    ("bug-mean-cosine", 0.98, 0.9995),
    ("gamma-asked-shown", 0.9, 1.1),
    ("gamma-asked-asked", 0.6, 0.71),
    ("gamma-forgotten-shown", 1.8, 2.0),
    ("gamma-forgotten-asked", 0, 0.4),
    ("alias-different", 1, 1),
    ("alias-steps", 4, 51),
    ("alias-copied", 0.2, 0.8),
    ("alias-shared", -2.6, -0.3),
    ("detached-off", 0, 1e-9),
    ("live-off", 30, 200),
    ("live-J", -0.3, 0.1),
    ("detached-J", 0.6, 1.5),
    ("live-goal", 1.8, 2.15),
    ("detached-goal", 2.2, 2.41),
    ("bonus-best", 2.40, 2.42),
    ("clock-cut", 10, 150),
    ("clock-worth", 50, 100),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("bandit-gifted", "bandit-plain", 0.1),
    ("cart-whole-iqm", "cart-iqm", 150),
    ("cart-low", "cart-iqm", 0),
    ("cart-iqm", "cart-high", 0),
    ("cart-min", "cart-max", 150),  # "you could report either"
    ("bug-right-short", "bug-mean-short", 1),
    ("gamma-asked-shown", "gamma-forgotten-shown", 0.5),
    ("gamma-forgotten-asked", "gamma-asked-asked", 0.2),
    ("alias-shared", "alias-copied", 0.5),
    ("live-J", "detached-J", 0.5),
    ("live-goal", "detached-goal", 0.1),
    ("detached-goal", "bonus-best", 0),
    ("plays-undecided", "plays-reinforce", 1),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap


@pytest.mark.slow
def test_sampling_leads_where_the_exact_gradient_leads(measured):
    assert abs(measured["plays-exact"] - measured["plays-reinforce"]) < 0.12


@pytest.mark.slow
def test_sampled_mean_agrees_with_the_exact_one(measured):
    assert abs(measured["J-sampled"] - measured["J"]) < 3 * measured["J-error"]


@pytest.mark.slow
def test_the_student_found_a_word_of_the_reader(measured):
    assert measured["student-says"] in ("act.", "cat.")
