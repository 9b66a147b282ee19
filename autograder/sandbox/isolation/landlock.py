"""Tier 3: Landlock decides which files there are, seccomp forbids the rest (sockets among it).

No private root and no process namespace here: other processes can be seen by number, though not
touched, and what is written lies in a folder of the machine, bounded by file but not in all.
"""

import ctypes
import os
import struct
import tempfile
from collections.abc import Callable

from autograder.sandbox.isolation import kernel
from autograder.sandbox.isolation.confinement import Confinement, TierUnavailable, become
from autograder.sandbox.isolation.paths import DEVICES

NAME = "landlock"
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on x86-64 and aarch64
_READ = 1 | 4 | 8
"""Execute, read files, list folders."""
_WRITE = 2
_OF_FILES = 1 | 2 | 4 | (1 << 14) | (1 << 15)
_NEVER = (1 << 6) | (1 << 9) | (1 << 11)
"""Making devices and sockets."""
_SCOPED = 6
"""The version from which signals to processes outside are forbidden."""


def version() -> int:
    """Return the kernel's Landlock version, 0 if it has none."""
    return max(0, kernel.syscall(_CREATE, None, 0, 1))


def why_not() -> str | None:
    """Return why Landlock cannot be used here, or None if it can."""
    found = version()
    if found == 0:
        return "this kernel has no Landlock (Linux 5.13 or later, with landlock in its lsm= list)"
    if found < _SCOPED and os.geteuid() != 0:
        return (
            f"Landlock version {found} lets a submission send signals to your own processes; "
            "version 6 (Linux 6.12) does not, nor does grading as root"
        )
    return None


def start(confinement: Confinement, body: Callable[[str], None]) -> int:
    """Run ``body(work folder)`` in a new sandbox; the caller removes the folder (`work_folder`).

    Returns:
        the process id of the sandbox's first process.

    Raises:
        TierUnavailable: if Landlock cannot keep what this tier promises.
    """
    reason = why_not()
    if reason is None and confinement.view.exposed():
        reason = f"{confinement.view.exposed()[0]} lies in a folder that must be readable"
    if reason is not None:
        raise TierUnavailable(reason)
    work = work_folder(confinement)
    os.makedirs(work, mode=0o700)
    os.chown(work, confinement.user, confinement.user if os.geteuid() == 0 else -1)
    pid = os.fork()
    if pid:
        return pid
    kernel.die_with_parent()
    become(confinement.user)
    kernel.drop_capabilities()
    kernel.die_with_parent()
    tempfile.tempdir = work
    _must_be_readable(confinement.view.readable)
    restrict(confinement.view.readable, work)
    body(work)
    os._exit(0)


def _must_be_readable(paths: tuple[str, ...]) -> None:
    """Refuse where the sandbox's own user cannot get at Python: it would fail in odd places."""
    for path in paths:
        try:
            os.stat(path)
        except PermissionError:
            reason = f"{path} cannot be entered by other users; install Python where it can"
            raise TierUnavailable(reason) from None


def work_folder(confinement: Confinement) -> str:
    """Return the folder that the sandbox may write to."""
    return f"{confinement.mount_point}/{os.getpid()}"


def restrict(readable: tuple[str, ...], work: str) -> None:
    """Leave this process nothing but these paths.

    Raises:
        OSError: if the kernel refuses.
    """
    found = version()
    handled = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(found, 16)) - 1
    attributes = struct.pack("QQQ", handled, 3 if found >= 4 else 0, 3 if found >= _SCOPED else 0)
    size = 24 if found >= _SCOPED else 16 if found >= 4 else 8
    rules = kernel.check(kernel.syscall(_CREATE, attributes, size, 0), "landlock_create_ruleset")
    for path in readable:
        _allow(rules, path, _READ & handled)
    for device in DEVICES:
        _allow(rules, device, (_READ | _WRITE) & handled)
    _allow(rules, work, handled & ~_NEVER)
    kernel.no_new_privileges()
    kernel.check(kernel.syscall(_RESTRICT, rules, 0), "landlock_restrict_self")
    os.close(rules)


def _allow(rules: int, path: str, access: int) -> None:
    try:
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        access &= _OF_FILES
    rule = ctypes.create_string_buffer(struct.pack("=Qi", access, target))
    kernel.check(kernel.syscall(_ADD, rules, 1, ctypes.byref(rule), 0), f"landlock rule {path}")
    os.close(target)
