"""One sandboxed process as the judge sees it: started, timed, stopped, and how it ended."""

import json
import marshal
import select
import signal
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from autograder.sandbox.assignment import GradedModule
from autograder.sandbox.errors import (
    GraderError,
    OutOfMemory,
    StudentDied,
    StudentStopped,
    StudentTimeout,
)
from autograder.sandbox.host import Host
from autograder.sandbox.isolation.usage import Others
from autograder.sandbox.limits import Limits
from autograder.sandbox.prefork import send_request
from autograder.sandbox.wire import Channel, PeerClosed

_SLICE = 0.1
"""Seconds between two looks at the clocks."""
_NOTE = 200
"""Room for the sandbox's own note on what it dropped."""
_START_SECONDS = 120.0
_END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Cell:
    """Where sandboxes come from: the control socket of the warm parent, the tier, what it shows."""

    control: socket.socket
    tier: str
    confinement: dict[str, Any]


class Session:
    """A student's process. Once stopped it stays so; make another one to go on."""

    def __init__(self, cell: Cell, limits: Limits, parts: int) -> None:
        """Start a sandbox and wait until it is confined.

        Args:
            cell: where it comes from.
            limits: what one part may use.
            parts: how many parts will run in it.

        Raises:
            GraderError: if it cannot be confined; nothing of the student's has run then.
        """
        self.limits = limits
        self.stopped: StudentStopped | None = None
        self.failure: GraderError | None = None
        self.cpu_seconds = 0.0
        self._said: list[str] = []
        self._said_size = 0
        self._ending: dict[str, Any] = {}
        self._clock: int | None = None
        self._others: Others | None = None
        self._buffer = b""
        channel = self._connect(cell, parts)
        self.host = Host(Channel(channel, self._patience), self._hear, self._give_up)
        self._begin_clock(_START_SECONDS, _START_SECONDS)
        while self._clock is None and not self._ending:
            self._patience()
            select.select([self._status], [], [], _SLICE)

    def _connect(self, cell: Cell, parts: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._status, status = socket.socketpair()
        total = self.limits.cpu_seconds * (parts + 2)
        request = {
            "tier": cell.tier,
            "confinement": cell.confinement,
            "limits": {**asdict(self.limits), "total_cpu_seconds": total},
        }
        with theirs, status:
            send_request(cell.control, request, [theirs.fileno(), status.fileno()])
        self._status.setblocking(False)
        return ours

    def prepare(self, module: GradedModule, files: dict[str, bytes]) -> None:
        """Hand over the submission's files and the compiled earlier chapters.

        Raises:
            GraderError: if that fails; nothing of the student's has run then.
        """
        self._begin_clock(_START_SECONDS, _START_SECONDS)
        try:
            earlier = compiled(module.solutions, module.earlier)
            self.host.request("prepare", [module.name, files, earlier])
        except (StudentStopped, Exception) as error:
            raise GraderError(f"a sandbox did not start: {error}") from None

    def begin_part(self, seed: int) -> None:
        """Start a part: new time limits, freshly seeded generators, nothing shared."""
        self._begin_clock(self.limits.cpu_seconds, self.limits.wall_seconds)
        self.host.forget()
        self.host.request("begin", seed)

    def take_output(self) -> str:
        """Return what the student's code has printed since the last time."""
        text = "".join(self._said)
        self._said.clear()
        self._said_size = 0
        return text

    def close(self) -> None:
        """Kill everything in the sandbox and wait until it is gone."""
        with suppress(OSError):
            self._status.shutdown(socket.SHUT_WR)
        self._await_ending()
        self.host.channel.close()
        self._status.close()
        if self.stopped is None:
            self.stopped = StudentDied("the student's process has ended")

    # Clocks.

    def _begin_clock(self, cpu_seconds: float, wall_seconds: float) -> None:
        self._cpu_end = self._cpu() + cpu_seconds
        self._wall_end = time.monotonic() + wall_seconds
        self._budget = cpu_seconds, wall_seconds

    def _cpu(self) -> float:
        """Return the CPU time of all processes of the sandbox, as the kernel counts it."""
        if self._clock is not None and self._others is not None:
            with suppress(OSError):
                self.cpu_seconds = time.clock_gettime(self._clock) + self._others.seconds()
        return self.cpu_seconds

    def _patience(self) -> float:
        """Return how long to wait; raise when time is up or the sandbox cannot be had."""
        if self.stopped is not None:
            raise StudentDied("the student's process has ended")
        self._read_status()
        if "refused" in self._ending:
            self.failure = GraderError(f"no sandbox: {self._ending['refused']}")
            raise self.failure
        if self._cpu() > self._cpu_end:
            raise self._stop(StudentTimeout(f"it used more than {self._budget[0]:g} s of CPU time"))
        if time.monotonic() > self._wall_end:
            raise self._stop(StudentTimeout(f"it did not end within {self._budget[1]:g} s"))
        return _SLICE

    # The end.

    def _give_up(self, error: Exception) -> StudentStopped:
        """Say why the connection is of no more use."""
        if isinstance(error, PeerClosed):
            self._await_ending()
            return self._stop(self._cause())
        return self._stop(StudentDied(f"the student's process sent nonsense: {error}"))

    def _stop(self, cause: StudentStopped) -> StudentStopped:
        if self.stopped is None:
            self.stopped = cause
            self.close()
        return self.stopped

    def _cause(self) -> StudentStopped:
        code = int(self._ending.get("exit", 0))
        cpu = float(self._ending.get("cpu", 0.0))
        memory = int(self._ending.get("memory_kb", 0))
        if code == -signal.SIGXCPU or (code == -signal.SIGKILL and cpu >= self._cpu_end):
            return StudentTimeout(f"it used more than {self._budget[0]:g} s of CPU time")
        if code == -signal.SIGKILL and memory > 800 * self.limits.memory_mb:
            return OutOfMemory(f"it used more than {self.limits.memory_mb} MB of memory")
        if code < 0:
            return StudentDied(f"the process was ended by signal {signal.Signals(-code).name}")
        return StudentDied(f"the process ended itself (exit code {code})")

    def _await_ending(self) -> None:
        end = time.monotonic() + _END_SECONDS
        while "exit" not in self._ending and "refused" not in self._ending:
            left = end - time.monotonic()
            if left <= 0 or not self._status_readable(left) or not self._read_status():
                return

    def _status_readable(self, seconds: float) -> bool:
        return bool(select.select([self._status], [], [], seconds)[0])

    def _read_status(self) -> bool:
        """Read what the guardian tells; return False once it has hung up."""
        try:
            data = self._status.recv(4096)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            self._ending.setdefault("exit", 0)
            return False
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "pid" in told:
                self._clock = ~int(told["pid"]) << 3 | 2
                with suppress(OSError):  # it has ended already
                    self._others = Others(int(told["pid"]))
            else:
                self._ending.update(told)
                self.cpu_seconds = max(self.cpu_seconds, told.get("cpu", 0.0))
        return True

    def _hear(self, text: str) -> None:
        room = (self.limits.output_kb << 10) + _NOTE - self._said_size
        if room > 0:
            self._said.append(text[:room])
            self._said_size += len(text)


@cache
def compiled(solutions: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Compile reference modules, once a process; their source does not enter a sandbox.

    Raises:
        GraderError: if a reference module is missing.
    """
    found = {}
    for name in names:
        file = solutions / f"{name}.py"
        if not file.is_file():
            raise GraderError(f"no reference {file} for an earlier chapter")
        source = file.read_text("utf-8")
        found[name] = marshal.dumps(compile(source, f"<reference {name}>", "exec"))
    return found
