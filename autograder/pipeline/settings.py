"""Settings of a course: due dates, late policy, attempts, limits; from ``autograder/grading.toml``."""

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

ATTEMPTS = ("best", "last")


@dataclass(frozen=True, slots=True)
class LatePolicy:
    """What a late submission loses."""

    grace_minutes: float = 15.0
    per_day: float = 0.1
    """Share of the score taken off for each day begun after the due date and the grace."""
    at_most: float = 0.5

    def penalty(self, score: float, seconds_late: float) -> float:
        """Points taken off an attempt of this score; 0 within the grace time."""
        beyond = seconds_late - 60.0 * self.grace_minutes
        if beyond <= 0.0:
            return 0.0
        days = 1 + int(seconds_late // 86400)
        return round(score * min(self.at_most, days * self.per_day), 4)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an instructor may set."""

    attempts: Literal["best", "last"] = "best"
    late: LatePolicy = field(default_factory=LatePolicy)
    due: dict[str, datetime] = field(default_factory=dict)
    """Due date of each assignment that has one, in UTC, without a time zone as nbgrader keeps it."""
    seconds: float = 20.0
    """Processor seconds that one part may use."""
    memory_mb: int = 4096


def load_settings(root: Path) -> Settings:
    """Read ``grading.toml`` of a course; without the file, the defaults.

    Raises:
        ValueError: if a value is not one of those allowed; the message names it.
    """
    file = root / "grading.toml"
    data: dict[str, Any] = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    _known(data, {"attempts", "late", "due", "limits"}, file)
    late, limits = data.get("late", {}), data.get("limits", {})
    _known(late, {"grace_minutes", "per_day", "at_most"}, file)
    _known(limits, {"seconds", "memory_mb"}, file)
    attempts = data.get("attempts", "best")
    if attempts not in ATTEMPTS:
        raise ValueError(f"{file}: attempts = {attempts!r}; write one of {', '.join(ATTEMPTS)}")
    due = {name: _utc(name, moment, file) for name, moment in data.get("due", {}).items()}
    return Settings(attempts=attempts, late=LatePolicy(**late), due=due, **limits)


def _known(table: dict[str, Any], names: set[str], file: Path) -> None:
    unknown = sorted(set(table) - names)
    if unknown:
        raise ValueError(f"{file}: unknown setting {unknown[0]!r}; there are {sorted(names)}")


def _utc(name: str, moment: Any, file: Path) -> datetime:
    if not isinstance(moment, datetime):
        raise ValueError(f"{file}: due date of {name} should look like 2027-01-31T23:59:00Z")
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
