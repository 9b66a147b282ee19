"""The thing under test: a module with a student's functions, here or in another process."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from rlcourse.support.seeding import global_rng_state


class Subject(Protocol):
    """What a check may do with a module: nothing else is used."""

    def function(self, name: str) -> Callable[..., Any]:
        """The function or class of that name; AttributeError if the module has none."""
        ...

    def global_rng_state(self) -> bytes:
        """A digest of the global random generators where the functions run."""
        ...

    def replace(self, name: str, function: Callable[..., Any]) -> AbstractContextManager[None]:
        """Put another function under that name while the context lasts."""
        ...


class LocalSubject:
    """A module, or any object with the functions as attributes, in this process."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def function(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self.module, name)
        return found

    def global_rng_state(self) -> bytes:
        return global_rng_state()

    @contextmanager
    def replace(self, name: str, function: Callable[..., Any]) -> Iterator[None]:
        missing = object()
        original = getattr(self.module, name, missing)
        setattr(self.module, name, function)
        try:
            yield
        finally:
            if original is missing:
                delattr(self.module, name)
            else:
                setattr(self.module, name, original)


_loaded: dict[str, tuple[Path, int]] = {}


def imported_module(name: str) -> ModuleType:
    """Import ``rlcourse.<name>``, again if its file has changed since, so that an edit counts at once."""
    full = f"rlcourse.{name}"
    known = sys.modules.get(full)
    if known is not None and known.__file__:
        path = Path(known.__file__)
        stamp = (path, path.stat().st_mtime_ns) if path.exists() else None
        if stamp is not None and _loaded.setdefault(full, stamp) != stamp:
            del sys.modules[full]
    module = importlib.import_module(full)
    if module.__file__:
        path = Path(module.__file__)
        _loaded[full] = (path, path.stat().st_mtime_ns)
    return module


def local_subject(name: str) -> Subject:
    """The module of that name in this process, freshly imported if it was edited."""
    return LocalSubject(imported_module(name))


find_subject: Callable[[str], Subject] = local_subject
"""How a check finds a chapter's module. The grader sets another one, which reaches into a sandbox."""


def set_subject_finder(finder: Callable[[str], Subject]) -> None:
    """Let all checks of this process find their modules through ``finder``."""
    global find_subject
    find_subject = finder


def no_reference(module: str, name: str) -> Callable[..., Any] | None:
    """A student's machine has no reference: an exercise then uses the student's own earlier functions."""
    return None


find_reference: Callable[[str, str], Callable[..., Any] | None] = no_reference
"""The authors' version of a function, where there is one."""


def set_reference_finder(finder: Callable[[str, str], Callable[..., Any] | None]) -> None:
    """Let checks put the authors' version of an earlier exercise in place of the student's.

    Grading does, so that one hole never costs twice.
    """
    global find_reference
    find_reference = finder
