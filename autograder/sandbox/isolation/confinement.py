"""What a tier is told about the one sandbox it makes."""

import json
import os
import pwd
from dataclasses import asdict, dataclass
from typing import Any

from autograder.sandbox.isolation.paths import View

FIRST_SLOT, SLOTS = 610_000, 1 << 22
"""User ids of sandboxes, where the grader runs as root; none has an account. A process id is smaller than ``SLOTS``."""


class TierUnavailable(Exception):
    """A tier does not work on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """One sandbox: what it sees, what it may use, as whom it runs."""

    view: View
    limits: dict[str, float]
    mount_point: str
    """An empty folder; the sandbox's root is put together there, seen by the sandbox alone."""
    slot: int = 0
    """Number of the sandbox; no two that live at the same time have the same one."""

    @property
    def user(self) -> int:
        """User and group id inside; one of its own if we are root, else our own."""
        return FIRST_SLOT + self.slot % SLOTS if os.geteuid() == 0 else os.geteuid()

    def to_json(self) -> str:
        """Return text for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Confinement":
        """Read it back."""
        data: dict[str, Any] = json.loads(text)
        view = View(**{name: tuple(paths) for name, paths in data.pop("view").items()})
        return cls(view=view, **data)


def become(user: int) -> None:
    """Give up root for good; nothing happens if we are not root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def has_account(user: int) -> bool:
    """Whether somebody is known under this user id."""
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True
