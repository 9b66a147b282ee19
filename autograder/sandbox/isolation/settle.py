"""The last step into a sandbox, the same for every tier; and a look around from inside."""

import errno
import os
import socket
from typing import Any

from autograder.sandbox.isolation import rlimits, seccomp
from autograder.sandbox.isolation.confinement import Confinement


def settle(confinement: Confinement, work: str) -> None:
    """Set limits, filter and environment of a process that its tier has just confined.

    Raises:
        OSError: if a limit or the filter cannot be set; then no student's code may run.
    """
    os.chdir(work)
    os.umask(0o077)
    os.environ.clear()
    os.environ.update(
        HOME=work, TMPDIR=work, PATH="/usr/bin:/bin", LANG="C.UTF-8", USER="student",
        OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", MPLBACKEND="agg", IPYTHONDIR=f"{work}/.ipython",
        MPLCONFIGDIR=f"{work}/.matplotlib",
    )  # fmt: skip
    rlimits.apply(confinement.limits, int(confinement.limits.get("processes_of_user", 0)))
    seccomp.install()


def look_around(confinement: Confinement) -> dict[str, Any]:
    """Try from inside what must not work.

    Returns:
        what did work nevertheless, in words (``leaks``), and as whom we run.
    """
    leaks = [f"{path} can be read" for path in confinement.view.hidden if _readable(path)]
    leaks += [f"{path} can be written" for path in ("/", "/usr", "/etc") if _writable(path)]
    leaks += [f"{path} can be read" for path in ("/etc/shadow", "/var/log") if _readable(path)]
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        try:
            socket.socket(family, socket.SOCK_STREAM).close()
            leaks.append(f"a socket of family {family.name} can be made")
        except OSError as error:
            if error.errno != errno.EPERM:
                leaks.append(f"the filter on system calls does not act: {error}")
    if os.geteuid() == 0:
        leaks.append("it runs as root")
    return {"leaks": leaks, "user": os.geteuid(), "first": os.getpid() == 1}


def _readable(path: str) -> bool:
    """Whether a file, or a folder with more in it than this package, can be read."""
    try:
        if os.path.isdir(path):
            return not set(os.listdir(path)) <= {"__init__.py", "sandbox"}
        with open(path, "rb") as file:
            return bool(file.read(1))
    except OSError:
        return False


def _writable(path: str) -> bool:
    probe = os.path.join(path, ".probe")
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_WRONLY))
        os.unlink(probe)
    except OSError:
        return False
    return True
