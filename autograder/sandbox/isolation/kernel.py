"""The few kernel calls that Python does not offer, for x86-64 and aarch64."""

import ctypes
import os
import platform

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_MOUNT_SETATTR = 442
_AT_RECURSIVE = 0x8000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}


def machine() -> str:
    """Return the processor's name; this package knows x86_64 and aarch64.

    Raises:
        OSError: on any other.
    """
    name = platform.machine()
    if name not in _PIVOT_ROOT:
        raise OSError(f"no sandbox for processors of kind {name}; there are x86_64 and aarch64")
    return name


def check(result: int, what: str) -> int:
    """Return the result of a C call.

    Raises:
        OSError: if it failed; the message says what was tried.
    """
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def syscall(number: int, *args: object) -> int:
    """Make a raw system call; -1 on failure, with errno set."""
    wide = (ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args)
    return int(_libc.syscall(ctypes.c_long(number), *wide))


def prctl(option: int, *args: int) -> None:
    """Change a property of this process."""
    padded = [ctypes.c_ulong(arg) for arg in (*args, 0, 0, 0, 0)[:4]]
    check(_libc.prctl(option, *padded), f"prctl {option}")


def die_with_parent() -> None:
    """Be killed when the parent process ends."""
    prctl(_PR_SET_PDEATHSIG, 9)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ended."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def no_new_privileges() -> None:
    """Make set-user-ID programs powerless from here on."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def install_filter(program_address: int) -> None:
    """Install a seccomp filter."""
    prctl(_PR_SET_SECCOMP, 2, program_address)


def unshare(flags: int) -> None:
    """Leave namespaces of the parent process."""
    check(_libc.unshare(flags), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount a file system."""
    parts = [None if text is None else text.encode() for text in (source, target, kind)]
    result = _libc.mount(*parts, ctypes.c_ulong(flags), data.encode() or None)
    check(result, f"mount {target}")


def make_read_only(target: str, *, below: bool) -> None:
    """Make a mount, and perhaps all mounts below it, read-only, without devices and set-user-ID."""
    attributes = (ctypes.c_uint64 * 4)(_ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV, 0, 0, 0)
    flags = _AT_RECURSIVE if below else 0
    result = syscall(_MOUNT_SETATTR, -100, target.encode(), flags, ctypes.byref(attributes), 32)
    check(result, f"mount_setattr {target}")


def pivot_root() -> None:
    """Make the working directory the root; the old root is unmounted."""
    check(syscall(_PIVOT_ROOT[machine()], b".", b"."), "pivot_root")
    check(_libc.umount2(b".", 2), "umount of the old root")
    os.chdir("/")


def drop_capabilities() -> None:
    """Give up all capabilities, also those of a user namespace of one's own."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    check(syscall(_CAPSET[machine()], ctypes.byref(header), ctypes.byref(data)), "capset")
