"""The page of chapter 3: what it says is what it measures.

The numbers that the text quotes are read back from an execution. Exact ones are asserted tightly;
margins of sampled ones are wide, seen to hold over other seeds.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "03_baselines.md"
TEXT = PAGE.read_text(encoding="utf-8")
WIDGET = re.search(
    r"^:::\{widget\} rl-baseline-variance\n(.*?)^:::$", TEXT, re.DOTALL | re.MULTILINE
)


def test_the_table_in_the_widget_is_right():
    rows = re.findall(r"^\| ([\d.]+)[^|]*\| ([\d.]+) \|$", WIDGET.group(1), re.MULTILINE)
    p, r = (0.6, 0.3, 0.1), (9.0, 10.0, 12.0)
    mean = sum(a * b for a, b in zip(p, r, strict=True))
    squares = [1 - 2 * a + sum(b * b for b in p) for a in p]
    exact = sum((a * (b - mean)) ** 2 for a, b in zip(p, r, strict=True))
    assert len(rows) == 5
    for b, variance in rows:
        found = (
            sum(a * s * (x - float(b)) ** 2 for a, s, x in zip(p, squares, r, strict=True)) - exact
        )
        assert float(variance) == pytest.approx(found, rel=0.01)


@pytest.fixture(scope="module")
def measured(lent):
    """Every value that the executed page lends to its text."""
    return lent("03_baselines", "vb-")


EQUALITIES = [
    "share-error",
    "loo-error",
    "walk-difference",
    "ladder-bias",
    "end-bias",
    "end-same",
    "knows-v-bias",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", EQUALITIES)
def test_what_is_said_to_be_equal_is_equal(measured, name):
    assert abs(measured[name]) < 1e-12


# name, least, most: the text would be wrong outside
CLAIMS = [
    # exact: worked out without any random number, or from a fixed world
    ("bandit-none", 56.3, 56.5),
    ("bandit-mean", 0.62, 0.63),
    ("bandit-gain", 90, 91),
    ("best", 10.17, 10.18),
    ("best-variance", 0.44, 0.45),
    ("best-taken", 0.99, 1),
    ("share-2", 0.499999, 0.500001),
    ("share-4", 0.749999, 0.750001),
    ("loo-ratio", 0.749999, 0.750001),
    ("ladder-to-go", 0.385, 0.395),
    ("ladder-value", 0.00175, 0.00185),
    ("ladder-constant", 0.0036, 0.0037),
    ("ladder-advantage", 0.00024, 0.00026),
    ("ladder-worth", 500, 600),
    ("end-whole", 23.05, 23.15),
    ("end-to-go", 23.95, 24.05),
    ("end-prefix", 6.15, 6.25),
    ("end-prompt", 6.8, 6.9),
    ("group-mean", 22.9, 23.1),
    ("group-4", 9.6, 9.7),
    ("group-v-prompt", 7.0, 7.05),
    ("knows-q-bias", 1 - 1e-9, 1 + 1e-9),  # "a mean gradient of zero"
    ("knows-bonus-bias", 0.3, 0.45),
    ("part-plain", 0.03, 0.07),
    ("part-divided", 0.45, 0.6),
    ("part-cosine", 0.6, 0.8),
    # sampled
    ("sampled-ratio", 0.9, 1.1),
    ("best-sampled", 10.1, 10.3),
    ("slope-return", -1.25, -0.75),  # 1/n
    ("slope-reward-to-go", -1.25, -0.75),
    ("slope-mean", -1.25, -0.75),
    ("slope-value", -1.25, -0.75),
    ("cart-reward-to-go", 0.3, 0.8),
    ("cart-mean", 0.02, 0.4),
    ("cart-value", 0.01, 0.2),
    ("cart-length", 100, 450),  # "half trained"
    ("run-nothing", 280, 440),
    ("run-mean", 440, 500),
    ("run-value", 465, 500),
    ("run-nothing-min", 50, 280),
    ("run-value-min", 380, 500),
    ("run-nothing-400", 3, 13),  # over three blocks of seeds: 6, 10, 6
    ("run-mean-400", 15, 20),  # 18, 20, 18
    ("run-value-400", 18, 20),  # 20, 20, 20
    ("axis-right", 8.7, 10.6),  # exactly 9.7
    ("axis-wrong", 70, 95),
    ("axis-right-share", 0.9, 1.1),
    ("axis-wrong-share", 0.85, 1.15),  # "no bias"
    ("pad-share", 0.2, 0.7),
    ("pad-0", 0.2, 2),
    ("own-share", 0.3, 0.85),
    ("other-share", 0.9, 1.1),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least", "most"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_what_is_said_to_be_about_so_large_is(measured, name, least, most):
    assert least <= measured[name] <= most


# name, name that must be clearly larger, by at least
ORDERS = [
    ("cart-value", "cart-mean", 0.005),  # the lines of the figure, from below
    ("cart-mean", "cart-reward-to-go", 0.1),
    ("end-whole", "end-to-go", 0.5),  # "it is even a little worse"
    ("group-v-prefix", "group-v-prompt", 0.1),
    ("group-32", "group-8", 0.1),
    ("group-8", "group-4", 0.1),
    ("group-4", "group-2", 0.1),
    ("group-2", "group-mean", 1),
    ("group-mean", "group-no", 1),
    ("group-no", "axis-wrong", 10),  # "even more than with no baseline at all"
    ("knows-q", "knows-v", 1),
    ("pad-0", "pad-500", 0.1),
    ("pad-500", "pad-5000", 0.1),
    ("pad-5000", "pad-none", 0),
    ("run-nothing", "run-mean", 40),
    ("run-mean", "run-value", 0),
    ("run-nothing-min", "run-value-min", 100),
    ("free-min", "run-value-min", 50),
]


@pytest.mark.slow
@pytest.mark.parametrize(("small", "large", "gap"), ORDERS)
def test_what_is_said_to_be_larger_is_larger(measured, small, large, gap):
    assert measured[large] - measured[small] >= gap


@pytest.mark.slow
def test_a_group_of_four_is_nearer_to_a_perfect_critic_than_to_the_batch(measured):
    to_critic = measured["group-4"] - measured["group-v-prefix"]
    assert to_critic < measured["group-mean"] - measured["group-4"]


@pytest.mark.slow
def test_the_interquartile_mean_hides_what_the_worst_seed_shows(measured):
    assert measured["run-value"] - measured["free"] < 40
