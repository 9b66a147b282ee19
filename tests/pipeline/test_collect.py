"""Submissions are taken from what Canvas, Moodle, nbgrader and students' archives look like; hostile files are not."""

import io
import json
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from autograder.pipeline.collect import collect
from autograder.pipeline.course import Course
from autograder.pipeline.downloads import identifier
from autograder.pipeline.safe_files import FILE_LIMIT, Refused, checked_name
from rlcourse.chapters import Chapter

MODULE, NOTEBOOK = "policy_gradient.py", "policy_gradient.ipynb"


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path / "autograder")


def archive(path: Path, members: dict[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return path


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def students(course: Course, chapter: Chapter) -> list[str]:
    inbox = course.inbox(chapter)
    return sorted(path.name for path in inbox.iterdir()) if inbox.exists() else []


def files_of(attempt: Path) -> dict[str, bytes]:
    top = attempt / "files"
    found = (path for path in top.rglob("*") if path.is_file())
    return {str(path.relative_to(top)): path.read_bytes() for path in found}


def test_canvas_download(course: Course, chapter: Chapter, tmp_path: Path) -> None:
    members = {
        f"doejane_1234_56789_{MODULE}": b"a",
        f"doejane_1234_56790_{NOTEBOOK}": b"{}",
        "roejohn_LATE_77_88_policy_gradient-2.py": b"b",
    }
    collected = collect(course, archive(tmp_path / "canvas.zip", members))
    assert not collected.refusals
    assert students(course, chapter) == ["doejane_1234", "roejohn_77"]
    late = next(path for path in collected.attempts if "roejohn" in str(path))
    note = json.loads((late / "attempt.json").read_text())
    assert note["marked_late"] and note["lms_id"] == "77"
    assert files_of(late) == {"policy_gradient-2.py": b"b"}


def test_canvas_gives_each_file_a_number_of_its_own(
    course: Course, chapter: Chapter, tmp_path: Path
) -> None:
    """Canvas numbers uploads, not submissions: notebook and module belong together."""
    members = {f"doejane_1_20_{MODULE}": b"a", f"doejane_1_21_{NOTEBOOK}": b"{}"}
    (attempt,) = collect(course, archive(tmp_path / "canvas.zip", members)).attempts
    assert files_of(attempt) == {MODULE: b"a", NOTEBOOK: b"{}"}


def test_moodle_download(course: Course, chapter: Chapter, tmp_path: Path) -> None:
    members = {
        f"Zoë Ångström_301_assignsubmission_file_/{MODULE}": b"a",
        f"Zoë Ångström_301_assignsubmission_file_/{NOTEBOOK}": b"{}",
        "Zoë Ångström_301_assignsubmission_onlinetext_/onlinetext.html": b"hello",
        f"李 雷_302_assignsubmission_file_{MODULE}": b"b",
    }
    collected = collect(course, archive(tmp_path / "moodle.zip", members))
    assert not collected.refusals
    assert students(course, chapter) == ["Zoe_Angstrom_301", "u674e-20-96f7_302"]
    assert files_of(collected.attempts[0]) == {MODULE: b"a", NOTEBOOK: b"{}"}


def test_plain_folders_and_every_attempt_is_kept(
    course: Course, chapter: Chapter, tmp_path: Path
) -> None:
    first = folder(tmp_path / "monday", {f"jane/{MODULE}": b"1", f"john/ch02/{MODULE}": b"1"})
    second = folder(tmp_path / "tuesday", {f"jane/{MODULE}": b"2"})
    assert collect(course, first).new == 2
    assert collect(course, second).new == 1
    assert collect(course, second).new == 0, "the same download again changes nothing"
    assert len(list((course.inbox(chapter) / "jane").iterdir())) == 2
    assert len(list((course.inbox(chapter) / "john").iterdir())) == 1


def test_archives_in_an_inbox(course: Course, chapter: Chapter, tmp_path: Path) -> None:
    inbox = tmp_path / "shared"
    inbox.mkdir()
    note = json.dumps({"chapter": "ch02"}).encode()
    for time in ("20270110T120000Z", "20270111T120000Z-2"):
        members = {MODULE: time.encode(), "submission.json": note}
        archive(inbox / f"ch02-jane-{time}.zip", members)
    collected = collect(course, inbox)
    assert students(course, chapter) == ["jane"] and len(collected.attempts) == 2
    single = collect(course, inbox / "ch02-jane-20270110T120000Z.zip")
    assert len(single.attempts) == 1 and students(course, chapter) == ["jane"]


def test_a_file_without_a_student_is_named(course: Course, tmp_path: Path) -> None:
    collected = collect(
        course, folder(tmp_path / "in", {"readme.txt": b"x", f"jane/{MODULE}": b"1"})
    )
    assert [str(r) for r in collected.refusals] == [
        "readme.txt: belongs to no student: no folder, no known name"
    ]
    assert collected.new == 1


def test_work_of_no_chapter_needs_to_be_told_which(
    course: Course, chapter: Chapter, tmp_path: Path
) -> None:
    source = folder(tmp_path / "in", {"jane/essay.txt": b"x"})
    (refusal,) = collect(course, source).refusals
    assert "--chapter" in refusal.why
    assert collect(course, source, chapter).new == 1


def linked(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (mode | 0o777) << 16
    return info


def duplicate_members(path: Path) -> Path:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as target:
        target.writestr(f"eve/{MODULE}", b"first")
        target.writestr(f"eve/{MODULE}", b"second")
        target.writestr(f"jane/{MODULE}", b"fine")
    return path


HOSTILE: dict[str, tuple[str | zipfile.ZipInfo, bytes, str]] = {
    "climbs out": ("eve/../../evil.py", b"x", "climbs out"),
    "climbs out with backslashes": ("eve\\..\\..\\evil.py", b"x", "climbs out"),
    "absolute": ("/etc/evil.py", b"x", "absolute"),
    "a drive": ("C:\\evil.py", b"x", "absolute"),
    "symbolic link": (linked(f"eve/{MODULE}", stat.S_IFLNK), b"/etc/passwd", "symbolic link"),
    "pipe": (linked(f"eve/{MODULE}", stat.S_IFIFO), b"", "FIFO"),
    "device": (linked(f"eve/{MODULE}", stat.S_IFCHR), b"", "not a plain file"),
    "bomb": (f"eve/{MODULE}", b"0" * (12 << 20), "zip bomb"),
    "control characters": ("eve/policy\x1b[2J.py", b"x", "cannot be printed"),
    "right to left": ("eve/policy_\u202eyp.tneidarg", b"x", "cannot be printed"),
    "too deep": ("eve/" + "a/" * 40 + MODULE, b"x", "too long"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_members_are_refused_by_name(
    case: str, course: Course, chapter: Chapter, tmp_path: Path
) -> None:
    member, data, why = HOSTILE[case]
    path = archive(tmp_path / "download.zip", {member: data, f"jane/{MODULE}": b"fine"})
    collected = collect(course, path)
    (refusal,) = collected.refusals
    assert why in refusal.why and str(refusal).isprintable()
    assert students(course, chapter) == ["jane"], "the others are still collected"
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and "evil" in p.name]
    assert not outside


def test_hostile_archive_inside_a_download(
    course: Course, chapter: Chapter, tmp_path: Path
) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("../../evil.py", b"x")
        target.writestr(linked(NOTEBOOK, stat.S_IFLNK), b"/etc/passwd")
        target.writestr(MODULE, b"fine")
    path = archive(tmp_path / "d.zip", {"eve_1_2_work.zip": inner.getvalue()})
    collected = collect(course, path)
    assert {r.why for r in collected.refusals} == {
        "the name climbs out of its folder",
        "symbolic link",
    }
    assert files_of(collected.attempts[0]) == {MODULE: b"fine"}


def test_duplicate_names(course: Course, tmp_path: Path) -> None:
    collected = collect(course, duplicate_members(tmp_path / "d.zip"))
    (refusal,) = collected.refusals
    assert "same name" in refusal.why and len(collected.attempts) == 2


def test_names_that_only_some_file_systems_tell_apart(course: Course, tmp_path: Path) -> None:
    names = [MODULE, "Policy_Gradient.py", "caf\u00e9", "cafe\u0301"]
    members = {f"eve/{name}": name.encode() for name in names}
    collected = collect(course, archive(tmp_path / "d.zip", members))
    assert len(collected.refusals) == 2


def test_a_file_that_is_also_a_folder(course: Course, tmp_path: Path) -> None:
    members = {f"eve/{MODULE}": b"1", "eve/data": b"2", "eve/data/more": b"3"}
    (refusal,) = collect(course, archive(tmp_path / "d.zip", members)).refusals
    assert "both a file and a folder" in refusal.why


def test_an_archive_that_lies_about_its_sizes(
    course: Course, chapter: Chapter, tmp_path: Path
) -> None:
    """The header says 10 bytes; what comes out is held against the limit, not against the header."""
    path = archive(
        tmp_path / "d.zip", {f"eve/{MODULE}": b"0" * (FILE_LIMIT + 100), f"jane/{MODULE}": b"1"}
    )
    data = bytearray(path.read_bytes())
    central = data.find(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 10)
    path.write_bytes(bytes(data))
    collected = collect(course, path)
    assert (
        students(course, chapter) == ["jane"]
        or files_of(collected.attempts[0])[MODULE] == b"0" * 10
    )
    assert all(len(d) <= FILE_LIMIT for a in collected.attempts for d in files_of(a).values())


@pytest.mark.parametrize("damage", ["not a zip at all", "cut short", "one bit"])
def test_damaged_archives(damage: str, course: Course, tmp_path: Path) -> None:
    path = archive(tmp_path / "d.zip", {f"eve/{MODULE}": os.urandom(5000), f"jane/{MODULE}": b"1"})
    data = bytearray(path.read_bytes())
    if damage == "one bit":
        data[200] ^= 1
        path.write_bytes(bytes(data))
        collected = collect(course, path)
        assert "damaged" in collected.refusals[0].why and len(collected.attempts) == 1
        return
    path.write_bytes(b"hello" if damage == "not a zip at all" else bytes(data[:2000]))
    with pytest.raises(ValueError, match="not a zip archive"):
        collect(course, path)


def test_links_and_pipes_in_a_folder(course: Course, chapter: Chapter, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    source = folder(tmp_path / "in", {f"jane/{MODULE}": b"fine", f"eve/{MODULE}": b"1"})
    (source / "eve" / "link.py").symlink_to(secret)
    (source / "eve" / "up").symlink_to(tmp_path)
    os.link(secret, source / "eve" / "hard.py")
    os.mkfifo(source / "eve" / "pipe")
    collected = collect(course, source)
    whys = sorted(str(refusal) for refusal in collected.refusals)
    assert whys == [
        "eve/hard.py: hard link: another name shares this file",
        "eve/link.py: symbolic link",
        "eve/pipe: named pipe (FIFO)",
        "eve/up: symbolic link",
    ]
    assert students(course, chapter) == ["eve", "jane"]
    assert all(b"key" not in data for a in collected.attempts for data in files_of(a).values())


def test_too_large_and_too_many(course: Course, tmp_path: Path) -> None:
    files = {f"eve/{number}.txt": b"x" for number in range(600)}
    files |= {f"eve/{MODULE}": b"1", "eve/big.bin": b"x" * (FILE_LIMIT + 1)}
    collected = collect(course, folder(tmp_path / "in", files))
    assert {refusal.why for refusal in collected.refusals} == {"more than 500 files"}
    assert files_of(collected.attempts[0])[MODULE] == b"1", "code comes before everything else"
    files = {f"eve/{MODULE}": b"2", "eve/big.bin": b"x" * (FILE_LIMIT + 1)}
    (refusal,) = collect(course, folder(tmp_path / "big", files)).refusals
    assert "larger than 8 MiB" in refusal.why


def test_two_names_that_become_one(course: Course, chapter: Chapter, tmp_path: Path) -> None:
    source = folder(tmp_path / "in", {f"jöhn/{MODULE}": b"1", f"john/{MODULE}": b"2"})
    collected = collect(course, source)
    assert len(collected.attempts) == 1
    assert "cannot be told from" in collected.refusals[0].why


@pytest.mark.parametrize("name", ["", "a\x00b", "\ud800", "..", "a/../b", "\\\\server\\x"])
def test_names_that_are_never_taken(name: str) -> None:
    with pytest.raises(Refused):
        checked_name(name)


@pytest.mark.parametrize("name", ["../..", ".hidden", "a b/c", "=cmd()", "💥", "-rf", "x" * 500])
def test_identifiers_are_harmless(name: str) -> None:
    found = identifier(name)
    assert found and len(found) <= 80 and found.isascii()
    assert not set(found) & set("/\\ =()'\"") and found[0] not in ".-"


def test_no_such_download(course: Course, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder or archive"):
        collect(course, tmp_path / "nothing.zip")
