"""What grading one submission yields: plain records with a stable JSON form."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How one part ended."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    TIMEOUT = "timeout"
    CRASH = "crash"
    OUT_OF_MEMORY = "out of memory"
    MISSING = "missing"
    GRADER_ERROR = "grader error"


@dataclass(frozen=True, slots=True)
class PartResult:
    """One graded cell."""

    part: str
    """The cell's nbgrader ``grade_id``, such as ``ex-2-3-visible``."""
    verdict: Verdict
    points: float
    max_points: float
    message: str = ""
    """For the student: what failed, without hidden code. Empty when the part passed."""
    output: str = ""
    """Text printed while the part ran (the check's lines and the student's prints)."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """One cell of the student's own: what it printed and whether it failed."""

    index: int
    output: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """All parts of one submission."""

    module: str
    """The graded module, such as ``policy_gradient``."""
    sha256: str | None
    """Digest of the module's submitted bytes, which are what was graded; None if the file is missing."""
    parts: tuple[PartResult, ...]
    cells: tuple[CellResult, ...] = ()
    tier: str = field(default="", compare=False)
    """The isolation tier; not part of the JSON, which is the same under every tier."""
    cpu_seconds: float = field(default=0.0, compare=False)
    """CPU time of both sides, measured; not part of the JSON."""

    @property
    def points(self) -> float:
        """Sum over the parts."""
        return sum(part.points for part in self.parts)

    @property
    def max_points(self) -> float:
        """Sum over the parts."""
        return sum(part.max_points for part in self.parts)

    def to_json(self) -> str:
        """Return stable text: the same submission gives the same bytes."""
        data = asdict(self)
        del data["tier"], data["cpu_seconds"]
        return json.dumps(data, sort_keys=True, ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> "SubmissionResult":
        """Rebuild a result from `to_json`'s text.

        Raises:
            ValueError: if the text is no such result.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            parts = [
                PartResult(**{**part, "verdict": Verdict(part["verdict"])})
                for part in data.pop("parts")
            ]
            cells = [CellResult(**cell) for cell in data.pop("cells")]
            return cls(parts=tuple(parts), cells=tuple(cells), **data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the JSON of a graded submission: {error}") from error
