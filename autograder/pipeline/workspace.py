"""A student's workspace: the released distribution laid out in a folder, without touching what a student wrote."""

import hashlib
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from autograder.pipeline.course import Course, put_environment_first
from autograder.pipeline.distribution import build_distribution
from autograder.pipeline.release import release_assignment
from autograder.pipeline.result import write_atomically
from rlcourse.chapters import CHAPTERS

MANIFEST = Path(".rlcourse") / "released.json"
NO_NEWS = {
    "@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"}
}


@dataclass(slots=True)
class Laid:
    """What happened to the files of a workspace."""

    folder: Path
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Files of the student's own making, which a newer release did not replace."""


def lay_out(course: Course, folder: Path) -> Laid:
    """Make a workspace, or bring an existing one up to date.

    A file is replaced only while it still is what was laid out there before.

    Raises:
        NbgraderError: if no chapter has an assignment that can be released.
    """
    distribution = _distribution(course)
    laid = Laid(folder)
    known = _manifest(folder)
    released: dict[str, str] = {}
    for source in sorted(path for path in distribution.rglob("*") if path.is_file()):
        name = source.relative_to(distribution).as_posix()
        data = source.read_bytes()
        released[name] = hashlib.sha256(data).hexdigest()
        target = folder / name
        present = _checksum(target)
        if present == released[name]:
            continue
        if present is None or present == known.get(name):
            write_atomically(target, data)
            laid.written.append(name)
        else:
            laid.kept.append(name)
            released[name] = known.get(name, released[name])
    write_atomically(folder / MANIFEST, (json.dumps(released, indent=1) + "\n").encode())
    return laid


def _distribution(course: Course) -> Path:
    """The distribution as it is now, of all chapters that have an assignment."""
    ready = [chapter for chapter in CHAPTERS if course.source(chapter).is_dir()]
    for chapter in ready:
        if not course.release(chapter).is_dir():
            release_assignment(course, chapter)
    return build_distribution(course, ready)[0]


def _manifest(folder: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads((folder / MANIFEST).read_text("utf-8"))
        return known
    except (OSError, ValueError):
        return {}


def _checksum(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def lab_command(folder: Path) -> list[str]:
    """JupyterLab on a workspace, asking nobody outside for news, nor the student whether it may.

    As root only where there is no other user.
    """
    settings = folder / ".rlcourse" / "lab"
    write_atomically(settings / "overrides.json", json.dumps(NO_NEWS).encode())
    quiet = ["--LabApp.news_url=None", f"--LabApp.app_settings_dir={settings.resolve()}"]
    quiet += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    root = ["--allow-root"] if os.geteuid() == 0 else []
    return [sys.executable, "-m", "jupyter", "lab", *quiet, *root]


def start_lab(folder: Path) -> None:
    """Become JupyterLab, opened on the workspace."""
    put_environment_first()
    os.environ.pop("RLCOURSE_OVERLAY", None)  # a student's kernel must not find solutions
    os.chdir(folder)
    command = lab_command(Path.cwd())
    os.execv(command[0], command)
