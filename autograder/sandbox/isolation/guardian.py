"""The process that stands between a sandbox and the grader: starts it, waits for it, cleans up.

One for each sandbox. It runs outside of the sandbox and none of the student's code. It tells the
grader the sandbox's process id and how it ended; when the grader hangs up, or is killed, it kills
everything in the sandbox.
"""

import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from autograder.sandbox.isolation import TIERS, bubblewrap, kernel, landlock, namespaces
from autograder.sandbox.isolation.confinement import Confinement


def guard(
    tier: str,
    confinement: Confinement,
    channel: socket.socket,
    status: socket.socket,
    body: Callable[[str], None],
) -> None:
    """Start a sandbox, watch over it, report, clean up. Never returns to its caller's work."""
    kernel.adopt_orphans()
    keep = {channel.fileno()}

    def inside(work: str) -> None:
        close_all_but(keep)
        body(work)

    try:
        if tier == namespaces.NAME:
            pid = namespaces.start(confinement, inside)
        elif tier == landlock.NAME:
            pid = landlock.start(confinement, inside)
        elif tier == bubblewrap.NAME:
            pid = bubblewrap.start(confinement, channel.fileno())
        else:
            raise ValueError(f"no tier {tier!r}; there are {', '.join(TIERS)}")
    except Exception as error:
        _tell(status, {"refused": f"{type(error).__name__}: {error}"})
        return
    channel.close()
    _tell(status, {"pid": pid})
    _wait(pid, status)
    code, cpu, memory = _end(pid)
    shutil.rmtree(landlock.work_folder(confinement), onerror=_unlock)
    _tell(status, {"exit": code, "cpu": cpu, "memory_kb": memory})


def close_all_but(keep: set[int]) -> None:
    """Close every descriptor of this process but these and the standard ones, which lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    previous = 3
    for number in sorted(keep):
        os.closerange(previous, number)
        previous = number + 1
    os.closerange(previous, 65536)


def _tell(status: socket.socket, message: dict[str, object]) -> None:
    with suppress(OSError):
        status.sendall(json.dumps(message).encode() + b"\n")


def _wait(pid: int, status: socket.socket) -> None:
    """Wait until the sandbox's first process ends or the grader hangs up."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.register(status, select.POLLIN | select.POLLHUP)
        poll.poll()
        os.close(handle)


def _end(pid: int) -> tuple[int, float, int]:
    """Kill what is left; return exit code (or minus the signal), CPU seconds, peak memory in KiB."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    found: tuple[int, float, int] | None = None
    while True:
        _kill_descendants()
        try:
            ended, state, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return found or (0, 0.0, 0)
        if ended == 0:
            time.sleep(0.001)
        elif ended == pid or found is None:
            spent = usage.ru_utime + usage.ru_stime
            found = os.waitstatus_to_exitcode(state), spent, usage.ru_maxrss


def _kill_descendants() -> None:
    """Kill every process below this one; orphans have become our children."""
    for child in _descendants(os.getpid()):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [int(text) for text in file.read().split()]
        for child in children:
            found += [child, *_descendants(child)]
    return found


def _unlock(function: Callable[..., object], path: str, _: object) -> None:
    """Remove what the student's code made unremovable."""
    with suppress(OSError):
        os.chmod(os.path.dirname(path), 0o700)
        if not os.path.islink(path):
            os.chmod(path, 0o700)
        function(path)


def main_guard(*args: object) -> None:
    """Run `guard` and end the process, whatever happens."""
    try:
        guard(*args)  # type: ignore[arg-type]
    except BaseException as error:
        print(f"guardian: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
