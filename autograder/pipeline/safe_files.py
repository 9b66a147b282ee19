"""Read folders that strangers made, without following or trusting anything (archives: `archives`).

Nothing is ever extracted by name: a caller gets the bytes of plain files under checked names, and a list of what was
refused and why. Symbolic links, hard links, pipes, devices, absolute names, names that climb out (``..``), duplicates,
unprintable names and oversized files are refused one by one; the others stay.
"""

import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

FILE_LIMIT = 8 << 20
SKIPPED = ("__MACOSX", ".ipynb_checkpoints", "__pycache__", ".git", ".DS_Store")


class Refused(Exception):
    """A file that is not taken; the text says why."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file that may be read."""

    name: str
    modified: datetime
    """In UTC, without a time zone."""
    read: Callable[[], bytes]
    """Its bytes; raises Refused if it is not a plain file of bearable size after all."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file left out."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{printable(self.name)}: {self.why}"


def printable(name: str) -> str:
    """A name that can be shown: control and direction marks, and lone surrogates, spelled out."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name)


def checked_name(name: str) -> str:
    """The name in composed form with forward slashes.

    Raises:
        Refused: if it is absolute, climbs out of its folder, or cannot be printed.
    """
    if not name or any(not c.isprintable() for c in name):
        raise Refused("the name has characters that cannot be printed")
    if name.startswith(("/", "\\")) or name[1:3] in (":\\", ":/"):
        raise Refused("the name is an absolute path")
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    if ".." in parts:
        raise Refused("the name climbs out of its folder")
    parts = [part for part in parts if part not in ("", ".")]
    if any(len(part.encode()) > 200 for part in parts) or len(parts) > 12:
        raise Refused("the name is too long")
    return "/".join(parts)


def folder_items(root: Path) -> tuple[list[Item], list[Refusal]]:
    """The plain files below a folder, in the order of their names.

    Raises:
        NotADirectoryError: if ``root`` is no folder.
    """
    if not root.is_dir() or root.is_symlink():
        raise NotADirectoryError(f"{root} is not a folder")
    items: list[Item] = []
    refusals: list[Refusal] = []
    for path in _walk(root, refusals):
        relative = str(path.relative_to(root))
        try:
            name, status = checked_name(relative), os.lstat(path)
            refuse_unless_plain(status)
        except (Refused, OSError) as error:
            refusals.append(Refusal(relative, str(error)))
            continue
        modified = datetime.fromtimestamp(status.st_mtime, UTC).replace(tzinfo=None, microsecond=0)
        items.append(Item(name, modified, lambda path=path: _read_file(path)))  # type: ignore[misc]
    return without_duplicates(items, refusals), refusals


def _walk(root: Path, refusals: list[Refusal]) -> Iterator[Path]:
    for folder, folders, files in os.walk(root, followlinks=False):
        here = Path(folder)
        for name in list(folders):
            if name in SKIPPED:
                folders.remove(name)
            elif (here / name).is_symlink():
                folders.remove(name)
                refusals.append(Refusal(str((here / name).relative_to(root)), "symbolic link"))
        folders.sort()
        yield from (here / name for name in sorted(files) if name not in SKIPPED)


def refuse_unless_plain(status: os.stat_result) -> None:
    """Look at what kind of file it is.

    Raises:
        Refused: for anything but a plain file with one name.
    """
    if stat.S_ISLNK(status.st_mode):
        raise Refused("symbolic link")
    if stat.S_ISFIFO(status.st_mode):
        raise Refused("named pipe (FIFO)")
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not a plain file")
    if status.st_nlink > 1:
        raise Refused("hard link: another name shares this file")


def _read_file(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"cannot be opened ({error.strerror})") from error
    with os.fdopen(handle, "rb") as file:
        refuse_unless_plain(os.fstat(file.fileno()))
        data = file.read(FILE_LIMIT + 1)
    return _bearable(data)


def _bearable(data: bytes) -> bytes:
    if len(data) > FILE_LIMIT:
        raise Refused(f"larger than {FILE_LIMIT >> 20} MiB")
    return data


def without_duplicates(items: list[Item], refusals: list[Refusal]) -> list[Item]:
    """Of names that some file systems cannot tell apart, the first stays."""
    kept: dict[str, Item] = {}
    folders: set[str] = set()
    for item in items:
        key = unicodedata.normalize("NFKC", item.name).casefold()
        above = {key[:i] for i, c in enumerate(key) if c == "/"}
        if key in kept:
            refusals.append(Refusal(item.name, f"same name as {kept[key].name}"))
        elif key in folders or above & kept.keys():
            refusals.append(Refusal(item.name, "the name is both a file and a folder"))
        else:
            kept[key] = item
            folders |= above
    return list(kept.values())
