"""From ratings to comparisons: who was preferred over whom, by means of many raters or by one rater each."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.support.ratings import Snippet


@dataclass(frozen=True, slots=True)
class Duels:
    """``N`` pairs of snippets, and what was said of each."""

    first: Tensor
    """(N) int64 place of the one."""
    second: Tensor
    """(N) int64 place of the other."""
    outcome: Tensor
    """(N) 1 where the first was preferred, 0 where the second was, 0.5 for a tie."""

    @property
    def decided(self) -> Tensor:
        """(N) bool, where there was no tie."""
        return self.outcome != 0.5

    def chosen_rejected(self) -> tuple[Tensor, Tensor]:
        """(M), (M) the places of the preferred and the other, ties left out."""
        wins, keep = self.outcome > 0.5, self.decided
        chosen = torch.where(wins, self.first, self.second)
        rejected = torch.where(wins, self.second, self.first)
        return chosen[keep], rejected[keep]


def random_pairs(size: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(N), (N) places of two different snippets each.

    Args:
        size: how many snippets there are.
        count: N.
        generator: advanced.
    """
    first = torch.randint(size, (count,), generator=generator)
    steps = torch.randint(1, size, (count,), generator=generator)
    return first, (first + steps) % size


def _outcome(gap: Tensor) -> Tensor:
    return gap.sign() / 2 + 0.5


def duels_of_means(snippets: Sequence[Snippet], count: int, generator: torch.Generator) -> Duels:
    """Random pairs; the one with the higher mean rating is preferred."""
    means = torch.tensor([s.mean for s in snippets], dtype=torch.float64)
    first, second = random_pairs(len(snippets), count, generator)
    return Duels(first, second, _outcome(means[first] - means[second]))


def rating_table(snippets: Sequence[Snippet]) -> tuple[Tensor, Tensor]:
    """(S, R) ratings, padded with 0, and (S) how many each snippet has."""
    counts = torch.tensor([len(s.ratings) for s in snippets])
    table = torch.zeros(len(snippets), int(counts.max()), dtype=torch.float64)
    for row, snippet in enumerate(snippets):
        table[row, : len(snippet.ratings)] = torch.tensor(snippet.ratings).double()
    return table, counts


def draw_raters(counts: Tensor, generator: torch.Generator) -> Tensor:
    """(N) one rater of each snippet that has ``counts`` (N) of them."""
    return (torch.rand(len(counts), generator=generator) * counts).long()


def duels_of_raters(snippets: Sequence[Snippet], count: int, generator: torch.Generator) -> Duels:
    """Random pairs; one random rater of each speaks for it."""
    table, counts = rating_table(snippets)
    first, second = random_pairs(len(snippets), count, generator)
    gap = table[first, draw_raters(counts[first], generator)]
    gap = gap - table[second, draw_raters(counts[second], generator)]
    return Duels(first, second, _outcome(gap))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How well people agree with people."""

    one_rater: float
    """Accuracy of one rater a snippet against the mean of the other raters; a tie of theirs is half right."""
    ties: float
    """Share of the pairs in which the two ratings are equal."""
    two_raters: float
    """Accuracy of one rater against another one, over pairs that the other one decides."""
    half: float
    """Accuracy of the mean of half of the raters against the mean of the other half."""


def human_ceiling(snippets: Sequence[Snippet], pairs: int, generator: torch.Generator) -> Ceiling:
    """Let raters predict each other.

    Args:
        snippets: with their ratings.
        pairs: how many random pairs of snippets to ask about.
        generator: decides pairs and raters; advanced.
    """
    table, counts = rating_table(snippets)
    first, second = random_pairs(len(snippets), pairs, generator)
    own, rest, other, halves = [], [], [], []
    for place in (first, second):
        size = counts[place]
        inside = torch.arange(table.shape[1]) < size[:, None]
        noise = torch.rand(inside.shape, generator=generator).masked_fill(~inside, 2.0)
        shuffled = table[place].gather(
            1, noise.argsort(dim=1)
        )  # true ratings first, in random order
        total = table[place].sum(dim=1)
        own.append(shuffled[:, 0])
        rest.append((total - shuffled[:, 0]) / (size - 1))
        other.append(shuffled[:, 1])
        early = (shuffled * (torch.arange(table.shape[1]) < (size // 2)[:, None])).sum(dim=1)
        halves.append((early / (size // 2), (total - early) / (size - size // 2)))
    said, told = own[0] - own[1], other[0] - other[1]
    return Ceiling(
        agreement(said, rest[0] - rest[1]),
        float((said == 0).double().mean()),
        agreement(said, told),
        agreement(halves[0][0] - halves[1][0], halves[0][1] - halves[1][1]),
    )


def agreement(guess: Tensor, truth: Tensor) -> float:
    """Share of the pairs in which two gaps (N) have the same sign; a guess of 0 is half right.

    Pairs whose truth is 0 are left out.
    """
    keep = truth != 0
    return float(((guess.sign() * truth.sign())[keep] / 2 + 0.5).mean())


def pair_accuracy(scores: Tensor, snippets: Sequence[Snippet]) -> float:
    """Over all pairs of snippets whose means differ: how often scores (S) put them in the same order."""
    means = torch.tensor([s.mean for s in snippets], dtype=torch.float64)
    i, j = torch.triu_indices(len(means), len(means), 1)
    return agreement((scores[i] - scores[j]).double(), means[i] - means[j])
