"""Tensors, arrays and generators that exist on both sides, kept equal.

The trusted side *lends* its objects: each gets a number and a mirror in the student's process. Every message carries
what has changed since the last one, so an in-place change is seen on the other side just as it would be within one
process: aliasing, forgotten copies and changed inputs show, and a generator advances.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from autograder.sandbox import tensors
from autograder.sandbox.memory import Memory, memory_of
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


def _same_grad(tensor: Tensor, known: Content | None) -> bool:
    grad = tensor.grad if tensor.requires_grad and tensor.is_leaf else None
    if grad is None or known is None:
        return grad is None and known is None
    return tensors.raw_bytes(grad) == known.raw


@dataclass(slots=True)
class _Entry:
    get: Callable[[], Any]
    kind: type
    key: int
    known: Content
    leaf: Tensor | None = None
    """Student's side: the leaf that gradients are asked for; differs from the object if that is none."""
    memory: "Memory | None" = None
    """Quick access to a tensor's entries."""


class Mirrors:
    """The table of shared objects of one side."""

    def __init__(self) -> None:
        """Start with nothing shared."""
        self._entries: dict[int, _Entry] = {}
        self._ids: dict[int, int] = {}
        self._dropped: list[int] = []
        self._late: dict[int, _Entry] = {}
        self._told: list[int] = []
        self._next = 1

    def find(self, shared: Any) -> int | None:
        """Return the number of an object that is shared already."""
        number = self._ids.get(id(shared))
        if number is None or self._entries[number].get() is not shared:
            return None
        return number

    def lend(self, shared: Any) -> tuple[int, Content]:
        """Share an object of this side. It is held weakly, unless gradients may flow back to it."""
        number, self._next = self._next, self._next + 1
        content = content_of(shared)
        if isinstance(shared, Tensor) and shared.requires_grad:
            self._put(number, shared, content)
        else:
            self._put(number, shared, content, weak=True)
        return number, content

    def borrow(
        self, number: int, shared: Any, content: Content, leaf: Tensor | None = None
    ) -> None:
        """Keep the mirror of an object of the other side."""
        self._put(number, shared, content)
        self._entries[number].leaf = leaf

    def _put(self, number: int, shared: Any, content: Content, weak: bool = False) -> None:
        get = weakref.ref(shared, lambda _: self._died(number)) if weak else lambda: shared
        memory = memory_of(shared)
        self._entries[number] = _Entry(get, type(shared), id(shared), content, memory=memory)
        self._ids[id(shared)] = number

    def _died(self, number: int) -> None:
        """Note that an object of this side is gone, so that its mirror can go as well.

        Until the other side has been told, it may still send the mirror back: by value then.
        """
        if number in self._entries:
            self._late[number] = self._entries[number]
            self._forget(number)
            self._dropped.append(number)

    def heard(self) -> None:
        """Note that a message came: the other side has dropped what the last one told it to."""
        for number in self._told:
            self._late.pop(number, None)
        self._told.clear()

    def _forget(self, number: int) -> None:
        entry = self._entries.pop(number, None)
        if entry is not None and self._ids.get(entry.key) == number:
            del self._ids[entry.key]

    def get(self, number: Any) -> Any:
        """Return the shared object of that number.

        Raises:
            WireError: if there is none.
        """
        entry = self._entries.get(number) if type(number) is int else None
        shared = None if entry is None else entry.get()
        if shared is None and type(number) is int and number in self._late:
            shared = rebuilt(self._late[number].kind, self._late[number].known)
        if shared is None:
            raise WireError(f"no shared object {str(number)[:20]}")
        return shared

    def leaf(self, number: int) -> Tensor | None:
        """Return the leaf whose gradient stands for that of a mirror."""
        return self._entries[number].leaf if number in self._entries else None

    def number_of_leaf(self, leaf: Tensor) -> int | None:
        """Return the number of the mirror with this leaf."""
        for number, entry in self._entries.items():
            if entry.leaf is leaf:
                return number
        return None

    def changes(self) -> list[tuple[int, Content]]:
        """Return what has changed on this side since the other one last heard of it."""
        found = []
        for number, entry in list(self._entries.items()):
            shared = entry.get()
            if shared is None:
                continue
            if entry.kind is np.ndarray and shared.tobytes() == entry.known.raw:
                continue
            if entry.memory is not None:
                if not entry.memory.is_of(shared):
                    entry.memory = memory_of(shared)
                elif entry.memory.holds(entry.known.raw) and _same_grad(shared, entry.known.grad):
                    continue
            now = content_of(shared)
            if now != entry.known:
                entry.known = now
                found.append((number, now))
        return found

    def dropped(self) -> list[int]:
        """Return the numbers this side no longer needs, once."""
        numbers, self._dropped = self._dropped, []
        self._told += numbers
        return numbers

    def drop(self, numbers: list[int]) -> None:
        """Forget mirrors that the other side no longer needs."""
        for number in numbers:
            self._forget(number)

    def accept(self, number: int, content: Content) -> None:
        """Take over a change made on the other side."""
        if number in self._late:
            self._late[number].known = content
            return
        shared = self.get(number)
        write(shared, content)
        # A generator's state is large, and it takes over what it is given as it is.
        generator = type(shared) is torch.Generator
        self._entries[number].known = content if generator else content_of(shared)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._ids.clear()
        for left in (self._dropped, self._late, self._told):
            left.clear()
