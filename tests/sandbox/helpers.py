"""What several tests of the sandbox use: a pair of peers, a small chapter, notebooks."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.sandbox.assignment import REPOSITORY, GradedModule
from autograder.sandbox.errors import StudentDied, StudentStopped
from autograder.sandbox.guest import Guest
from autograder.sandbox.host import Host
from autograder.sandbox.wire import Channel

HERE = Path(__file__).resolve().parent
COUNTING = GradedModule("counting", solutions=HERE / "solutions")
SOLUTION = (HERE / "solutions" / "counting.py").read_bytes()
FULL = 10.0

VISIBLE_DOUBLE = """
x = torch.arange(3.0)
assert torch.equal(counting.double(x), 2 * torch.arange(3.0)), "twice 0, 1, 2 is 0, 2, 4"
assert torch.equal(x, torch.arange(3.0)), "the input was changed"
"""
HIDDEN_DOUBLE = """
x = torch.tensor([[7.0, -3.0]], requires_grad=True)
y = counting.double(x)
assert type(y) is torch.Tensor and torch.equal(y, torch.tensor([[14.0, -6.0]])), "hidden: value"
assert torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.full((1, 2), 2.0)), "hidden: gradient"
"""
VISIBLE_TOTAL = """
assert float(counting.total(torch.arange(4.0))) == 6.0, "0 + 1 + 2 + 3 is 6"
"""
HIDDEN_TOTAL = """
assert float(counting.total(torch.tensor([2.5, -1.0, 40.0]))) == 41.5, "hidden: sum"
"""
PARTS = {
    "double-visible": (3.0, VISIBLE_DOUBLE),
    "double-hidden": (2.0, HIDDEN_DOUBLE),
    "total-visible": (3.0, VISIBLE_TOTAL),
    "total-hidden": (2.0, HIDDEN_TOTAL),
}
SETUP = "import torch\nfrom rlcourse import counting"


def cell(source: str, grade_id: str = "", points: float = 0.0, locked: bool = False) -> Any:
    marks = {"grade": bool(points), "grade_id": grade_id, "locked": locked, "solution": False}
    if points:
        marks["points"] = points
    return {
        "cell_type": "code",
        "metadata": {"nbgrader": marks} if grade_id else {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def notebook(
    own: Sequence[str] = (), parts: dict[str, tuple[float, str]] | None = None, setup: str = SETUP
) -> str:
    """A notebook with a locked first cell, the student's own cells, and the test cells."""
    cells = [cell(setup, "setup", locked=True), *(cell(source) for source in own)]
    for name, (points, source) in (PARTS if parts is None else parts).items():
        cells.append(cell(source, name, points, locked=True))
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


class PlainCells:
    """Runs cells by ``exec``; stands in for IPython where no notebook is needed."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"torch": torch}

    @contextlib.contextmanager
    def capturing(self) -> Iterator[None]:
        yield

    def take_output(self) -> str:
        return ""

    def run(self, source: str) -> None:
        exec(source, self.names)

    def name(self, name: str) -> Any:
        return self.names[name]


class Student:
    """A student's process without a sandbox, for tests of the conversation alone."""

    def __init__(self, prepare: Callable[[], None] = lambda: None) -> None:
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            prepare()
            with contextlib.suppress(BaseException):
                Guest(Channel(theirs), PlainCells(), "/nonexistent").serve_forever()
            os._exit(0)
        theirs.close()
        self.host = Host(Channel(ours), lambda text: None, self._give_up)
        self.host.request("begin", 0)

    def _give_up(self, error: Exception) -> StudentStopped:
        return StudentDied(str(error))

    def define(self, source: str, name: str = "f") -> Any:
        """Run code there and return what it calls ``name``."""
        self.host.request("cell", source)
        return self.host.request("global", name)

    def close(self) -> None:
        self.host.channel.close()
        os.waitpid(self.pid, 0)


def run_as(user: int, arguments: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python as another user, who can reach it wherever it is installed."""
    if os.geteuid() == user and (user != 0 or _closed_folder() == Path("/")):
        command = [sys.executable, *arguments]
    elif os.geteuid() != 0:
        pytest.skip(f"only root can run something as user {user}")
    else:
        command = ["unshare", "-m", "bash", "-c", _OPEN, "sh", str(user), str(_closed_folder())]
        command += [sys.executable, *arguments]
        if not shutil.which("unshare") or not shutil.which("setpriv"):
            pytest.skip("needs unshare and setpriv")
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, cwd=REPOSITORY, check=False, **options
    )


def _closed_folder() -> Path:
    """The first folder on the way to Python that others may not enter; / if there is none."""
    real = Path(os.path.realpath(sys.executable))
    for folder in reversed(real.parents):
        if not folder.stat().st_mode & 0o001:
            return folder
    return Path("/")


_OPEN = """
user=$1; closed=$2; shift 2
if [ "$closed" != / ]; then
  inside=$(mktemp -d); mount --bind "$closed" "$inside"
  mount -t tmpfs -o mode=755 tmpfs "$closed"
  for entry in "$inside"/.[!.]* "$inside"/*; do
    if [ -d "$entry" ]; then
      mkdir "$closed/${entry##*/}"; mount --bind "$entry" "$closed/${entry##*/}"
    fi
  done
fi
if [ "$user" = 0 ]; then exec "$@"; fi
exec setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
"""
