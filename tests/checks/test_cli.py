"""The student's command, run as a student runs it: in a folder with a module."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlcourse.chapters import find_chapter
from rlcourse.checks.cli import folder_of, main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "ch02"
    made.mkdir()
    made.joinpath("policy_gradient.py").write_text(
        (ROOT / "rlcourse" / "policy_gradient.py").read_text("utf-8"), "utf-8"
    )
    return made


def rlcourse(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, since the command overlays the student's folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("RLCOURSE_OVERLAY", None)
    return subprocess.run(
        [sys.executable, "-m", "rlcourse.checks.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_from_red_to_green(folder: Path) -> None:
    red = rlcourse(folder, "check")
    assert red.returncode == 1
    assert "0 of 6 exercises pass" in red.stdout and "not started yet" in red.stdout
    assert str(folder) in red.stdout, "it says which file it checks"
    solution = (ROOT / "solutions" / "policy_gradient.py").read_text("utf-8")
    (folder / "policy_gradient.py").write_text(solution, "utf-8")
    green = rlcourse(folder, "check", "policy_gradient")
    assert green.returncode == 0, green.stdout + green.stderr
    assert "6 of 6 exercises pass: 10.8 of 10.8 points" in green.stdout


def test_verdicts_as_json_and_a_named_mistake(folder: Path) -> None:
    solution = (ROOT / "solutions" / "policy_gradient.py").read_text("utf-8")
    wrong = solution.replace("weights.detach()", "weights")
    assert wrong != solution
    (folder / "policy_gradient.py").write_text(wrong, "utf-8")
    (verdict,) = json.loads(rlcourse(folder, "check", "2.4", "--json").stdout)
    assert verdict["mistakes"] == ["gradient flows into the weights"]
    assert verdict["points"] == 0.0 and not verdict["passed"]


def test_a_syntax_error_names_its_line(folder: Path) -> None:
    (folder / "policy_gradient.py").write_text("x = 1\ndef broken(:\n", "utf-8")
    broken = rlcourse(folder, "check", "2.1")
    assert broken.returncode == 1
    assert "cannot be imported (line 2): SyntaxError" in broken.stdout
    assert "Traceback" not in broken.stderr


def test_hints_come_one_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    for expected in ("hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "hint 3 of 3"):
        assert main(["hint", "2.3"]) == 0
        assert expected in capsys.readouterr().out
    assert main(["hint", "2.3", "--all"]) == 0
    assert capsys.readouterr().out.count("hint") == 3


def test_the_list_shows_what_the_last_check_saw(folder: Path) -> None:
    solution = (ROOT / "solutions" / "policy_gradient.py").read_text("utf-8")
    wrong = solution.replace("weights.detach()", "weights")
    (folder / "policy_gradient.py").write_text(wrong, "utf-8")
    assert "passed" not in rlcourse(folder, "list").stdout
    rlcourse(folder, "check", "2.3", "2.4")
    lines = rlcourse(folder, "list").stdout.splitlines()
    seen = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert seen["2.3"].endswith("passed") and seen["2.4"].endswith("not yet")
    assert seen["2.5"].endswith("difficulty 3")


@pytest.mark.parametrize("broken", ["[1, 2]", "{", "", '{"2.3": "many"}'])
def test_a_damaged_memory_of_hints_is_forgotten(
    broken: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    (folder / ".rlcourse").mkdir()
    (folder / ".rlcourse" / "hints.json").write_text(broken)
    assert main(["hint", "2.3"]) == 0
    assert "hint 1 of 3" in capsys.readouterr().out


def test_list_shows_every_exercise(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert "ch02" in shown and "2.6" in shown


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check", "99.1"]) == 2
    assert main(["check", "2.1", "--folder", str(tmp_path)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all(line.startswith("rlcourse: ") for line in errors)


def test_the_module_is_found_from_the_folder_above(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    assert folder_of(find_chapter("2"), None) == folder
    monkeypatch.chdir(folder)
    assert folder_of(find_chapter("2"), None) == folder
