"""Padding and masks undo each other."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlcourse.support.masking import lengths_to_mask, mask_to_lengths, pad_left, pad_right


@given(st.lists(st.integers(0, 7), min_size=1, max_size=6), st.integers(0, 3))
def test_lengths_survive_the_mask(lengths: list[int], spare: int) -> None:
    mask = lengths_to_mask(torch.tensor(lengths), max(lengths) + spare)
    assert mask.shape == (len(lengths), max(lengths) + spare)
    assert mask_to_lengths(mask).tolist() == lengths
    assert mask.sum() == sum(lengths)


def test_a_mask_by_hand_and_its_dtype() -> None:
    mask = lengths_to_mask(torch.tensor([2, 0, 3]), 3)
    assert mask.tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]
    assert mask.dtype == torch.float32
    assert lengths_to_mask(torch.tensor([1]), 2, torch.bool).dtype == torch.bool


def test_what_is_no_length_is_refused() -> None:
    for lengths in ([4], [-1]):
        with pytest.raises(ValueError, match="between 0 and 3"):
            lengths_to_mask(torch.tensor(lengths), 3)
    with pytest.raises(ValueError, match="follows a 0"):
        mask_to_lengths(torch.tensor([[1, 0, 1]]))


@given(st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=5))
def test_padding_keeps_the_tokens_on_their_side(rows: list[list[int]]) -> None:
    right, left = pad_right(rows, 0), pad_left(rows, 0)
    longest = max(map(len, rows))
    assert right.shape == left.shape == (len(rows), longest)
    assert right.dtype == left.dtype == torch.int64
    for b, row in enumerate(rows):
        assert right[b].tolist() == row + [0] * (longest - len(row))
        assert left[b].tolist() == [0] * (longest - len(row)) + row
