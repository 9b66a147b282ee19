"""Each tier alone, as root and as an ordinary user, looked at from inside."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.sandbox import doctor
from autograder.sandbox.isolation import TIERS, choose, seccomp
from autograder.sandbox.isolation.paths import View, default_view
from tests.sandbox.helpers import run_as

USERS = {"root": 0, "ordinary user": 65534}
LOOK = """
import sys
from autograder.sandbox.isolation.choose import why_not
print(why_not(sys.argv[1]) or "works")
"""
GRADE = """
import json, sys
from autograder.sandbox import Grader, Limits
from tests.sandbox.helpers import COUNTING, SOLUTION, notebook
bad = b"import os\\ndef double(x):\\n    while True: pass\\ndef total(x): os._exit(1)\\n"
with Grader(Limits(cpu_seconds=1, wall_seconds=10), tier=sys.argv[1]) as grader:
    for module in (SOLUTION, bad):
        result = grader.grade(notebook(), {COUNTING.file: module}, COUNTING)
        print(json.dumps([result.points, [p.verdict.value for p in result.parts]]))
"""


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("user", USERS)
def test_tier_keeps_what_it_promises(tier: str, user: str) -> None:
    done = run_as(USERS[user], ["-c", LOOK, tier])
    assert done.returncode == 0, done.stderr
    _skip_unless_possible(tier, done.stdout)
    assert done.stdout.strip() == "works"


@pytest.mark.slow
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("user", USERS)
def test_tier_grades(tier: str, user: str) -> None:
    _skip_unless_possible(tier, run_as(USERS[user], ["-c", LOOK, tier]).stdout)
    done = run_as(USERS[user], ["-c", GRADE, tier])
    assert done.returncode == 0, done.stderr
    honest, hostile = (json.loads(line) for line in done.stdout.splitlines())
    assert honest == [10.0, ["pass"] * 4]
    assert hostile == [0.0, ["timeout", "timeout", "crash", "crash"]]


def _skip_unless_possible(tier: str, reason: str) -> None:
    """Skip where the machine cannot have the tier; a tier that leaks is a failure, not a skip."""
    lacking = ("no bwrap", "has no Landlock", "bwrap refused", "lets a submission send signals")
    if any(text in reason for text in lacking) or "unshare" in reason:
        pytest.skip(f"{tier}: {reason.strip()}")


def test_at_least_two_tiers_work_here() -> None:
    assert sum(choose.why_not(tier) is None for tier in TIERS) >= 2


def test_a_tier_that_shows_too_much_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "gradebook.db").write_text("x")
    view = default_view()
    leaky = View((*view.readable, str(tmp_path)), (*view.hidden, str(tmp_path / "gradebook.db")))
    reason = choose.why_not("landlock", leaky)
    assert reason is not None and ("gradebook.db" in reason or "entered by other" in reason)
    everything = View((*view.readable, str(tmp_path)), view.hidden)
    assert choose.why_not("namespaces", everything) is None


def test_hidden_folders_below_a_readable_one_are_covered(tmp_path: Path) -> None:
    secret = tmp_path / "packages" / "autograder"
    secret.mkdir(parents=True)
    (secret / "checks.py").write_text("x")
    view = default_view()
    view = View((*view.readable, str(tmp_path)), (*view.hidden, str(secret)))
    assert view.exposed() == [str(secret)]
    assert choose.why_not("namespaces", view) is None


def test_doctor_says_which_tier_and_why_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = {"namespaces": "switched off", "bubblewrap": None, "landlock": "old kernel"}
    monkeypatch.setattr(doctor, "why_not", reasons.get)
    assert doctor.main([]) == 0
    told = capsys.readouterr().out
    assert "switched off" in told and "old kernel" in told and "graded under bubblewrap" in told


def test_doctor_fails_when_nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "why_not", lambda tier: "no")
    assert doctor.main([]) == 1


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_jumps_within_itself(machine: str) -> None:
    code = seccomp.program(machine)
    assert len(code) % 8 == 0
    instructions = [code[i : i + 8] for i in range(0, len(code), 8)]
    for index, (low, high, yes, no, *_) in enumerate(instructions):
        assert index + 1 + max(yes, no) < len(instructions) or (low, high) == (6, 0)
    assert instructions[-1][:2] == b"\x06\x00"


def test_system_call_numbers_differ_from_each_other() -> None:
    for column in (0, 1):
        numbers = [pair[column] for pair in seccomp.DENIED.values()]
        assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("name", ["mount", "unshare", "ptrace", "socket", "bpf", "setns", "chroot"])
def test_numbers_are_those_of_this_kernel(name: str) -> None:
    header = Path("/usr/include/asm-generic/unistd.h")
    if not header.exists():
        pytest.skip("no kernel headers installed")
    assert f"__NR_{name} {seccomp.DENIED[name][1]}\n" in header.read_text()


@pytest.mark.slow
def test_everything_ends_when_the_grader_is_killed() -> None:
    source = f"""
import os, signal, threading, time, sys
sys.path.insert(0, {str(Path.cwd())!r})
from autograder.sandbox import Grader, Limits
from autograder.sandbox.isolation.guardian import _descendants
from tests.sandbox.helpers import COUNTING, notebook
grader = Grader(Limits(cpu_seconds=60, wall_seconds=60))
files = {{COUNTING.file: b"while True: pass"}}
work = lambda: grader.grade(notebook(), files, COUNTING)
threading.Thread(target=work, daemon=True).start()
time.sleep(3)
parents = (grader._warm.pid, grader._judges.pid)
found = [pid for parent in parents for pid in _descendants(parent)]
print(*parents, *found, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = [int(text) for text in done.stdout.split()]
    assert len(pids) >= 5  # two warm parents, a judge, a guardian, the student's process
    for _ in range(100):
        if not any(map(_is_alive, pids)):
            break
        time.sleep(0.1)
    assert not any(map(_is_alive, pids))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
