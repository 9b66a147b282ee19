"""What stands for the student's module and objects in the trusted process."""

import importlib.util
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from autograder.sandbox.errors import StudentStopped

MAX_ITEMS = 100_000
"""Items taken from one of the student's iterators."""


class Asks(Protocol):
    """The part of a peer that a proxy needs."""

    def request(self, operation: str, value: Any = None) -> Any:
        """Ask the student's process."""

    def global_rng_state(self) -> str:
        """Return a digest of the global generators there."""


class RemoteObject:
    """An object that lives in the student's process.

    It has no comparisons, no arithmetic and no truth value of its own: an object that claims to
    equal everything convinces nobody here.
    """

    __slots__ = ("__weakref__", "_number", "_peer", "_type_name")

    def __init__(self, peer: Asks, number: int, type_name: str) -> None:
        """Stand for the student's object of that number."""
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_type_name", type_name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"{name} of a student's object is out of reach")
        return self._peer.request("get", [self, name])

    def __setattr__(self, name: str, value: Any) -> None:
        self._peer.request("set", [self, name, value])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._peer.request("call", [self, list(args), kwargs])

    def __len__(self) -> int:
        length = self._peer.request("len", [self])
        if type(length) is not int or not 0 <= length < 1 << 40:
            raise TypeError("the length of the student's object is no whole number")
        return length

    def __getitem__(self, index: Any) -> Any:
        return self._peer.request("item", [self, index])

    def __iter__(self) -> Iterator[Any]:
        iterator = self._peer.request("iter", [self])
        for _ in range(MAX_ITEMS):
            answer = self._peer.request("next", [iterator])
            if not isinstance(answer, list) or len(answer) != 1:
                return
            yield answer[0]
        raise ValueError(f"the student's iterator gave more than {MAX_ITEMS} items")

    def __bool__(self) -> bool:
        raise TypeError(f"expected a number or a tensor, got an object of type {self._type_name}")

    def __repr__(self) -> str:
        return f"<{self._type_name} of the student>"


class RemoteSubject:
    """The student's module as the checks see it (see `rlcourse.checks.subject.Subject`)."""

    def __init__(self, peer: Callable[[], Asks], module: str) -> None:
        """Import the module in the student's process.

        Args:
            peer: returns the present connection; a new process has a new one.
            module: name of the module in ``rlcourse``.

        Raises:
            StudentError: what the import raised.
        """
        self._peer = peer
        self._module = module
        peer().request("import", module)

    def function(self, name: str) -> Callable[..., Any]:
        """Return a function or class of the module; AttributeError if there is none."""
        found: Callable[..., Any] = self._peer().request("lookup", [self._module, name])
        return found

    def global_rng_state(self) -> bytes:
        """Return a digest of the global random generators of the student's process."""
        return self._peer().global_rng_state().encode("utf-8", "replace")

    @contextmanager
    def replace(self, name: str, function: Callable[..., Any]) -> Iterator[None]:
        """Let the student's module find another function under that name; it runs on our side."""
        self._peer().request("replace", [self._module, name, function])
        try:
            yield
        finally:
            self._restore(name)

    def _restore(self, name: str) -> None:
        with suppress(StudentStopped):  # a new process has the student's own function
            self._peer().request("restore", [self._module, name])


class RemoteModule(types.ModuleType):
    """``rlcourse.<module>`` in the trusted process: every name is looked up in the student's."""

    def __init__(self, peer: Callable[[], Asks], module: str) -> None:
        """Stand for ``rlcourse.<module>``."""
        super().__init__(f"rlcourse.{module}")
        self.__dict__["__spec__"] = importlib.util.spec_from_loader(self.__name__, loader=None)
        self.__dict__["_home"] = (peer, module)

    def __getattr__(self, name: str) -> Any:
        peer, module = self.__dict__["_home"]
        if name == "__all__":
            peer().request("import", module)
            return [str(public) for public in peer().request("public", module)]
        if name.startswith("__"):
            raise AttributeError(name)
        return RemoteSubject(peer, module).function(name)
