"""A warm process that forks a fresh child for each request, and the handle to start one."""

import array
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from autograder.sandbox.errors import GraderError

_ROOT = Path(__file__).resolve().parents[2]
_MAX_REQUEST = 1 << 16
READY = b"ready"


class Prefork:
    """Handle to a warm process; usable from several threads and processes at once."""

    def __init__(self, module: str, home: str, descriptors: Sequence[int] = ()) -> None:
        """Start ``python -I <module>.py`` and wait until it is warm.

        Args:
            module: name of a file in this folder that calls `serve`.
            home: a folder it may write to.
            descriptors: descriptors it inherits; their numbers follow on its command line.

        Raises:
            GraderError: if it does not come up.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        numbers = [theirs.fileno(), *descriptors]
        script = Path(__file__).with_name(f"{module}.py")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(script), *map(str, numbers)],
                pass_fds=numbers,
                stdin=subprocess.DEVNULL,
                cwd="/",
                env=_environment(home),
            )
        self.control = ours
        if ours.recv(len(READY)) != READY:
            self.close()
            raise GraderError(f"{module}.py did not start; its error is above")

    def fork(self, request: dict[str, Any], descriptors: Sequence[int]) -> None:
        """Ask for a new child that gets these descriptors; nothing is answered.

        Raises:
            GraderError: if the warm process is gone.
        """
        send_request(self.control, request, descriptors)

    @property
    def pid(self) -> int:
        """Process id of the warm process."""
        return self._process.pid

    def close(self) -> None:
        """End the warm process. What it forked ends when its own connections do."""
        self.control.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _environment(home: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("RLCOURSE_OVERLAY", "TMPDIR") if name in os.environ}
    fixed = {
        "PATH": "/usr/bin:/bin", "HOME": home, "LANG": "C.UTF-8", "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "IPYTHONDIR": home, "MPLCONFIGDIR": home,
    }  # fmt: skip
    return {**kept, **fixed}


def send_request(
    control: socket.socket, request: dict[str, Any], descriptors: Sequence[int]
) -> None:
    """Send a request to a warm process over its control socket."""
    message = json.dumps(request).encode()
    if len(message) > _MAX_REQUEST:
        raise GraderError(f"a request of {len(message)} bytes is too large")
    rights = array.array("i", descriptors)
    try:
        control.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    except OSError as error:
        raise GraderError(f"the warm process is gone: {error}") from None


Handler = Callable[[dict[str, Any], list[int]], None]


def serve(
    control: socket.socket,
    handle: Handler,
    prepare: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Fork a child for each request until the other end is closed.

    Args:
        control: the socket that requests come from.
        handle: runs in the child with the request and its descriptors; the child ends after it.
        prepare: runs in the warm process first, so that what it makes is there for all children.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    control.send(READY)
    while True:
        try:
            message, rights, _, _ = control.recvmsg(_MAX_REQUEST, socket.CMSG_LEN(16 * 4))
        except OSError:
            return
        if not message:
            return
        descriptors, request = _unpack(rights), json.loads(message)
        _prepare(prepare, request)
        try:
            child = os.fork()
        except OSError:
            child = -1  # the descriptors are closed below, which the other side sees
        if child == 0:
            _run(control, handle, request, descriptors)
        for number in descriptors:
            os.close(number)


def _prepare(prepare: Callable[[dict[str, Any]], None] | None, request: dict[str, Any]) -> None:
    if prepare is None:
        return
    try:
        prepare(request)
    except Exception as error:  # the child meets it again, and reports it
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _unpack(rights: list[Any]) -> list[int]:
    numbers = array.array("i")
    for _, _, data in rights:
        numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return list(numbers)


def _run(
    control: socket.socket,
    handle: Handler,
    request: dict[str, Any],
    descriptors: list[int],
) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        control.close()
        with suppress(OSError):
            os.setsid()
        handle(request, descriptors)
        code = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)
