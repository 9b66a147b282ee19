"""Many submissions: nothing is lost, nothing grows, nothing is left behind."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autograder.sandbox import Grader, Limits, SubmissionResult
from tests.sandbox.helpers import COUNTING, notebook

SUBMISSIONS = 1000
KINDS = {
    "def double(x): return 2 * x\ndef total(x): return x.sum()\n": 10.0,
    "def double(x): return x\ndef total(x): return x.sum()\n": 5.0,
    "import os\ndef double(x): os._exit(0)\ndef total(x): return x.sum()\n": 5.0,
    "import os\nif os.fork() == 0:\n    while True: pass\n"
    "def double(x): return 2 * x\ndef total(x): return x.sum()\n": 10.0,
}


def memory_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"no memory of process {pid}")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.slow
@pytest.mark.timeout(
    3600
)  # ten minutes on an idle machine of two cores are not enough on a busy one
def test_a_thousand_submissions() -> None:
    text = notebook()
    with Grader(Limits(cpu_seconds=5, wall_seconds=60)) as grader, ThreadPoolExecutor(2) as pool:
        kinds = list(KINDS) * (SUBMISSIONS // len(KINDS))

        def grade(module: str) -> SubmissionResult:
            return grader.grade(text, {COUNTING.file: module.encode()}, COUNTING)

        first = list(pool.map(grade, kinds[:40]))
        watched = (os.getpid(), grader._warm.pid, grader._judges.pid)
        _all_gone(watched[1:])
        before = [(memory_kb(pid), descriptors(pid)) for pid in watched]
        rest = list(pool.map(grade, kinds[40:]))
        gone = _all_gone(watched[1:])
        after = [(memory_kb(pid), descriptors(pid)) for pid in watched]
    results = first + rest
    assert [result.points for result in results] == [KINDS[kind] for kind in kinds]
    for (memory, files), (memory_now, files_now) in zip(before, after, strict=True):
        assert files_now <= files + 2
        assert memory_now < memory + 60_000
    assert gone
    assert not any(Path(f"/proc/{pid}").exists() for pid in watched[1:])


def _all_gone(pids: tuple[int, ...]) -> bool:
    """Wait until nothing that these have forked is left: the last sandboxes are just being cleaned up."""
    until = time.monotonic() + 60
    while any(_children(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.1)
    return not any(_children(pid) for pid in pids)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
