"""A bound on the judge's own processor time: what a submission asks of a callback may never come to an end."""

import resource
import signal
from typing import NoReturn

from autograder.sandbox.errors import StudentTimeout

LEAST_SECONDS = 10.0
"""A check may be slow; only a submission should make it endless."""
_AGAIN = 1.0
_armed = False


class JudgeTimeout(StudentTimeout):
    """The judge was kept busy for too long."""


def seconds_for(cpu_seconds: float) -> float:
    """Return how much processor time a check may use itself, given what the submission may use."""
    return max(LEAST_SECONDS, 2.0 * cpu_seconds)


def bound_all(parts: int, cpu_seconds: float) -> None:
    """Let the kernel end this process, should it be stuck where no exception reaches it."""
    most = int(seconds_for(cpu_seconds) * (parts + 3))
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))


def arm(seconds: float) -> None:
    """Raise `JudgeTimeout`, wherever this process is then, once it has used so much processor time.

    It is raised again every second until `disarm`, since some code lets no exception through.
    """
    global _armed
    _armed = True

    def stop(*_: object) -> None:
        if _armed:
            _raise(seconds)

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, _AGAIN)


def _raise(seconds: float) -> NoReturn:
    raise JudgeTimeout(f"checking what it does took more than {seconds:g} s of CPU time")


def disarm() -> None:
    """Raise nothing any more."""
    global _armed
    _armed = False
    signal.setitimer(signal.ITIMER_PROF, 0.0)
