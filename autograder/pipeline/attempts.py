"""Which attempts there are, and which of a student's counts."""

import fnmatch
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nbgrader.utils import parse_utc

from autograder.pipeline.collect import NOTE
from autograder.pipeline.course import Course
from autograder.pipeline.reading import in_brief, read_all
from autograder.pipeline.result import Result
from autograder.pipeline.safe_files import Refusal, folder_items
from autograder.pipeline.settings import Settings
from rlcourse.chapters import Chapter

BY_HAND = "submitted"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A submission as it lies in the inbox, or in nbgrader's ``submitted`` folder."""

    student: str
    name: str
    """Of the attempt: its time and the beginning of its checksum."""
    folder: Path
    timestamp: datetime
    notes: tuple[str, ...] = ()
    lms_id: str = ""
    person: str = ""
    """The student's name as the learning platform spells it."""

    def files(self) -> tuple[dict[str, bytes], tuple[str, ...]]:
        """Its plain files, and what was left out."""
        if self.folder.is_symlink() or not self.folder.is_dir():
            return {}, (f"{self.folder.name} is not a plain folder",)
        items, refusals = folder_items(self.folder)
        files = read_all(items, refusals)
        return files, (*self.notes, *(f"left out: {refusal}" for refusal in in_brief(refusals)))


def find_attempts(course: Course, chapter: Chapter, student: str = "*") -> list[Attempt]:
    """All attempts of the students whose identifier matches, oldest first for each student."""
    attempts = [*_collected(course, chapter), *_by_hand(course, chapter)]
    chosen = [a for a in attempts if fnmatch.fnmatchcase(a.student, student)]
    return sorted(chosen, key=lambda a: (a.student, a.timestamp, a.name))


def _collected(course: Course, chapter: Chapter) -> list[Attempt]:
    found = []
    for note_file in sorted(course.inbox(chapter).glob(f"[!.]*/[!.]*/{NOTE}")):
        note = json.loads(note_file.read_text("utf-8"))
        notes = [f"left out when collected: {text}" for text in note["refused"]]
        if note["marked_late"]:
            notes.append("the learning platform marked it late")
        folder = note_file.parent
        found.append(
            Attempt(
                student=note["student"],
                name=folder.name,
                folder=folder / "files",
                timestamp=datetime.fromisoformat(note["timestamp"]),
                notes=tuple(notes),
                lms_id=note["lms_id"],
                person=note["name"],
            )
        )
    return found


def _by_hand(course: Course, chapter: Chapter) -> list[Attempt]:
    found = []
    for folder in sorted((course.root / "submitted").glob(f"[!.]*/{chapter.assignment}")):
        if folder.is_dir():
            found.append(Attempt(folder.parent.name, BY_HAND, folder, _time_of(folder)))
    return found


def _time_of(folder: Path) -> datetime:
    """When a folder was handed in: its ``timestamp.txt`` as nbgrader writes it, else its newest file."""
    items, refusals = folder_items(folder)
    stamp = next((item for item in items if item.name == "timestamp.txt"), None)
    if stamp:
        text = read_all([stamp], refusals).get("timestamp.txt", b"").decode("utf-8", "replace")
        try:
            return parse_utc(text.strip()) or datetime(1970, 1, 1)
        except (ValueError, OverflowError):
            refusals.append(Refusal("timestamp.txt", "no date"))
    return max((item.modified for item in items), default=datetime(1970, 1, 1))


def penalty_of(result: Result, settings: Settings) -> float:
    """Points that the late policy takes off this attempt."""
    due = settings.due.get(result.assignment)
    if due is None:
        return 0.0
    late = (datetime.fromisoformat(result.timestamp) - due).total_seconds()
    return settings.late.penalty(result.score, late)


def choose(results: list[Result], settings: Settings) -> Result | None:
    """The attempt that counts, or None while one that may count is ungraded.

    Args:
        results: of one student, oldest first.
        settings: whether the best attempt counts, after its penalty (the first of equals), or the last.
    """
    if not results:
        return None
    if settings.attempts == "last":
        return None if results[-1].ungraded else results[-1]
    if any(result.ungraded for result in results):
        return None
    return max(results, key=lambda result: result.score - penalty_of(result, settings))
