"""Texts of different length without their padding, for layers that look at one token at a time."""

import torch
from torch import Tensor

ENOUGH = 0.1
"""Share of padding from which on taking it out and putting it back costs less than computing with it."""


def packing_of(mask: Tensor) -> "Packing | None":
    """How to leave out the padding of a batch; None where there is too little of it.

    Args:
        mask: (B, T) bool, True where a token counts.
    """
    return Packing(mask) if mask.double().mean() < 1.0 - ENOUGH else None


class Packing:
    """Which places of a padded batch hold a token.

    Linear layers, norms and activations do the same at each place: ``pack`` leaves them only the places that count.
    Attention looks from place to place: ``spread`` puts the tokens back where they were.

    Args:
        mask: (B, T) bool, True where a token counts.
    """

    def __init__(self, mask: Tensor) -> None:
        self._shape = mask.shape
        self._places = mask.flatten().nonzero().squeeze(1)

    def pack(self, x: Tensor) -> Tensor:
        """(K, ...) the entries of ``x`` (B, T, ...) at the K places that count, row by row."""
        return x.flatten(0, 1).index_select(0, self._places)

    def spread(self, x: Tensor) -> Tensor:
        """(B, T, ...) the entries ``x`` (K, ...) at their places, 0 elsewhere."""
        whole = x.new_zeros(self._shape.numel(), *x.shape[1:])
        found: Tensor = torch.index_copy(whole, 0, self._places, x).unflatten(0, self._shape)
        return found
