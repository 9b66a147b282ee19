"""Tensors, arrays and generators that exist on both sides, kept equal.

The trusted side *lends* its objects: each gets a number and a mirror in the student's process. Every message carries
what has changed since the last one, so an in-place change is seen on the other side just as it would be within one
process: aliasing, forgotten copies and changed inputs show, and a generator advances.
"""

import weakref
from typing import Any

import torch
from torch import Tensor

from autograder.sandbox.contents import Content, content_of, rebuilt, write
from autograder.sandbox.entries import Entry, Group
from autograder.sandbox.memory import memory_of
from autograder.sandbox.wire import WireError

GROUP = 32
"""How many tensors are compared in one go."""


class Mirrors:
    """The table of shared objects of one side."""

    def __init__(self) -> None:
        """Start with nothing shared."""
        self._entries: dict[int, Entry] = {}
        self._ids: dict[int, int] = {}
        self._dropped: list[int] = []
        self._late: dict[int, Entry] = {}
        self._told: list[int] = []
        self._groups: set[Group] = set()
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
        self._entries[number] = Entry(get, type(shared), id(shared), content, weak, memory=memory)
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
        if entry is not None and entry.group is not None:
            self._dissolve(entry.group)

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
        for group in [group for group in self._groups if not group.are_as_known()]:
            self._dissolve(group)
        found, same = [], []
        for number, entry in [pair for pair in self._entries.items() if pair[1].group is None]:
            shared = entry.get()
            if shared is None:
                continue
            if entry.is_as_known(shared):
                same.append(entry)
                continue
            now = content_of(shared)
            if now != entry.known:
                entry.known = now
                found.append((number, now))
        self._compare_together(same)
        return found

    def _compare_together(self, same: list[Entry]) -> None:
        """Make a group of the older ones, if these are many: the latest may be gone soon."""
        fit = [e for e in same if not e.weak and e.memory and e.memory.lies_row_by_row]
        if len(fit) >= 2 * GROUP:
            self._groups.add(Group(fit[:GROUP]))

    def _dissolve(self, group: Group) -> None:
        """Compare these one by one again."""
        self._groups.discard(group)
        for entry in group.entries:
            entry.group = None

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
        for left in (self._dropped, self._late, self._told, self._groups):
            left.clear()
