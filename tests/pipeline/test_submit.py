"""``rlcourse submit``: packed, dated, handed in; nothing is ever lost."""

import hashlib
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from autograder.pipeline.collect import collect
from autograder.pipeline.course import Course
from rlcourse.chapters import Chapter
from rlcourse.checks.cli import main
from rlcourse.checks.submit import submit

NOW = datetime(2027, 1, 15, 12, 30, 5, tzinfo=UTC)
MODULE, NOTEBOOK = "policy_gradient.py", "policy_gradient.ipynb"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLCOURSE_STUDENT", "Zoë O'Hara")
    monkeypatch.delenv("RLCOURSE_INBOX", raising=False)
    folder = tmp_path / "ch02"
    folder.mkdir()
    (folder / MODULE).write_text("x = 1\n")
    (folder / NOTEBOOK).write_text('{"cells": [], "nbformat": 4}')
    return folder


def test_an_archive_with_checksums(
    work: Path, chapter: Chapter, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = submit(chapter, work, now=NOW)
    assert archive == work / "submissions" / "ch02-Zoe_O_Hara-20270115T123005Z.zip"
    with zipfile.ZipFile(archive) as packed:
        assert sorted(packed.namelist()) == [NOTEBOOK, MODULE, "submission.json"]
        note = json.loads(packed.read("submission.json"))
    assert note["chapter"] == "ch02" and note["timestamp"] == "2027-01-15 12:30:05"
    assert note["sha256"][MODULE] == hashlib.sha256(b"x = 1\n").hexdigest()
    said = capsys.readouterr().out
    assert MODULE in said and note["sha256"][MODULE][:12] in said and "Next: upload" in said


def test_the_same_work_gives_the_same_bytes(work: Path, chapter: Chapter, tmp_path: Path) -> None:
    first, second = (submit(chapter, work, now=NOW) for _ in range(2))
    assert first != second, "an earlier archive is never replaced"
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_handed_in(
    way: str, work: Path, chapter: Chapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    if way == "environment":
        monkeypatch.setenv("RLCOURSE_INBOX", str(inbox))
    for _ in range(2):
        archive = submit(chapter, work, inbox if way == "argument" else None, NOW)
    copies = sorted(inbox.iterdir())
    assert len(copies) == 2 and copies[0].read_bytes() == archive.read_bytes()


def test_what_is_handed_in_can_be_collected(work: Path, chapter: Chapter, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    submit(chapter, work, inbox, NOW)
    collected = collect(Course(tmp_path / "autograder"), inbox)
    (attempt,) = collected.attempts
    assert attempt.parent.name == "Zoe_O_Hara" and not collected.refusals
    assert (attempt / "files" / MODULE).read_text() == "x = 1\n"


@pytest.mark.parametrize("name", [MODULE, NOTEBOOK])
def test_missing_file(name: str, work: Path, chapter: Chapter) -> None:
    (work / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is not in .*--folder"):
        submit(chapter, work)
    assert not (work / "submissions").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 1}'])
def test_broken_notebook(text: str, work: Path, chapter: Chapter) -> None:
    (work / NOTEBOOK).write_text(text)
    with pytest.raises(ValueError, match="not a whole notebook.*save it"):
        submit(chapter, work)


def test_too_large(work: Path, chapter: Chapter) -> None:
    (work / NOTEBOOK).write_bytes(b" " * (9 << 20))
    with pytest.raises(ValueError, match="clear the notebook's outputs"):
        submit(chapter, work)


def test_a_syntax_error_is_told_and_packed_all_the_same(
    work: Path, chapter: Chapter, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / MODULE).write_text("x = 1\ndef f(:\n")
    assert submit(chapter, work).exists()
    assert "error in line 2" in capsys.readouterr().out


def test_no_inbox(work: Path, chapter: Chapter, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="your work is safe in") as told:
        submit(chapter, work, tmp_path / "nowhere", NOW)
    assert next(iter((work / "submissions").glob("*.zip"))).name in str(told.value)


def test_a_full_inbox(
    work: Path, chapter: Chapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match=r"No space left on device.*safe in"):
        submit(chapter, work, tmp_path, NOW)


def test_the_command(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(work)
    assert main(["submit", "ch02", "--to", str(tmp_path)]) == 0
    assert "Handed in" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    (work / MODULE).unlink()
    assert main(["submit", "ch02"]) == 2
    assert "policy_gradient.py" in capsys.readouterr().err
