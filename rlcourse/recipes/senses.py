"""Words with two senses: make one whose senses are known, find where it occurs, see whether its vectors differ.

Merging two words into one that means either is an old trick to test such things without asking people
(Gale, Church and Yarowsky, 1992; Schütze, 1992): afterwards one knows which was meant where.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.recipes.tiny_transformer import TinyTransformer, both_sides
from rlcourse.recipes.words import MASK


def merge_words(
    texts: Sequence[Sequence[str]], first: str, second: str, generator: torch.Generator
) -> list[list[str]]:
    """Replace every other occurrence of two words, by chance, by one word that means both."""
    merged = []
    for text in texts:
        coins = torch.rand(len(text), generator=generator)
        merged.append(
            [
                f"{first}/{second}" if word in (first, second) and coin < 0.5 else word
                for word, coin in zip(text, coins.tolist(), strict=True)
            ]
        )
    return merged


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Places of one word, and what a masked language model makes of it there."""

    places: list[tuple[int, int]]
    """Number of the text and place in it, one for each of N occurrences."""
    hidden: Tensor
    """(N, D) hidden state at the word."""
    guesses: Tensor
    """(N, V) logits of what the model would expect there if the word were hidden."""


@torch.no_grad()
def find_occurrences(
    model: TinyTransformer, texts: Sequence[Sequence[int]], word: int
) -> Occurrences:
    """The first occurrence of a word in each text that has it."""
    places, hidden, guesses = [], [], []
    for number, text in enumerate(texts):
        if word in text:
            place = list(text).index(word)
            tokens = torch.tensor([list(text)])
            covered = tokens.clone()
            covered[0, place] = MASK
            visible = both_sides(tokens)
            places.append((number, place))
            hidden.append(model(tokens, visible)[0, place])
            guesses.append(model.logits(model(covered, visible)[0, place]))
    return Occurrences(places, torch.stack(hidden), torch.stack(guesses))


def centroid_accuracy(vectors: Tensor, senses: Tensor) -> float:
    """How often the nearer of two means, each without the vector itself, tells its sense; both senses count half.

    Args:
        vectors: (N, D).
        senses: (N) bool.
    """
    right = torch.zeros(2)
    for vector, sense in zip(vectors, senses.tolist(), strict=True):
        distances = []
        for other in (False, True):
            group = vectors[senses == other]
            total, count = group.sum(dim=0), len(group)
            if other == sense:
                total, count = total - vector, count - 1
            distances.append((vector - total / count).norm())
        right[int(sense)] += float((distances[1] < distances[0]) == sense)
    counts = torch.tensor([(~senses).sum(), senses.sum()])
    return float((right / counts).mean())


def two_dimensions(vectors: Tensor) -> Tensor:
    """(N, 2) the vectors seen from the side where they spread most: principal components."""
    centred = vectors - vectors.mean(dim=0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    signs = axes[:2].sum(dim=1).sign().unsqueeze(1)
    flat: Tensor = centred @ (signs * axes[:2]).T
    return flat
