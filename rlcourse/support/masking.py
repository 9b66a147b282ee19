"""Sequences of different length in one tensor."""

from collections.abc import Sequence

import torch
from torch import Tensor


def lengths_to_mask(lengths: Tensor, steps: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(B, steps) 1 in the first ``lengths[b]`` columns of row b, 0 behind.

    Args:
        lengths: (B,) whole numbers from 0 to ``steps``.
        steps: number of columns.
        dtype: of the mask.

    Raises:
        ValueError: if a length is negative or larger than ``steps``.
    """
    if lengths.numel() and not 0 <= int(lengths.min()) <= int(lengths.max()) <= steps:
        raise ValueError(f"lengths must lie between 0 and {steps}, got {lengths.tolist()}")
    return (torch.arange(steps, device=lengths.device) < lengths[:, None]).to(dtype)


def mask_to_lengths(mask: Tensor) -> Tensor:
    """(B,) int64 number of columns that count in a mask (B, T) whose ones come first.

    Raises:
        ValueError: if a one follows a zero, so that a length does not describe the row.
    """
    counts = mask > 0
    if (counts[:, 1:] & ~counts[:, :-1]).any():
        raise ValueError("in some row a 1 follows a 0: lengths do not describe this mask")
    return counts.sum(dim=1)


def pad_right(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """(B, T) int64 token rows, filled up with ``pad_id`` behind, to the length of the longest."""
    longest = max((len(row) for row in rows), default=0)
    return torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows]).long()


def pad_left(rows: Sequence[Sequence[int]], pad_id: int) -> Tensor:
    """(B, T) int64 token rows, filled up with ``pad_id`` in front, to the length of the longest."""
    longest = max((len(row) for row in rows), default=0)
    return torch.tensor([[*[pad_id] * (longest - len(row)), *row] for row in rows]).long()
