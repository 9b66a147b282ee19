"""What grading finds: a verdict for each part, a result for each attempt; data only, the same bytes every time."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PASS = "pass"
FAIL = "fail"
ERROR = "error"
TIMEOUT = "timeout"
CRASH = "crash"
OUT_OF_MEMORY = "out of memory"
MISSING = "missing"
GRADER_ERROR = "grader error"
VERDICTS = (PASS, FAIL, ERROR, TIMEOUT, CRASH, OUT_OF_MEMORY, MISSING, GRADER_ERROR)


@dataclass(frozen=True, slots=True)
class Part:
    """The verdict on one graded cell."""

    grade_id: str
    verdict: str
    points: float
    max_points: float
    message: str = ""
    """For the student: what is wrong, and where to go on. Empty if the part passed."""
    output: str = ""
    """What the student's code printed meanwhile; for the instructor."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one attempt."""

    student: str
    attempt: str
    assignment: str
    timestamp: str
    """When it was handed in, in UTC."""
    digest: str
    """Of everything the result depends on: submission, tests, settings. A result with another digest is stale."""
    files: dict[str, str]
    """sha256 of each file graded."""
    parts: tuple[Part, ...] = ()
    flags: tuple[str, ...] = ()
    """What the normalizer mended or dropped."""
    error: str = ""
    """Why the attempt could not be graded; empty if it was."""

    @property
    def ungraded(self) -> bool:
        """Whether the grader itself failed, so that no score may be given."""
        return bool(self.error) or any(part.verdict == GRADER_ERROR for part in self.parts)

    @property
    def score(self) -> float:
        return round(sum(part.points for part in self.parts), 4)

    @property
    def max_score(self) -> float:
        return round(sum(part.max_points for part in self.parts), 4)

    @property
    def reason(self) -> str:
        """The grader's error in a line."""
        broken = [part for part in self.parts if part.verdict == GRADER_ERROR]
        text = self.error or (f"{broken[0].grade_id}: {broken[0].message}" if broken else "")
        return text.strip().splitlines()[-1] if text.strip() else ""


def to_json(result: Result) -> str:
    """The same text for the same result, on every machine."""
    return json.dumps(asdict(result), indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def from_json(text: str) -> Result:
    """Read a result back.

    Raises:
        ValueError: if the text is not a whole result.
    """
    data: dict[str, Any] = json.loads(text)
    try:
        parts = tuple(Part(**part) for part in data.pop("parts"))
        return Result(**{**data, "parts": parts, "flags": tuple(data["flags"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a result: {error}") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, whatever moment the machine is switched off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_result(path: Path) -> Result | None:
    """The result in that file; None if there is none, or if it is damaged and must be made again."""
    try:
        return from_json(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
