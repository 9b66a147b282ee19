"""Collect submissions: sort a download by student and chapter, and keep every attempt as it came."""

import hashlib
import io
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from autograder.pipeline.archives import open_archive, zip_items
from autograder.pipeline.course import Course
from autograder.pipeline.downloads import Handed, by_chapter, noted_chapter, sort_items
from autograder.pipeline.reading import Room, in_brief, read_all
from autograder.pipeline.safe_files import (
    Item,
    Refusal,
    Refused,
    folder_items,
    without_duplicates,
)
from rlcourse.chapters import Chapter

NOTE = "attempt.json"


@dataclass(slots=True)
class Collected:
    """What was taken in, and what was not."""

    attempts: list[Path] = field(default_factory=list)
    """Folders of the attempts, new and known."""
    new: int = 0
    refusals: list[Refusal] = field(default_factory=list)


def collect(course: Course, source: Path, chapter: Chapter | None = None) -> Collected:
    """Take every attempt of a download into the inbox. Taking the same download again changes nothing.

    Args:
        course: where to.
        source: a folder, or a zip archive, as Canvas, Moodle or a shared inbox gives it.
        chapter: the chapter, for submissions that do not show it themselves.

    Raises:
        FileNotFoundError: if there is no such folder or archive.
        ValueError: if the archive is none.
    """
    collected = Collected()
    if source.is_dir():
        items, collected.refusals = folder_items(source)
        _take_all(course, items, chapter, collected)
        return collected
    if not source.exists():
        raise FileNotFoundError(f"no folder or archive {source}")
    try:
        with open_archive(source) as archive:
            items, collected.refusals = zip_items(archive)
            own = any(item.name == "submission.json" for item in items)
            items = _as_one(source) if own else items
            _take_all(course, items, chapter, collected)
    except Refused as error:
        raise ValueError(f"{source}: {error}") from error
    return collected


def _as_one(source: Path) -> list[Item]:
    """A single archive of ``rlcourse submit``, as if it lay in a folder."""
    modified = datetime.fromtimestamp(int(source.stat().st_mtime))
    return [Item(source.name, modified, source.read_bytes)]


def _take_all(
    course: Course, items: list[Item], chapter: Chapter | None, collected: Collected
) -> None:
    for handed in sort_items(items, collected.refusals):
        refusals: list[Refusal] = []
        when = max(item.modified for item in handed.items.values())
        files = _unpacked(handed, refusals)
        refusals = in_brief(refusals)
        collected.refusals += [Refusal(f"{handed.name}/{r.name}", r.why) for r in refusals]
        named = chapter or noted_chapter(files)
        for found, part in ({named: files} if named else by_chapter(files)).items():
            folder, is_new = keep_attempt(course, found, handed, part, when, refusals)
            collected.attempts.append(folder)
            collected.new += is_new
        if not named and not by_chapter(files):
            why = "no notebook or module of any chapter; name it with --chapter if it is one"
            collected.refusals.append(Refusal(handed.name, why))


def _unpacked(handed: Handed, refusals: list[Refusal]) -> dict[str, bytes]:
    """All files of a submission; those of zip archives in it (one level) in their place."""
    room = Room()
    given = read_all(list(_renamed(handed)), refusals, room)
    files = {name: data for name, data in given.items() if not name.lower().endswith(".zip")}
    for name in sorted(given.keys() - files.keys()):
        room.size += len(given[name])  # its files take the place of the archive
        try:
            with open_archive(io.BytesIO(given[name])) as archive:
                items, inner = zip_items(archive)
                files |= read_all(_not_there_yet(items, files, inner), inner, room)
        except Refused as error:
            inner = [Refusal("", str(error))]
        refusals += [Refusal(f"{name}/{r.name}".rstrip("/"), r.why) for r in inner]
    return files


def _not_there_yet(
    items: list[Item], files: dict[str, bytes], refusals: list[Refusal]
) -> list[Item]:
    """What takes no other file's place."""
    there = [Item(name, datetime(1980, 1, 1), bytes) for name in files]
    return [item for item in without_duplicates([*there, *items], refusals) if item not in there]


def _renamed(handed: Handed) -> list[Item]:
    return [Item(name, item.modified, item.read) for name, item in sorted(handed.items.items())]


def keep_attempt(
    course: Course,
    chapter: Chapter,
    handed: Handed,
    files: dict[str, bytes],
    when: datetime,
    refusals: list[Refusal],
) -> tuple[Path, bool]:
    """Write one attempt into the inbox; return its folder and whether it is new."""
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    whole = hashlib.sha256(json.dumps(sums).encode()).hexdigest()
    folder = course.inbox(chapter) / handed.student / f"{when:%Y%m%dT%H%M%S}-{whole[:8]}"
    if (folder / NOTE).exists():
        return folder, False
    note = {
        "student": handed.student,
        "name": handed.name,
        "lms_id": handed.lms_id,
        "marked_late": handed.marked_late,
        "timestamp": f"{when:%Y-%m-%d %H:%M:%S}",
        "sha256": sums,
        "refused": [str(refusal) for refusal in refusals],
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="."))
    try:
        for name, data in files.items():
            path = temporary / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (temporary / NOTE).write_text(json.dumps(note, indent=1) + "\n", "utf-8")
        temporary.chmod(0o755)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder, True
