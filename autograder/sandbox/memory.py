"""Quick access to a tensor's entries: whether they have changed is asked with every message."""

from typing import Any

from torch import Tensor


class Memory:
    """A tensor's memory as an array, to compare it in a microsecond with what is known of it."""

    __slots__ = ("_array", "_place")

    def __init__(self, tensor: Tensor) -> None:
        """Look at this tensor.

        Raises:
            TypeError, RuntimeError: for a dtype that numpy lacks, a conjugate view.
        """
        self._array = tensor.detach().numpy()
        self._place = tensor.data_ptr(), tensor.shape, tensor.stride()

    def is_of(self, tensor: Tensor) -> bool:
        """Whether this is still the tensor's memory, and its layout the same."""
        return (tensor.data_ptr(), tensor.shape, tensor.stride()) == self._place

    def holds(self, raw: bytes) -> bool:
        """Whether the entries, row by row, are these bytes."""
        return bool(self._array.tobytes() == raw)


def memory_of(shared: Any) -> Memory | None:
    """Return quick access to a shared object, or None where there is none."""
    try:
        return Memory(shared) if isinstance(shared, Tensor) else None
    except (TypeError, RuntimeError):
        return None
