"""Which module of a submission is graded, and which earlier chapters it may lean on."""

from dataclasses import dataclass
from pathlib import Path

from rlcourse.chapters import CHAPTERS, find_chapter

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class GradedModule:
    """The module of one assignment."""

    name: str
    """Module name; the submission holds it as ``<name>.py`` in its top folder."""
    earlier: tuple[str, ...] = ()
    """Chapters it may import; in grading they are the reference, so one hole never costs twice."""
    solutions: Path = REPOSITORY / "solutions"
    """The author's folder; read by the trusted side only."""

    @property
    def file(self) -> str:
        """Name of the submitted file."""
        return f"{self.name}.py"


def graded_module(chapter: "str | GradedModule") -> GradedModule:
    """Look up a chapter's graded module.

    Args:
        chapter: any name `rlcourse.chapters.find_chapter` knows, or a module described by hand.

    Raises:
        ValueError: if there is no such chapter.
    """
    if isinstance(chapter, GradedModule):
        return chapter
    found = find_chapter(chapter)
    earlier = tuple(other.module for other in CHAPTERS if other.number < found.number)
    return GradedModule(found.module, earlier)
