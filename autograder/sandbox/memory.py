"""Quick access to a tensor's entries: whether they have changed is asked with every message.

A tensor's version counter would answer sooner, but what writes through ``.data`` or numpy does not count there.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from torch import Tensor
from torch._C._dynamo.guards import TensorGuards

_IS_LEAF = attrgetter("is_leaf")


class Memory:
    """A tensor's memory as an array, to compare it in a microsecond with what is known of it."""

    __slots__ = ("_place", "array")

    def __init__(self, tensor: Tensor) -> None:
        """Look at this tensor.

        Raises:
            TypeError, RuntimeError: for a dtype that numpy lacks, a conjugate view.
        """
        self.array = tensor.detach().numpy()
        self._place = tensor.data_ptr(), tensor.shape, tensor.stride()

    def is_of(self, tensor: Tensor) -> bool:
        """Whether this is still the tensor's memory, and its layout the same."""
        return (tensor.data_ptr(), tensor.shape, tensor.stride()) == self._place

    def holds(self, raw: bytes) -> bool:
        """Whether the entries, row by row, are these bytes."""
        return bool(self.array.tobytes() == raw)

    @property
    def lies_row_by_row(self) -> bool:
        """Whether the entries lie in memory in the order in which they are compared."""
        return bool(self.array.flags.c_contiguous)


class Together:
    """Tensors that are compared in one go: what each of them costs is spent in C."""

    __slots__ = ("_are_leaves", "_arrays", "_guards", "_pointers", "_raw", "_tensors", "leaves")

    def __init__(self, tensors: Sequence[Tensor], memories: Sequence[Memory]) -> None:
        """Look at these tensors, whose entries lie row by row, as they are now."""
        self._tensors = tensors
        self._arrays: list[Any] = [memory.array for memory in memories]
        self._raw = b"".join(self._arrays)
        self._pointers = list(map(Tensor.data_ptr, tensors))
        self._are_leaves = list(map(_IS_LEAF, tensors))
        sizes: list[Any] = [list(tensor.shape) for tensor in tensors]
        strides: list[Any] = [list(tensor.stride()) for tensor in tensors]
        self._guards = TensorGuards(
            *tensors, dynamic_dims_sizes=sizes, dynamic_dims_strides=strides
        )
        self.leaves = [tensor for tensor in tensors if tensor.requires_grad and tensor.is_leaf]
        """Those that may have a gradient; that is not compared here."""

    def are_as_they_were(self) -> bool:
        """Whether nothing but gradients has changed: entries, place, layout, kind, what asks for gradients."""
        tensors = self._tensors
        return bool(
            b"".join(self._arrays) == self._raw
            and list(map(Tensor.data_ptr, tensors)) == self._pointers
            and list(map(_IS_LEAF, tensors)) == self._are_leaves
            and self._guards.check(*tensors)
        )


def memory_of(shared: Any) -> Memory | None:
    """Return quick access to a shared object, or None where there is none."""
    try:
        return Memory(shared) if isinstance(shared, Tensor) else None
    except (TypeError, RuntimeError):
        return None
