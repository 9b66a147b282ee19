"""Tensors and arrays as a description and raw bytes, exact for every dtype."""

import math
import struct
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.sandbox.wire import WireError

DTYPES: dict[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in vars(torch).values()
    if isinstance(dtype, torch.dtype) and not str(dtype).startswith(("torch.q", "torch.bits"))
}
"""Every dtype whose entries are plain bytes, by name."""
_MAX_SIDE = 1 << 31

_NAME = {dtype: name for name, dtype in DTYPES.items()}

Described = tuple[str, list[int], bytes]
"""dtype name, shape, raw bytes."""


def describe(tensor: Tensor) -> Described:
    """Take a tensor apart.

    Raises:
        TypeError: for layouts that have no plain bytes (sparse, quantized, meta).
    """
    name = _NAME.get(tensor.dtype)
    if tensor.layout != torch.strided or name is None or tensor.is_meta:
        raise TypeError(
            f"a tensor of layout {tensor.layout} and dtype {tensor.dtype} cannot be graded"
        )
    return name, list(tensor.shape), raw_bytes(tensor)


def raw_bytes(tensor: Tensor) -> bytes:
    """Return the entries of a strided tensor, row by row."""
    try:
        return tensor.detach().numpy().tobytes()
    except (TypeError, RuntimeError):  # a dtype that numpy lacks, a conjugate view, another device
        plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    flat = plain.contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def rebuild(name: Any, shape: Any, raw: bytes | bytearray) -> Tensor:
    """Put a tensor together again; the bytes are copied.

    Raises:
        WireError: if dtype, shape and bytes do not fit together.
    """
    dtype = DTYPES.get(name) if isinstance(name, str) else None
    sides_fit = isinstance(shape, list) and len(shape) <= 32
    if (
        dtype is None
        or not sides_fit
        or any(type(n) is not int or not 0 <= n < _MAX_SIDE for n in shape)
    ):
        raise WireError("no tensor: unknown dtype or impossible shape")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise WireError("no tensor: shape and bytes disagree")
    if not raw:
        return torch.empty(shape, dtype=dtype)
    if dtype == torch.bool:  # a byte of 7 would be a bool that equals neither True nor False
        return (torch.frombuffer(bytearray(raw), dtype=torch.uint8) != 0).reshape(shape)
    flat = torch.frombuffer(bytearray(raw), dtype=dtype)
    return flat if len(shape) == 1 else flat.reshape(shape)


def describe_array(array: np.ndarray[Any, Any]) -> Described:
    """Take an array of numbers apart.

    Raises:
        TypeError: for arrays of objects, strings or records.
    """
    if array.dtype.kind not in "biufc" or not array.dtype.isnative:
        raise TypeError(f"an array of dtype {array.dtype} cannot be graded")
    return _name(array.dtype), list(array.shape), array.tobytes()


@cache
def _name(dtype: np.dtype[Any]) -> str:
    return str(dtype.name)


def rebuild_array(name: Any, shape: Any, raw: bytes | bytearray) -> np.ndarray[Any, Any]:
    """Put an array together again; the bytes are copied.

    Raises:
        WireError: if dtype, shape and bytes do not fit together.
    """
    if not isinstance(name, str) or name not in _ARRAY_DTYPES:
        raise WireError("no array: unknown dtype")
    if not isinstance(shape, list) or len(shape) > 32:
        raise WireError("no array: impossible shape")
    if any(type(n) is not int or not 0 <= n < _MAX_SIDE for n in shape):
        raise WireError("no array: impossible shape")
    dtype = np.dtype(name)
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise WireError("no array: shape and bytes disagree")
    flat = np.frombuffer(bytearray(raw), dtype=np.uint8)
    if dtype == np.bool_:
        return np.asarray(flat != 0).reshape(shape)
    return flat.view(dtype).reshape(shape) if raw else np.empty(shape, dtype)


_ARRAY_DTYPES = frozenset(
    np.dtype(code).name for code in "?bBhHiIlLqQefdgFDG" if np.dtype(code).kind in "biufc"
)


_STATE_WORDS = 624
_STATE_HEAD = struct.Struct("=QiiQ")
"""How torch begins the state of a generator: seed, words left, whether seeded, next word."""


def generator_state(raw: bytes | bytearray) -> Tensor:
    """Return the state of a generator as torch takes it.

    Raises:
        WireError: for a state from which torch would read memory beyond it.
    """
    if len(raw) < _STATE_HEAD.size:
        raise WireError("no state of a generator")
    _, left, _, following = _STATE_HEAD.unpack_from(raw)
    if left < 1 or following + left > _STATE_WORDS + 1:
        raise WireError("no state of a generator")
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8)
