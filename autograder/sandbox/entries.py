"""What one side knows of the objects that it shares, and whether they are still like that."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from autograder.sandbox.contents import Content, same_grad
from autograder.sandbox.memory import Memory, Together, memory_of


@dataclass(slots=True, eq=False)
class Entry:
    """What one side knows of a shared object."""

    get: Callable[[], Any]
    kind: type
    key: int
    known: Content
    weak: bool
    """Whether the object is not kept alive here."""
    leaf: Tensor | None = None
    """Student's side: the leaf that gradients are asked for; differs from the object if that is none."""
    memory: Memory | None = None
    """Quick access to a tensor's entries."""
    group: "Group | None" = None

    def is_as_known(self, shared: Any) -> bool:
        """Whether the object has certainly not changed."""
        if self.kind is np.ndarray:
            return bool(shared.tobytes() == self.known.raw)
        if self.memory is None:
            return False
        if not self.memory.is_of(shared):
            self.memory = memory_of(shared)
            return False
        return self.memory.holds(self.known.raw) and same_grad(shared, self.known.grad)


class Group:
    """Entries of tensors kept alive here, none of which has changed for a while."""

    def __init__(self, entries: list[Entry]) -> None:
        """Look at these together from now on."""
        self.entries = entries
        tensors = [entry.get() for entry in entries]
        self._together = Together(tensors, [entry.memory for entry in entries if entry.memory])
        known = {id(tensor): entry for tensor, entry in zip(tensors, entries, strict=True)}
        self._leaves = [(leaf, known[id(leaf)]) for leaf in self._together.leaves]
        for entry in entries:
            entry.group = self

    def are_as_known(self) -> bool:
        """Whether certainly none has changed."""
        return self._together.are_as_they_were() and all(
            same_grad(leaf, entry.known.grad) for leaf, entry in self._leaves
        )
