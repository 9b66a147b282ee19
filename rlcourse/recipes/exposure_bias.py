"""A model imitates texts. How good is it where people go, and how good is it where it goes itself? Exactly.

"People" write words of several topics and seldom leave the first one. The imitator counts what follows what in a few
of their texts, and gives what it never saw a little probability too, as every model does. Where either of them stands
after t words is a product of matrices, so nothing is sampled but the texts to learn from.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.support.seeding import make_generator


@dataclass(frozen=True, slots=True)
class TopicWorld:
    """Sizes of a world of words.

    Raises:
        ValueError: if the share of words that leave a topic is no probability.
    """

    topics: int = 5
    """K; every text begins in the first."""
    words: int = 10
    """W in each topic."""
    leave: float = 0.01
    """How often the next word belongs to another topic."""
    length: int = 30
    """T words in a text."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.leave <= 1.0:
            raise ValueError(f"leave must lie in [0, 1], got {self.leave}")

    @property
    def vocabulary(self) -> int:
        """V = K W."""
        return self.topics * self.words

    def people(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """How people write.

        Returns:
            (V, V) probability of each next word given the word before, and (V) of the first word.
        """
        size = self.vocabulary
        liking = torch.randn(size, size, generator=generator, dtype=torch.float64).exp()
        topic = torch.arange(size) // self.words
        same = topic[:, None] == topic
        inside = liking * same / (liking * same).sum(dim=1, keepdim=True)
        outside = liking * ~same / (liking * ~same).sum(dim=1, keepdim=True)
        first = (topic == 0).double() / self.words
        return (1 - self.leave) * inside + self.leave * outside, first


def read_texts(
    chances: Tensor, first: Tensor, texts: int, length: int, generator: torch.Generator
) -> Tensor:
    """(V, V) how often each word followed each in some sampled texts."""
    counts = torch.zeros_like(chances)
    word = torch.multinomial(first, texts, replacement=True, generator=generator)
    for _ in range(length - 1):
        following = torch.multinomial(chances[word], 1, generator=generator).squeeze(1)
        counts.index_put_((word, following), torch.ones(texts).double(), accumulate=True)
        word = following
    return counts


def places(chances: Tensor, first: Tensor, length: int) -> Tensor:
    """(T, V) probability of each word at each position."""
    rows = [first]
    for _ in range(length - 1):
        rows.append(rows[-1] @ chances)
    return torch.stack(rows)


def mistakes_by_position(
    world: TopicWorld, texts: int, seeds: int, smoothing: float = 0.1
) -> tuple[Tensor, Tensor]:
    """How wrong the imitator's next word is, behind people's words and behind its own.

    Wrong is the total variation distance: the share of cases in which it must say another word than people would.

    Args:
        world: what is written.
        texts: how many the imitator reads.
        seeds: over how many sets of texts to average.
        smoothing: added to every count.

    Returns:
        (T) behind people's words, (T) behind its own.
    """
    chances, first = world.people(make_generator(0))
    curves = torch.zeros(2, world.length, dtype=torch.float64)
    for seed in range(seeds):
        counts = read_texts(chances, first, texts, world.length, make_generator(seed + 1))
        imitator = (counts + smoothing) / (counts + smoothing).sum(dim=1, keepdim=True)
        wrong = (imitator - chances).abs().sum(dim=1) / 2
        for row, walk in enumerate((chances, imitator)):
            curves[row] += places(walk, first, world.length) @ wrong / seeds
    return curves[0], curves[1]
