"""What to ask of a reward model besides its accuracy: calibration, length, and whether another judge agrees."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.recipes.comparisons import agreement, random_pairs
from rlcourse.support.ratings import Snippet


def standard(x: Tensor) -> Tensor:
    """(N) shifted to mean 0 and scaled to deviation 1, in float64."""
    x = x.double()
    return (x - x.mean()) / x.std()


def correlation(x: Tensor, y: Tensor) -> float:
    """Of two tensors (N)."""
    return float((standard(x) * standard(y)).sum() / (len(x) - 1))


@dataclass(frozen=True, slots=True)
class Reliability:
    """Stated and seen, part by part."""

    stated: list[float]
    """Mean probability in each part that is not empty."""
    seen: list[float]
    """Mean outcome there."""
    sizes: list[int]
    """How many pairs."""


def reliability(probs: Tensor, outcomes: Tensor, bins: int) -> Reliability:
    """Stated probabilities (N) against outcomes (N), in equal parts of [0, 1]."""
    edges = torch.arange(1, bins, dtype=probs.dtype) / bins
    place = torch.bucketize(probs, edges, right=True)
    full = [k for k in range(bins) if bool((place == k).any())]
    return Reliability(
        [float(probs[place == k].mean()) for k in full],
        [float(outcomes[place == k].mean()) for k in full],
        [int((place == k).sum()) for k in full],
    )


@dataclass(frozen=True, slots=True)
class LengthBias:
    """What length does to a score, beside what people think."""

    people: float
    """Correlation of people's mean rating with length."""
    model: float
    """Correlation of the score with length."""
    left_over: float
    """Correlation with length of what people's ratings do not explain of the score."""
    longer: float
    """Share of the pairs with equal means, or nearly so, in which the longer one has the higher score."""


def length_bias(
    scores: Tensor, snippets: Sequence[Snippet], pairs: int, generator: torch.Generator
) -> LengthBias:
    """Look for length in the scores (S) of snippets.

    Args:
        scores: (S).
        snippets: with their ratings.
        pairs: random pairs to look at; those whose means differ by 0.2 at most are used.
        generator: advanced.
    """
    length = torch.tensor([len(s.text.split()) for s in snippets]).double()
    means = torch.tensor([s.mean for s in snippets]).double()
    left = standard(scores) - correlation(scores, means) * standard(means)
    first, second = random_pairs(len(snippets), pairs, generator)
    near = (means[first] - means[second]).abs() <= 0.2
    first, second = first[near], second[near]
    return LengthBias(
        correlation(means, length),
        correlation(scores, length),
        correlation(left, length),
        agreement(scores[first] - scores[second], length[first] - length[second]),
    )


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two judges on the same pairs."""

    agree: float
    """Share of the pairs on which they agree."""
    right_together: float
    """How often they are right where they agree."""
    first_right: float
    """How often the first is right where they do not."""


def disagreement(
    one: Tensor, other: Tensor, snippets: Sequence[Snippet], pairs: int, generator: torch.Generator
) -> Disagreement:
    """Compare the scores (S) of two judges on random pairs whose means differ."""
    means = torch.tensor([s.mean for s in snippets]).double()
    first, second = random_pairs(len(snippets), pairs, generator)
    keep = means[first] != means[second]
    first, second = first[keep], second[keep]
    a, b, truth = (
        (x[first] - x[second]).double().sign() for x in (one.double(), other.double(), means)
    )
    same = a == b
    return Disagreement(
        float(same.double().mean()),
        agreement(a[same], truth[same]),
        agreement(a[~same], truth[~same]),
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """The best by one judge, seen by everybody; in standard deviations above the mean of all."""

    kept: float
    """Share that was kept."""
    chooser: float
    """Mean score by the judge that chose."""
    others: dict[str, float]
    """Mean score by each of the others."""


def select_best(scores: Tensor, others: dict[str, Tensor], share: float) -> Selection:
    """Keep the best by one judge.

    Args:
        scores: (S) by the judge that chooses.
        others: (S) by others.
        share: to keep.

    Raises:
        ValueError: if nobody would be kept.
    """
    count = round(share * len(scores))
    if not 1 <= count <= len(scores):
        raise ValueError(f"{share=} of {len(scores)} keeps {count}")
    best = scores.topk(count).indices
    seen = {name: float(standard(x)[best].mean()) for name, x in others.items()}
    return Selection(share, float(standard(scores)[best].mean()), seen)
