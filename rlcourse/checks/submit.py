"""Pack a chapter's work and hand it in: ``rlcourse submit``."""

import getpass
import hashlib
import json
import os
import re
import shutil
import unicodedata
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from rlcourse.chapters import Chapter

LIMIT_MIB = 8
INBOX = "RLCOURSE_INBOX"
STUDENT = "RLCOURSE_STUDENT"


def submit(
    chapter: Chapter,
    folder: str | os.PathLike[str],
    to: str | os.PathLike[str] | None = None,
    now: datetime | None = None,
) -> Path:
    """Pack notebook and module into a dated archive, and hand it in where an inbox is known.

    The archive stays in ``submissions`` beside the work, whatever happens afterwards.

    Args:
        chapter: whose work it is.
        folder: where notebook and module are.
        to: the inbox, a folder; by default the one that RLCOURSE_INBOX names, if any.
        now: the time to note; by default the present.

    Returns:
        The archive in ``submissions``.

    Raises:
        FileNotFoundError: if notebook or module is not there.
        ValueError: if one of them cannot be read.
        OSError: if it could not be handed in; the message says where the archive is.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    place = Path(folder).resolve()
    files = {name: _read(place / name) for name in _names(chapter)}
    _readable_notebook(files[f"{chapter.module}.ipynb"], chapter)
    student = student_name()
    archive = _write(place / "submissions", chapter, student, files, moment)
    _tell(archive, chapter, files, moment)
    inbox = to or os.environ.get(INBOX)
    if inbox:
        print(f"\nHanded in: {hand_in(archive, Path(inbox))}")
    else:
        print(f"\nNext: upload {archive.name} to your course's page. It is in\n  {archive.parent}")
    return archive


def _names(chapter: Chapter) -> tuple[str, str]:
    return f"{chapter.module}.py", f"{chapter.module}.ipynb"


def _read(file: Path) -> bytes:
    """The file's bytes.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is not a readable file of bearable size.
    """
    if not file.exists():
        raise FileNotFoundError(
            f"{file.name} is not in {file.parent}; go to the folder with your notebook and module, "
            "or name it with --folder"
        )
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > LIMIT_MIB << 20:
        raise ValueError(
            f"{file.name} is larger than {LIMIT_MIB} MiB; clear the notebook's outputs and save it"
        )
    return data


def _readable_notebook(data: bytes, chapter: Chapter) -> None:
    try:
        cells = json.loads(data)["cells"]
        if not isinstance(cells, list):
            raise TypeError("its cells are not a list")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{chapter.module}.ipynb is not a whole notebook ({error}); open it in JupyterLab, save "
            "it, and submit again. Or copy your work into the notebook as it was released"
        ) from error


def student_name() -> str:
    """Who hands in: RLCOURSE_STUDENT, the name at JupyterHub, or that of the account."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = "student"
    name = os.environ.get(STUDENT) or os.environ.get("JUPYTERHUB_USER") or account
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"[^A-Za-z0-9.@]+", "_", plain).strip("._")[:60] or "student"


def _write(
    folder: Path, chapter: Chapter, student: str, files: dict[str, bytes], moment: datetime
) -> Path:
    """The archive: the same bytes for the same work at the same time; an earlier one is never replaced."""
    note = {
        "chapter": chapter.assignment,
        "student": student,
        "timestamp": f"{moment:%Y-%m-%d %H:%M:%S}",
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    members = files | {"submission.json": (json.dumps(note, indent=1) + "\n").encode()}
    folder.mkdir(exist_ok=True)
    archive = _unused(folder / f"{chapter.assignment}-{student}-{moment:%Y%m%dT%H%M%SZ}.zip")
    unfinished = archive.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in sorted(members.items()):
            info = zipfile.ZipInfo(name, date_time=moment.timetuple()[:6])
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, data)
    unfinished.rename(archive)
    return archive


def _unused(path: Path) -> Path:
    """The path, or one with a number where two submissions fall into the same second."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}.zip")
    return candidate


def hand_in(archive: Path, inbox: Path) -> Path:
    """Copy the archive into the inbox, whole or not at all; return the copy.

    Raises:
        OSError: if that fails; the message says where the archive stays.
    """
    kept = f"your work is safe in {archive}; hand that file in by another way"
    if not inbox.is_dir():
        raise FileNotFoundError(f"there is no inbox folder {inbox}; {kept}")
    unfinished = inbox / f".{archive.name}.part"
    try:
        copy = _unused(inbox / archive.name)
        shutil.copyfile(archive, unfinished)
        unfinished.rename(copy)
    except OSError as error:
        raise OSError(f"{inbox} takes nothing ({error.strerror}); {kept}") from error
    return copy


def _tell(archive: Path, chapter: Chapter, files: dict[str, bytes], moment: datetime) -> None:
    print(f"{chapter.name}, {chapter.title}, packed at {moment:%Y-%m-%d %H:%M:%S} UTC:")
    for name, data in files.items():
        print(f"  {name:<28} {len(data):>8} bytes  sha256 {hashlib.sha256(data).hexdigest()[:12]}")
    print(f"  in {archive}")
    module = f"{chapter.module}.py"
    try:
        compile(files[module], module, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        print(
            f"\nCareful: {module} has an error{line} ({error.args[0]}), so that Python cannot read it.\n"
            "As it is, no exercise can pass. It is packed all the same; mend it and submit again."
        )
