"""Which of two responses people prefer: the data that a reward model is trained on."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Scorer = Callable[[Tensor, Tensor], Tensor]
"""Takes tokens (B, T) and mask (B, T), returns scores (B)."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """``S`` responses, and ``N`` pairs of them in which somebody preferred one.

    Raises:
        ValueError: if sizes disagree.
    """

    tokens: Tensor
    """(S, T) int64 the responses, padded."""
    mask: Tensor
    """(S, T) 1 on what belongs to a response, 0 on padding."""
    chosen: Tensor
    """(N) int64 row of the preferred response of each pair."""
    rejected: Tensor
    """(N) int64 row of the other one."""

    def __post_init__(self) -> None:
        if self.tokens.dim() != 2 or self.tokens.shape != self.mask.shape:
            sizes = tuple(self.tokens.shape), tuple(self.mask.shape)
            raise ValueError(f"tokens and mask must both be (S, T), got {sizes}")
        if self.chosen.dim() != 1 or self.chosen.shape != self.rejected.shape:
            sizes = tuple(self.chosen.shape), tuple(self.rejected.shape)
            raise ValueError(f"chosen and rejected must both be (N), got {sizes}")

    def scores(self, model: Scorer, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Let a model score both sides of some pairs, all in one call.

        Args:
            model: takes tokens (B, T) and mask (B, T), returns scores (B).
            pairs: (P) int64, which of the N pairs.

        Returns:
            scores of the preferred responses (P), and of the others (P).
        """
        rows = self.chosen[pairs].tolist() + self.rejected[pairs].tolist()
        found = model(self.tokens[rows], self.mask[rows])
        return found[: len(pairs)], found[len(pairs) :]


@dataclass(frozen=True, slots=True)
class RewardModelConfig:
    """How to train a reward model pair by pair.

    Raises:
        ValueError: if a number lies outside its range.
    """

    held_out: float = 0.2
    """Share of the responses (not of the pairs) that are kept for judging, above 0 and below 1."""
    epochs: int = 1
    """Passes over the pairs that are trained on."""
    batch: int = 32
    """Pairs in an update."""
    learning_rate: float = 1e-2
    """Of AdamW."""
    weight_decay: float = 0.01
    """Of AdamW."""

    def __post_init__(self) -> None:
        if not 0.0 < self.held_out < 1.0:
            raise ValueError(f"held_out must lie between 0 and 1, got {self.held_out}")
        if min(self.epochs, self.batch) < 1:
            raise ValueError("epochs and batch must be at least 1")
        if self.learning_rate <= 0.0 or self.weight_decay < 0.0:
            raise ValueError("learning_rate must be positive, weight_decay not negative")
