r"""Word2Vec: skip-gram with negative sampling (Mikolov et al., 2013b), with the loss of exercise 1.1.

Read it beside its page, ``book/01_language_modeling.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.language_modeling import skip_gram_loss


@dataclass(frozen=True, slots=True)
class SkipGramConfig:
    """How word vectors are trained.

    Raises:
        ValueError: if a number is not positive.
    """

    size: int = 64
    """D, the numbers in a vector."""
    window: int = 4
    """Farthest neighbour; a neighbour at distance d counts with probability (window - d + 1) / window."""
    negatives: int = 4
    """K, random words for each pair."""
    epochs: int = 2
    """How often each text is read."""
    batch: int = 2048
    """Pairs a step."""
    learning_rate: float = 1e-2
    """Step size of Adam at first; it falls linearly to zero."""
    frequent: float = 1e-3
    """A word with a larger share of the text is left out with probability 1 - sqrt(frequent / share)."""

    def __post_init__(self) -> None:
        numbers = (self.size, self.window, self.negatives, self.epochs, self.batch)
        if min(*numbers, self.learning_rate, self.frequent) <= 0:
            raise ValueError(f"every setting must be positive, got {self}")


def train_skip_gram(
    texts: Sequence[Sequence[int]],
    vocab_size: int,
    config: SkipGramConfig,
    generator: torch.Generator,
) -> Tensor:
    """Word vectors, (V, D), from texts as lists of word numbers.

    Every word has two vectors while it learns, one as center and one as context; the first is returned.
    """
    counts = torch.bincount(torch.tensor([w for text in texts for w in text]), minlength=vocab_size)
    noise = counts.double() ** 0.75
    centers = torch.randn(vocab_size, config.size, generator=generator) / config.size**0.5
    centers, contexts = centers.requires_grad_(), torch.zeros_like(centers).requires_grad_()
    optimizer = torch.optim.Adam([centers, contexts], lr=config.learning_rate)
    for epoch in range(config.epochs):
        pairs = context_pairs(texts, counts, config, generator)
        batches = pairs.split(config.batch)
        shape = (len(pairs), config.negatives)
        others = noise.multinomial(pairs.numel() * config.negatives // 2, True, generator=generator)
        for i, (batch, drawn) in enumerate(
            zip(batches, others.reshape(shape).split(config.batch), strict=True)
        ):
            done = (epoch + i / len(batches)) / config.epochs
            optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - done)
            loss = skip_gram_loss(centers[batch[:, 0]], contexts[batch[:, 1]], contexts[drawn])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    found: Tensor = centers.detach()
    return found


def context_pairs(
    texts: Sequence[Sequence[int]],
    counts: Tensor,
    config: SkipGramConfig,
    generator: torch.Generator,
) -> Tensor:
    """(N, 2) pairs of a word and a neighbour, shuffled, both ways round; frequent words thinned out."""
    words = torch.tensor([word for text in texts for word in text])
    owner = torch.repeat_interleave(
        torch.arange(len(texts)), torch.tensor([len(text) for text in texts])
    )
    share = counts / counts.sum()
    stays = (config.frequent / share.clamp(min=1e-12)).sqrt()
    kept = torch.rand(len(words), generator=generator) < stays[words]
    words, owner = words[kept], owner[kept]
    found = []
    for distance in range(1, config.window + 1):
        near = owner[distance:] == owner[:-distance]
        near &= torch.rand(len(near), generator=generator) < 1 - (distance - 1) / config.window
        first, second = words[:-distance][near], words[distance:][near]
        found += [torch.stack([first, second], dim=1), torch.stack([second, first], dim=1)]
    pairs = torch.cat(found)
    return pairs[torch.randperm(len(pairs), generator=generator)]


def neighbours(embeddings: Tensor, word: int, number: int) -> list[int]:
    """The words most similar to one word by cosine, most similar first."""
    similarity = torch.cosine_similarity(embeddings, embeddings[word].unsqueeze(0), dim=1)
    similarity[word] = -torch.inf
    return [int(index) for index in similarity.topk(number).indices]
