"""Processor time of the processes that a submission starts, seen from outside of its sandbox."""

import os
from collections.abc import Iterator
from contextlib import suppress

_TICK = 1.0 / os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM, _STARTED = 1, 11, 12, 19
"""Places in ``/proc/<pid>/stat``, counted behind the name."""


class Others:
    """All processes of a sandbox but its first one."""

    def __init__(self, first: int) -> None:
        """Look around the sandbox's first process; orphans hang on its parent."""
        self._first = first
        self._root = int(_stat(first)[_PARENT])
        self._seen: dict[tuple[int, str], float] = {}

    def seconds(self) -> float:
        """Return the CPU time of all that were ever seen, the dead ones among them."""
        for pid in _below(self._root):
            if pid != self._first:
                with suppress(OSError, IndexError):
                    fields = _stat(pid)
                    spent = (int(fields[_USER]) + int(fields[_SYSTEM])) * _TICK
                    self._seen[pid, fields[_STARTED]] = spent
        return sum(self._seen.values())


def _stat(pid: int) -> list[str]:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def _below(pid: int) -> Iterator[int]:
    """Every process that this one or one of its threads started, and so on."""
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                children = [int(text) for text in file.read().split()]
            for child in children:
                yield child
                yield from _below(child)
