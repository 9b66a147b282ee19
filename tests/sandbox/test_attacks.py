"""Hostile and broken submissions: each gets its ideal score, and nothing outside is touched.

An attack is a file in ``attacks``: comment lines give the ideal score (of 10) and perhaps a verdict
that must occur; then the submitted module; after each ``# %%`` line a cell of its own.
"""

import hashlib
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.sandbox import Grader, SubmissionResult, Verdict
from autograder.sandbox.assignment import REPOSITORY
from tests.sandbox.helpers import COUNTING, FULL, HERE, notebook

ATTACKS = sorted((HERE / "attacks").glob("*.py"))
SECRET = "secret-of-the-gradebook"


@dataclass(frozen=True)
class Canary:
    """What an attack may try to reach: files with a secret, a listening port."""

    folder: Path
    listener: socket.socket

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def digest(self) -> str:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return hashlib.sha256(b"".join(bytes(p) + p.read_bytes() for p in files)).hexdigest()

    def was_called(self) -> bool:
        try:
            self.listener.accept()
        except BlockingIOError:
            return False
        return True


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    folder = tmp_path_factory.mktemp("canary")
    (folder / "other").mkdir()
    (folder / "gradebook.db").write_text(SECRET)
    (folder / "other" / "counting.py").write_text(f"# {SECRET}")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield Canary(folder, listener)


def submit(grader: Grader, attack: Path, canary: Canary) -> SubmissionResult:
    text = attack.read_text()
    for name, value in {
        "canary": canary.folder,
        "repository": REPOSITORY,
        "port": canary.port,
        "judge": grader._judges.pid,
        "warm": grader._warm.pid,
    }.items():
        text = text.replace("{" + name + "}", str(value))
    module, *own = text.split("\n# %%\n")
    return grader.grade(notebook(own), {COUNTING.file: module.encode()}, COUNTING)


def sandboxed_processes(grader: Grader) -> list[str]:
    """Everything that the warm parents have forked and that is still there."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[3]) != os.getsid(0) and _below(int(pid), grader):
            found.append(pid)
    return found


def _below(pid: int, grader: Grader) -> bool:
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
        if pid in (grader._warm.pid, grader._judges.pid):
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_attack(grader: Grader, canary: Canary, attack: Path) -> None:
    before = canary.digest()
    head = attack.read_text()
    ideal = float(re.search(r"^# score: (\S+)$", head, re.M)[1])
    verdict = re.search(r"^# verdict: (.+)$", head, re.M)

    result = submit(grader, attack, canary)

    told = [(part.part, part.verdict.value, part.message[:300]) for part in result.parts]
    assert result.points == ideal, told
    assert result.max_points == FULL
    if verdict:
        assert Verdict(verdict[1]) in {part.verdict for part in result.parts}, told
    text = result.to_json()
    assert SECRET not in text and "STOLEN" not in text and "BEGIN SOLUTION" not in text
    assert len(text) < 16 << 20
    assert canary.digest() == before
    assert not canary.was_called()
    until = time.monotonic() + 5
    while sandboxed_processes(grader) and time.monotonic() < until:
        time.sleep(0.05)
    assert not sandboxed_processes(grader)


def test_there_are_enough_attacks() -> None:
    assert len(ATTACKS) >= 60


def test_an_honest_submission_gets_full_marks(grader: Grader) -> None:
    solution = (COUNTING.solutions / COUNTING.file).read_bytes()
    assert grader.grade(notebook(), {COUNTING.file: solution}, COUNTING).points == FULL
