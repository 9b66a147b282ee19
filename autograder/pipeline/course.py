"""Where everything lies: the folders of one course, as nbgrader names them, and a few of ours."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from rlcourse.chapters import Chapter

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Course:
    """Folders of a course; ``root`` is nbgrader's course directory."""

    root: Path
    repository: Path = REPOSITORY

    @property
    def gradebook_url(self) -> str:
        return f"sqlite:///{self.root / 'gradebook.db'}"

    @property
    def build(self) -> Path:
        """Where the student distribution is written."""
        return self.root.parent / "_build" / "student"

    def source(self, chapter: Chapter) -> Path:
        """The generated assignment, with its hidden tests."""
        return self.root / "source" / chapter.assignment

    def release(self, chapter: Chapter) -> Path:
        """What nbgrader releases of it."""
        return self.root / "release" / chapter.assignment

    def inbox(self, chapter: Chapter) -> Path:
        """Every attempt collected: ``inbox/ch02/<student>/<attempt>/``."""
        return self.root / "inbox" / chapter.assignment

    def submitted(self, student: str, chapter: Chapter) -> Path:
        """One attempt put there by hand or by ``nbgrader collect``."""
        return self.root / "submitted" / student / chapter.assignment

    def normalized(self, student: str, chapter: Chapter) -> Path:
        """The attempt that counts, rebuilt on the released skeleton: what nbgrader's autograde reads."""
        return self.root / "normalized" / student / chapter.assignment

    def autograded(self, student: str, chapter: Chapter) -> Path:
        return self.root / "autograded" / student / chapter.assignment

    def feedback(self, student: str, chapter: Chapter) -> Path:
        return self.root / "feedback" / student / chapter.assignment

    def results(self, chapter: Chapter) -> Path:
        """One JSON file per attempt: ``results/ch02/<student>/<attempt>.json``."""
        return self.root / "results" / chapter.assignment

    @property
    def exports(self) -> Path:
        return self.root / "exports"


def default_course() -> Course:
    """The course of this clone, or the one that AUTOGRADER_ROOT names."""
    named = os.environ.get("AUTOGRADER_ROOT")
    return Course(Path(named).resolve() if named else REPOSITORY / "autograder")


def put_environment_first() -> None:
    """nbgrader calls the bare command ``alembic``: let it find that of this environment."""
    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != programs:
        os.environ["PATH"] = os.pathsep.join([programs, path])
