"""Exercise 3.2: the total variance of a sampled gradient."""

import itertools

import torch
from torch import Tensor

from autograder.checks.sequence_oracles import mean_and_variance
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import baselines as probes


def oracle(samples: Tensor) -> Tensor:
    """Half the mean squared distance of all pairs: no mean is ever taken."""
    rows = samples.double()
    pairs = list(itertools.combinations(range(len(rows)), 2))
    total = sum(float((rows[a] - rows[b]).square().sum()) for a, b in pairs)
    return torch.tensor(total / (2 * len(pairs)), dtype=samples.dtype)


def exact_sums(samples: Tensor) -> Tensor:
    """Exactly rounded sums over Python floats, column by column."""
    _, variances = mean_and_variance(samples)
    count = len(samples)
    return (variances.sum() * count / (count - 1)).to(samples.dtype)


def _raises_for_one(samples: Tensor) -> None:
    if len(samples) < 2:
        raise ValueError("two samples are needed")


def _covariance_trace(samples: Tensor) -> Tensor:
    _raises_for_one(samples)
    covariance = torch.cov(samples.T).reshape(samples.shape[1], samples.shape[1])
    return covariance.trace()


def _squared_distances(samples: Tensor) -> Tensor:
    _raises_for_one(samples)
    return (samples - samples.mean(0)).square().sum() / (len(samples) - 1)


def _difference_of_squares(samples: Tensor) -> Tensor:
    _raises_for_one(samples)
    count = len(samples)
    second = samples.square().sum() / count - samples.mean(0).square().sum()
    return second * count / (count - 1)


def _all_covariances(samples: Tensor) -> Tensor:
    _raises_for_one(samples)
    return torch.cov(samples.T).sum()


FAR = torch.tensor([[4000.0, 1.0], [4002.0, 2.0], [4001.0, 6.0]])

EXERCISE = ExerciseSpec(
    number="3.2",
    title="The variance of a gradient",
    targets=("gradient_variance",),
    points=2,
    minutes=10,
    difficulty=1,
    section="The variance of a vector",
    statement="""
Each row of `samples` is one sampled gradient. Return one number that says how far they scatter: the trace of
their covariance matrix, that is, the variances of all entries added up. Estimate it without bias, and refuse a
single sample with a `ValueError`.
""",
    hints=(
        "How far is a sample from the mean, squared, on average? Add up over all entries of the vector.",
        "Σ_b ‖g_b − ḡ‖² / (B − 1): B − 1, because the mean was computed from the same samples and lies too "
        "close to them.",
        "Check len(samples) first; then the variance of each column (torch's var divides by B − 1 by "
        "itself), then their "
        "sum.",
    ),
    checks=(
        Case(
            "hand value",
            {"samples": torch.tensor([[0.0, 0.0], [2.0, 4.0]], dtype=torch.float64)},
            "two samples, (0, 0) and (2, 4): each is √5 from the mean, so (5 + 5) / (2 − 1)",
            expected=torch.tensor(10.0, dtype=torch.float64),
        ),
        Case(
            "many samples",
            {"samples": normal(0, 7, 4) + 2.0},
            "seven vectors of four entries, compared with the distances of all pairs",
            oracle=oracle,
        ),
        Law(probes.a_shift_changes_nothing, "only differences count"),
        Law(probes.doubling_quadruples, "it is a square"),
        Law(probes.right_on_average, "it is estimated without bias"),
        Case(
            "equal samples",
            {"samples": torch.full((4, 3), 2.5, dtype=torch.float64)},
            "four equal vectors do not scatter",
            expected=torch.tensor(0.0, dtype=torch.float64),
        ),
        Case(
            "far from zero",
            {"samples": FAR},
            "float32 numbers near 4,000: the mean of squares minus the square of the mean loses all digits",
            oracle=exact_sums,
        ),
        Case(
            "one sample",
            {"samples": torch.ones(1, 3, dtype=torch.float64)},
            "one sample says nothing about a spread",
            raises=ValueError,
        ),
        Case(
            "other samples",
            {"samples": normal(1, 3, 6) - 1.0},
            "three vectors of six entries",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "a single entry",
            {"samples": normal(2, 5, 1)},
            "vectors of one entry: the plain variance",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "further from zero",
            {"samples": 2.0 * FAR.flip(0)},
            "float32 numbers near 8,000",
            oracle=exact_sums,
            hidden=True,
        ),
        Case(
            "no sample",
            {"samples": torch.ones(0, 2, dtype=torch.float64)},
            "no sample at all",
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "divided by B",
            lambda samples: (
                _raises_for_one(samples) or samples.var(dim=0, correction=0).sum()  # type: ignore[func-returns-value]
            ),
            "The mean comes from the same samples and lies too near to them. Dividing by B − 1 makes up for it.",
        ),
        Mistake(
            "standard deviation",
            lambda samples: _raises_for_one(samples) or samples.std(dim=0).sum(),  # type: ignore[func-returns-value]
            "Deviations of the entries do not add up to anything; their squares, the variances, do.",
        ),
        Mistake(
            "variance of the norms",
            lambda samples: _raises_for_one(samples) or samples.norm(dim=1).var(),  # type: ignore[func-returns-value]
            "Gradients of equal length may point everywhere. Take the distance to the mean vector, not the spread of "
            "lengths.",
        ),
        Mistake(
            "mean over the parameters",
            lambda samples: _raises_for_one(samples) or samples.var(dim=0).mean(),  # type: ignore[func-returns-value]
            "Add the variances of the entries up; a mean would make a large network look quiet.",
        ),
        Mistake(
            "variance over all numbers",
            lambda samples: _raises_for_one(samples) or samples.var(),  # type: ignore[func-returns-value]
            "Each entry has a mean of its own: the variance is taken over the samples, dimension 0.",
        ),
        Mistake(
            "all covariances added up",
            _all_covariances,
            "The trace is the diagonal of the covariance matrix alone.",
        ),
        Mistake(
            "difference of two large numbers",
            _difference_of_squares,
            "Far from zero both terms are huge and nearly equal. Subtract the mean first, then square.",
        ),
        Mistake(
            "one sample accepted",
            lambda samples: (samples - samples.mean(0)).square().sum() / (len(samples) - 1),
            "0 / 0 is NaN, and NaN spreads. Say clearly what is missing: raise ValueError.",
        ),
    ),
    variants={
        "trace of the matrix of covariances": _covariance_trace,
        "squared distances": _squared_distances,
    },
)
