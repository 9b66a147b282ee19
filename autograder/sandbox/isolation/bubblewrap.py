"""Tier 2: bubblewrap, where only an installed and trusted ``bwrap`` may make namespaces.

It starts a program, so every sandbox imports torch anew: some seconds each, instead of a fork.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from autograder.sandbox.isolation.confinement import Confinement, TierUnavailable
from autograder.sandbox.isolation.paths import DEVICES, WORK

NAME = "bubblewrap"
_SANDBOX = Path(__file__).resolve().parents[1]


def start(confinement: Confinement, channel: int) -> int:
    """Run ``cold.py`` in a new sandbox.

    Args:
        confinement: what the sandbox is.
        channel: descriptor of the socket it gets.

    Returns:
        the process id of the sandbox's first process.

    Raises:
        TierUnavailable: if bwrap is missing or refuses.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise TierUnavailable("no bwrap on PATH (Debian and Ubuntu: apt install bubblewrap)")
    read, write = os.pipe()
    limits = {**confinement.limits, "user": confinement.user}
    text = dataclasses.replace(confinement, limits=limits).to_json()
    # -B: below /tmp the course lies on a file system that can be written, and -I ignores the variable.
    inside = [sys.executable, "-I", "-B", str(_SANDBOX / "cold.py"), str(channel), text]
    options = arguments(confinement)
    process = subprocess.Popen(
        [program, "--info-fd", str(write), *options, "--", *inside],
        pass_fds=(channel, write),
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    with open(read, "rb") as file:
        told = file.read()
    if not told:
        assert process.stderr is not None
        said = process.stderr.read(2000).decode("utf-8", "replace").strip()
        process.wait()
        raise TierUnavailable(f"bwrap refused: {said or 'it said nothing'}")
    return int(json.loads(told)["child-pid"])


_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg", "HOME": WORK,
}  # fmt: skip


def arguments(confinement: Confinement) -> list[str]:
    """Return bwrap's options for a sandbox."""
    size = str(int(confinement.limits["disk_mb"]) << 20)
    options = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    options += ["--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]
    if os.geteuid() == 0:
        for capability in ("CAP_SETUID", "CAP_SETGID"):
            options += ["--cap-add", capability]
    else:
        options += ["--unshare-user"]
    options += ["--size", size, "--tmpfs", "/"]
    # Before what is shown: the course itself may lie below /tmp.
    for folder in (WORK, "/tmp", "/dev/shm"):
        options += ["--perms", "1777", "--size", size, "--tmpfs", folder]
    for path in confinement.view.readable:
        options += _show(path)
    for path in confinement.view.exposed():
        options += ["--size", "4096", "--tmpfs", path]
    for path in (str(_SANDBOX), str(_SANDBOX.parent / "__init__.py")):
        options += ["--ro-bind", path, path]
    for device in DEVICES:
        options += ["--dev-bind", device, device]
    return [*options, "--proc", "/proc", "--remount-ro", "/", "--chdir", WORK]


def _show(path: str) -> list[str]:
    if os.path.islink(path):
        return ["--symlink", os.readlink(path), path]
    return ["--ro-bind", path, path]
