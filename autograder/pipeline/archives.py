"""Read zip archives that strangers made: nothing is unpacked by name, nothing is believed of sizes and sums."""

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from autograder.pipeline.safe_files import (
    FILE_LIMIT,
    SKIPPED,
    Item,
    Refusal,
    Refused,
    checked_name,
    without_duplicates,
)

ARCHIVE_LIMIT = 16 << 20
"""Bytes of an archive within an archive, and of what one member may claim to unpack to."""
RATIO_LIMIT = 200
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What the learning platforms write. Python unpacks the other methods without a bound on memory."""


@contextmanager
def open_archive(source: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """An archive, open for reading.

    Raises:
        Refused: if it is none, or a damaged one.
    """
    try:
        archive = zipfile.ZipFile(source)
    except Exception as error:  # besides BadZipFile, whatever its fields make Python stumble over
        raise Refused(f"not a zip archive ({error})") from error
    with archive:
        yield archive


def zip_items(archive: zipfile.ZipFile) -> tuple[list[Item], list[Refusal]]:
    """The plain files in an open archive. The archive must stay open while they are read."""
    items: list[Item] = []
    refusals: list[Refusal] = []
    for info in archive.infolist():
        if info.is_dir() or any(part in SKIPPED for part in info.filename.split("/")):
            continue
        try:
            name = checked_name(info.orig_filename)
            _refuse_unless_plain(info)
        except Refused as error:
            refusals.append(Refusal(info.orig_filename, str(error)))
            continue
        modified = datetime(*info.date_time) if _is_date(info.date_time) else datetime(1980, 1, 1)
        items.append(Item(name, modified, lambda info=info: _read_member(archive, info)))  # type: ignore[misc]
    return without_duplicates(items, refusals), refusals


def _is_date(fields: tuple[int, int, int, int, int, int]) -> bool:
    try:
        datetime(*fields)
    except ValueError:
        return False
    return True


def _refuse_unless_plain(info: zipfile.ZipInfo) -> None:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        raise Refused("symbolic link")
    if stat.S_ISFIFO(mode):
        raise Refused("named pipe (FIFO)")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Refused("not a plain file")
    if info.flag_bits & 0x1:
        raise Refused("encrypted")
    if info.compress_type not in METHODS:
        raise Refused("packed by an unusual method; pack it as an ordinary zip archive")
    if info.file_size > ARCHIVE_LIMIT:
        raise Refused(f"would unpack to {info.file_size >> 20} MiB")
    if info.file_size > 1 << 20 and info.file_size > RATIO_LIMIT * max(info.compress_size, 1):
        raise Refused("unpacks to much more than it holds (zip bomb)")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    limit = ARCHIVE_LIMIT if info.filename.lower().endswith(".zip") else FILE_LIMIT
    try:
        with archive.open(info) as member:
            data = member.read(limit + 1)  # whatever size the archive claims
    except EOFError as error:
        raise Refused("damaged (cut short)") from error
    except Exception as error:  # one damaged member must not stand in the way of all the others
        raise Refused(f"damaged ({error})") from error
    if len(data) > limit:
        raise Refused(f"larger than {limit >> 20} MiB")
    return data
