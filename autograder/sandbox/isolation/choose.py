"""Which tiers work on this machine: each is tried by making a sandbox and looking around in it."""

import json
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict

from autograder.sandbox.isolation import TIERS
from autograder.sandbox.isolation.confinement import Confinement, TierUnavailable
from autograder.sandbox.isolation.guardian import main_guard
from autograder.sandbox.isolation.paths import View, default_view
from autograder.sandbox.isolation.settle import look_around, settle
from autograder.sandbox.limits import Limits

_SECONDS = 30.0


def why_not(tier: str, view: View | None = None) -> str | None:
    """Return why a tier does not work here, or None if it does.

    Args:
        tier: one of `TIERS`.
        view: what the sandbox shows; by default Python and the course's package.
    """
    limits = {**asdict(Limits()), "total_cpu_seconds": 60.0, "look_around": 1.0}
    with tempfile.TemporaryDirectory(prefix="rlcourse-sandbox-") as folder:
        os.chmod(folder, 0o711)
        try:
            told = _try(tier, Confinement(view or default_view(), limits, folder))
        except (TierUnavailable, OSError, ValueError) as error:
            return str(error)
    return "; ".join(told["leaks"]) or None


def _try(tier: str, confinement: Confinement) -> dict[str, list[str]]:
    (ours, theirs), (status, guards) = socket.socketpair(), socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        status.close()
        os.setsid()
        main_guard(tier, confinement, theirs, guards, _looker(confinement, theirs))
    theirs.close()
    guards.close()
    timer = threading.Timer(_SECONDS, status.close)
    timer.start()
    try:
        return _read(ours, status)
    finally:
        timer.cancel()
        ours.close()
        status.close()
        os.waitpid(pid, 0)


def _looker(confinement: Confinement, channel: socket.socket) -> Callable[[str], None]:
    def body(work: str) -> None:
        settle(confinement, work)
        channel.sendall(json.dumps(look_around(confinement)).encode())

    return body


def _read(channel: socket.socket, status: socket.socket) -> dict[str, list[str]]:
    report = b"".join(iter(lambda: channel.recv(65536), b""))
    if report:
        told: dict[str, list[str]] = json.loads(report)
        return told
    for line in status.recv(65536).splitlines():
        if b"refused" in line:
            raise TierUnavailable(json.loads(line)["refused"])
    raise TierUnavailable("the sandbox ended before it could report")


def choose_tier(view: View | None = None) -> str:
    """Return the best tier that works here.

    Raises:
        TierUnavailable: if none does. There is no way to grade without one.
    """
    reasons = []
    for tier in TIERS:
        reason = why_not(tier, view)
        if reason is None:
            return tier
        reasons.append(f"{tier}: {reason}")
    advice = "no isolation works on this machine, so nothing is graded\n  "
    raise TierUnavailable(advice + "\n  ".join(reasons))
