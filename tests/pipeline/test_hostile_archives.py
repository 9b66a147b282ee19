"""An archive made to break or hold up the collecting harms nobody but whoever made it."""

import io
import json
import random
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from autograder.pipeline.collect import Collected, collect
from autograder.pipeline.course import Course
from autograder.pipeline.reading import NAMED
from rlcourse.chapters import Chapter

MODULE = "policy_gradient.py"
METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def packed(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def collected_beside(hostile: bytes, chapter: Chapter, tmp_path: Path) -> Collected:
    """Collect ann's plain work and eve's archive; ann's must be there whatever eve's holds."""
    inbox, course = tmp_path / "in", Course(tmp_path / "autograder")
    inbox.mkdir(exist_ok=True)
    (inbox / "ann.zip").write_bytes(packed({MODULE: b"ann = 1"}))
    (inbox / "eve.zip").write_bytes(hostile)
    collected = collect(course, inbox)
    kept = list((course.inbox(chapter) / "ann").glob(f"*/files/{MODULE}"))
    assert {file.read_bytes() for file in kept} == {b"ann = 1"}
    return collected


@pytest.mark.parametrize("seed", range(3))
def test_damaged_archives_stop_nobody(seed: int, chapter: Chapter, tmp_path: Path) -> None:
    chance = random.Random(seed)
    members = {
        MODULE: b"x = 1\n" * 50,
        "é/notes.txt": b"y" * 300,
        "ch02/policy_gradient.ipynb": b"{}",
    }
    whole = [packed(members, method) for method in METHODS.values()]
    for _ in range(60):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        collected_beside(bytes(data), chapter, tmp_path)


@pytest.mark.parametrize("method", ["bzip2", "lzma"])
def test_methods_that_unpack_without_bound_are_refused(
    method: str, chapter: Chapter, tmp_path: Path
) -> None:
    hostile = packed({MODULE: b"x"}, METHODS[method])
    refusals = collected_beside(hostile, chapter, tmp_path).refusals
    assert "unusual method" in refusals[0].why


def test_ten_thousand_small_bombs_take_no_time(chapter: Chapter, tmp_path: Path) -> None:
    megabyte = zipfile.ZipInfo("0.py")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(megabyte, b"\0" * (1 << 20), zipfile.ZIP_DEFLATED)
        for number in range(1, 10_000):  # all of them the same bytes of the file
            again = zipfile.ZipInfo("0.py")
            for field in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
                setattr(again, field, getattr(archive.filelist[0], field))
            again.filename = f"d{number}/0.py"
            archive.filelist.append(again)
        archive._didModify = True  # type: ignore[attr-defined]
    start = time.process_time()
    collected = collected_beside(file.getvalue(), chapter, tmp_path)
    assert time.process_time() - start < 10
    assert 0 < len(collected.refusals) <= NAMED + 2


def test_archives_of_one_submission_share_its_room(tmp_path: Path) -> None:
    eve = tmp_path / "in" / "eve"
    eve.mkdir(parents=True)
    (eve / MODULE).write_bytes(b"x")
    for n in range(8):
        inner = packed({f"{n}/{m}.bin": b"\0" * (1 << 20) for m in range(12)})
        (eve / f"{n}.zip").write_bytes(inner)
    collected = collect(Course(tmp_path / "autograder"), eve.parent)
    (attempt,) = collected.attempts
    assert len(list((attempt / "files").rglob("*.bin"))) == 15
    whys = [refusal.why for refusal in collected.refusals]
    assert len(whys) == 81 and "larger than 16 MiB" in whys[0] and "not looked at" in whys[-1]


@pytest.mark.parametrize("name", [MODULE, MODULE.upper(), f"{MODULE}/x", "notes.txt"])
def test_an_archive_takes_no_other_files_place(name: str, tmp_path: Path) -> None:
    eve = tmp_path / "in" / "eve"
    eve.mkdir(parents=True)
    (eve / MODULE).write_bytes(b"outside")
    (eve / "notes.txt").write_bytes(b"outside")
    (eve / "more.zip").write_bytes(packed({name: b"inside"}))
    collected = collect(Course(tmp_path / "autograder"), eve.parent)
    files = (collected.attempts[0] / "files").rglob("*")
    assert {file.read_bytes() for file in files} == {b"outside"}
    assert collected.refusals[0].name == f"eve/more.zip/{name}"


@pytest.mark.parametrize(
    "note", ["[" * 200_000, "[]", '{"chapter": ["ch02"]}', "1" * 5000, "\ud800"]
)
def test_a_note_that_is_none(note: str, chapter: Chapter, tmp_path: Path) -> None:
    hostile = packed({MODULE: b"x", "submission.json": note.encode("utf-8", "surrogatepass")})
    assert len(collected_beside(hostile, chapter, tmp_path).attempts) == 2


def test_no_end_of_refusals_in_a_note(chapter: Chapter, tmp_path: Path) -> None:
    hostile = packed({MODULE: b"x"} | {f"notes/../{n}": b"" for n in range(3000)})
    collected = collected_beside(hostile, chapter, tmp_path)
    notes = [json.loads((a / "attempt.json").read_text()) for a in collected.attempts]
    told = max((note["refused"] for note in notes), key=len)
    assert len(told) == NAMED + 1
    assert told[-1] == f"{3000 - NAMED} more files: not named one by one"
