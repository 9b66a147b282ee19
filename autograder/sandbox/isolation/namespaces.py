"""Tier 1: namespaces of its own and a root that holds nothing but the allow-list."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from autograder.sandbox.isolation import kernel
from autograder.sandbox.isolation.confinement import Confinement, become
from autograder.sandbox.isolation.paths import DEVICES, WORK

NAME = "namespaces"
_FLAGS = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
)
_PLAIN = kernel.MS_NOSUID | kernel.MS_NODEV


def start(confinement: Confinement, body: Callable[[str], None]) -> int:
    """Run ``body(work folder)`` in a new sandbox.

    Call it in a process made for the purpose: it leaves its namespaces.

    Returns:
        the process id of the sandbox's first process.

    Raises:
        OSError: if the kernel does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(_FLAGS if user == 0 else _FLAGS | kernel.CLONE_NEWUSER)
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    pid = os.fork()
    if pid:
        return pid
    kernel.die_with_parent()
    _build_root(confinement)
    become(confinement.user)
    kernel.drop_capabilities()
    kernel.die_with_parent()  # forgotten by the kernel when the user changes
    kernel.no_new_privileges()
    body(WORK)
    os._exit(0)


def _build_root(confinement: Confinement) -> None:
    root = confinement.mount_point
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    _tmpfs(root, "size=1m,nr_inodes=2000,mode=755")
    # Before what is shown: the course itself may lie below /tmp.
    for folder in ("/tmp", "/dev/shm", WORK):
        os.makedirs(root + folder, exist_ok=True)
        size = int(confinement.limits["disk_mb"])
        _tmpfs(root + folder, f"size={size}m,nr_inodes=10000,mode=1777")
    for path in confinement.view.readable:
        _show(root, path)
    for path in confinement.view.exposed():
        _tmpfs(root + path, "size=4k,mode=000")
    for device in DEVICES:
        _bind(root, device)
    os.makedirs(root + "/proc", exist_ok=True)
    with suppress(OSError):  # a container may forbid it; then there is no /proc
        kernel.mount("proc", root + "/proc", "proc", _PLAIN)
    kernel.make_read_only(root, below=False)
    os.chdir(root)
    kernel.pivot_root()


def _tmpfs(target: str, options: str) -> None:
    kernel.mount("tmpfs", target, "tmpfs", _PLAIN, options)


def _show(root: str, path: str) -> None:
    """Show a path of the machine in the sandbox, read-only; links stay links."""
    if os.path.islink(path):
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        os.symlink(os.readlink(path), root + path)
        return
    _bind(root, path)
    kernel.make_read_only(root + path, below=True)


def _bind(root: str, path: str) -> None:
    if os.path.isdir(path):
        os.makedirs(root + path, exist_ok=True)
    else:
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        Path(root + path).touch()
    kernel.mount(path, root + path, None, kernel.MS_BIND | kernel.MS_REC)
