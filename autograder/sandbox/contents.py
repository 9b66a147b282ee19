"""The value of a tensor, an array or a generator at one moment: read, written, made anew."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from autograder.sandbox import tensors
from autograder.sandbox.wire import WireError


class Content(NamedTuple):
    """The value of a shared object at one moment."""

    dtype: str
    shape: list[int]
    raw: bytes
    grad: "Content | None" = None
    """Accumulated gradient of a leaf tensor."""


def content_of(shared: Any) -> Content:
    """Read the value of a tensor, an array or a generator."""
    if type(shared) is torch.Generator:
        return Content("generator", [], shared.get_state().numpy().tobytes())
    if isinstance(shared, np.ndarray):
        return Content(*tensors.describe_array(shared))
    grad = shared.grad if shared.is_leaf and shared.requires_grad else None
    return Content(*tensors.describe(shared), None if grad is None else content_of(grad.detach()))


def write(shared: Any, content: Content) -> None:
    """Give a shared object another value, in place.

    Raises:
        WireError: if the value is of another kind than the object.
    """
    try:
        if type(shared) is torch.Generator:
            shared.set_state(tensors.generator_state(content.raw))
        elif isinstance(shared, np.ndarray):
            shared[...] = tensors.rebuild_array(*content[:3])
        else:
            _write_tensor(shared, content)
    except (RuntimeError, ValueError, TypeError) as error:
        raise WireError(f"a change in place that does not fit: {error}") from None


def _write_tensor(shared: Tensor, content: Content) -> None:
    value = tensors.rebuild(*content[:3])
    if value.dtype != shared.dtype:
        raise WireError("a change in place cannot change the dtype")
    if value.shape != shared.shape:
        shared.data = value
    elif content.raw != tensors.describe(shared)[2]:
        with torch.no_grad():
            shared.detach().copy_(value)
    if shared.is_leaf and shared.requires_grad:
        shared.grad = None if content.grad is None else tensors.rebuild(*content.grad[:3])


def rebuilt(kind: type, content: Content) -> Any:
    """Make an object with this value."""
    if kind is torch.Generator:
        generator = torch.Generator()
        write(generator, content)
        return generator
    return (tensors.rebuild_array if kind is np.ndarray else tensors.rebuild)(*content[:3])


def same_grad(tensor: Tensor, known: Content | None) -> bool:
    """Whether the gradient accumulated so far is what is known of it."""
    grad = tensor.grad if tensor.requires_grad and tensor.is_leaf else None
    if grad is None or known is None:
        return grad is None and known is None
    return tensors.raw_bytes(grad) == known.raw
