"""Whose work is which file: the names that Canvas, Moodle, nbgrader and ``rlcourse submit`` give their downloads."""

import json
import re
import unicodedata
from dataclasses import dataclass, field

from autograder.pipeline.safe_files import Item, Refusal
from rlcourse.chapters import CHAPTERS, Chapter, find_chapter

# Canvas: doejane_LATE_1234_56789_policy_gradient-1.py (name, user, number of the upload, file)
CANVAS = re.compile(r"^(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<user>\d+)_\d+_(?P<file>.+)$")
# Moodle: Jane Doe_1234_assignsubmission_file_/policy_gradient.py, or the same without the slash
MOODLE = re.compile(r"^(?P<name>[^/]+?)_(?P<user>\d+)_assignsubmission_file_?/?(?P<file>.+)$")
MOODLE_TEXT = re.compile(r"^[^/]+?_\d+_assignsubmission_(onlinetext|comments)_")
# rlcourse submit: ch02-jane-20261122T160000Z.zip
OWN = re.compile(r"^(?P<chapter>ch\d+)-(?P<name>.+)-\d{8}T\d{6}Z(-\d+)?\.zip$")
COPY = re.compile(r"(?:[-_]\d+| ?\(\d+\))$")


@dataclass(slots=True)
class Handed:
    """What one student handed in at one time."""

    student: str
    """As an identifier: the key of the gradebook and a folder's name."""
    name: str
    """As the download spells it."""
    lms_id: str = ""
    marked_late: bool = False
    items: dict[str, Item] = field(default_factory=dict)
    """Files by their own names, without what the download put in front."""


def sort_items(items: list[Item], refusals: list[Refusal]) -> list[Handed]:
    """Sort the files of a download by student, in the order of the students' identifiers."""
    groups: dict[tuple[str, str], Handed] = {}
    for item in items:
        if MOODLE_TEXT.match(item.name):
            continue
        found = _owner(item.name)
        if found is None:
            why = "belongs to no student: no folder, no known name"
            refusals.append(Refusal(item.name, why))
            continue
        key, handed, file = found
        identifier = (handed.student, key)
        if identifier in groups and groups[identifier].name != handed.name:
            other = groups[identifier].name
            refusals.append(
                Refusal(item.name, f"cannot be told from {other!r}; rename one of them")
            )
            continue
        groups.setdefault(identifier, handed).items[file] = item
    return [groups[key] for key in sorted(groups)]


def _owner(path: str) -> tuple[str, Handed, str] | None:
    """Key of the attempt, its student, and the file's own name."""
    if match := MOODLE.match(path):
        student = f"{identifier(match['name'])}_{match['user']}"
        return "moodle", Handed(student, match["name"], match["user"]), match["file"]
    if "/" not in path and (match := CANVAS.match(path)):
        student = f"{identifier(match['name'])}_{match['user']}"
        late = match["late"] is not None
        return "canvas", Handed(student, match["name"], match["user"], late), match["file"]
    folder, _, rest = path.partition("/")
    if rest:
        # nbgrader's exchange: jane+ch02+2026-11-22 16:00:00 UTC/policy_gradient.py
        name, *attempt = folder.split("+", 1)
        return "+".join(attempt), Handed(identifier(name), name), rest
    if match := OWN.match(path):
        return path, Handed(identifier(match["name"]), match["name"]), path
    if path.lower().endswith(".zip"):
        name = path[:-4]
        return path, Handed(identifier(name), name), path
    return None


def identifier(name: str) -> str:
    """A student's name as letters, digits and ``._-@`` only, for folders, tables and command lines."""
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    text = re.sub(r"[^A-Za-z0-9.@-]+", "_", plain).strip("._-")
    if not text:  # a name in another script: spell out its code points, so that it stays one name
        text = "u" + "-".join(f"{ord(c):x}" for c in unicodedata.normalize("NFC", name)[:12])
    return text[:80]


def own_name(file: str) -> str:
    """The file's name as it was released: ``policy_gradient-1.py`` and ``policy_gradient (2).py`` are copies."""
    stem, dot, ending = file.rpartition(".")
    return f"{COPY.sub('', stem)}{dot}{ending}" if dot else file


def by_chapter(files: dict[str, bytes]) -> dict[Chapter, dict[str, bytes]]:
    """Sort a submission's files by chapter; files of no chapter go with each.

    A file belongs to the chapter of its folder (``ch02/``), else to the one whose notebook or module it is.
    """
    owners = {file: _chapter_of(file) for file in files}
    found = sorted(
        {owner for owner in owners.values() if owner}, key=lambda chapter: chapter.number
    )
    return {
        chapter: {file: files[file] for file, owner in owners.items() if owner in (chapter, None)}
        for chapter in found
    }


def _chapter_of(file: str) -> Chapter | None:
    *folders, name = file.split("/")
    for folder in folders:
        if re.fullmatch(r"ch\d+", folder):
            return next((c for c in CHAPTERS if c.assignment == folder), None)
    names = {f"{chapter.module}{end}": chapter for chapter in CHAPTERS for end in (".py", ".ipynb")}
    return names.get(own_name(name))


def noted_chapter(files: dict[str, bytes]) -> Chapter | None:
    """The chapter that ``rlcourse submit`` noted in its archive."""
    try:
        note = json.loads(files["submission.json"])
        return find_chapter(str(note["chapter"]))
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
