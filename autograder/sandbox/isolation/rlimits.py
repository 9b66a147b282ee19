"""Limits that the kernel keeps for each process."""

import os
import resource
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def apply(limits: Mapping[str, float], processes_of_user: int = 0) -> None:
    """Set the limits of this process; those it starts inherit them.

    Args:
        limits: the fields of `autograder.sandbox.Limits`, and ``total_cpu_seconds``, which bounds a
            whole session as a second line behind the limit of each part.
        processes_of_user: how many processes the user runs already, where they count as well.
    """
    cpu = int(limits["total_cpu_seconds"]) + 1
    values = {
        resource.RLIMIT_AS: int(limits["memory_mb"]) << 20,
        resource.RLIMIT_FSIZE: int(limits["file_mb"]) << 20,
        resource.RLIMIT_NOFILE: int(limits["open_files"]),
        resource.RLIMIT_NPROC: int(limits["processes"]) + processes_of_user,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in values.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    with suppress(OSError):  # the kernel's own choice of a victim, should memory run out
        Path("/proc/self/oom_score_adj").write_text("1000")


def count_processes(uid: int) -> int:
    """Return how many threads a user runs on this machine."""
    total = 0
    for entry in os.scandir("/proc"):
        with suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                total += len(os.listdir(f"/proc/{entry.name}/task"))
    return total
