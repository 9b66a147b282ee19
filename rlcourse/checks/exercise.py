"""An exercise as a student holds it: statement, hints, and what its checks expect."""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from rlcourse.chapters import Chapter, find_chapter
from rlcourse.checks.codec import decode, decode_outcome
from rlcourse.checks.outcome import Call, Outcome


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer that is likely enough to have a name."""

    name: str
    message: str
    """What to look at."""


@dataclass(frozen=True, slots=True)
class CaseCheck:
    """One call with a known outcome."""

    name: str
    target: str
    message: str
    """What the case is about; told when it fails."""
    call: Call
    expected: Outcome
    answers: dict[int, Outcome]
    """Outcome of each mistake, by its index, where it differs from the expected one."""


@dataclass(frozen=True, slots=True)
class LawCheck:
    """A property, as code that raises AssertionError when it does not hold."""

    name: str
    target: str
    message: str
    law: Callable[[Callable[..., Any]], None]


@dataclass(frozen=True, slots=True)
class Exercise:
    """Everything a student's side knows of one exercise."""

    number: str
    title: str
    targets: tuple[str, ...]
    points: float
    minutes: int
    difficulty: int
    section: str
    statement: str
    hints: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    checks: tuple[CaseCheck | LawCheck, ...]
    uses: tuple[str, ...] = ()

    @property
    def chapter(self) -> Chapter:
        return find_chapter(self.number)

    @property
    def visible_points(self) -> float:
        """Points of the checks a student holds, about 60 %."""
        return round(0.6 * self.points, 1)

    @property
    def hidden_points(self) -> float:
        """Points of the checks that stay with the instructor."""
        return round(self.points - self.visible_points, 1)


def probes_of(module: str) -> Any:
    """The chapter's laws and probes."""
    return importlib.import_module(f"rlcourse.checks.probes.{module}")


@lru_cache
def exercises(module: str) -> tuple[Exercise, ...]:
    """The exercises of one chapter, from its fingerprints.

    Raises:
        FileNotFoundError: if the chapter ships no checks.
    """
    text = files("rlcourse.checks").joinpath("data", f"{module}.json").read_text("utf-8")
    return tuple(_exercise(entry, module) for entry in json.loads(text)["exercises"])


def find_exercise(number: str) -> Exercise:
    """The exercise of that number, such as ``"2.3"``.

    Raises:
        ValueError: if there is none; the message lists the chapter's exercises.
    """
    chapter = find_chapter(number)
    known = exercises(chapter.module)
    for exercise in known:
        if exercise.number == number.strip():
            return exercise
    numbers = ", ".join(exercise.number for exercise in known)
    raise ValueError(f"no exercise {number!r}; {chapter.module} has {numbers}")


def _exercise(data: dict[str, Any], module: str) -> Exercise:
    plain = ("number", "title", "points", "minutes", "difficulty", "section", "statement")
    fields: dict[str, Any] = {name: data[name] for name in plain}
    for name in ("targets", "hints", "uses"):
        fields[name] = tuple(data[name])
    mistakes = tuple(Mistake(**mistake) for mistake in data["mistakes"])
    checks = tuple(_check(entry, module) for entry in data["checks"])
    return Exercise(**fields, mistakes=mistakes, checks=checks)


def _check(data: dict[str, Any], module: str) -> CaseCheck | LawCheck:
    shared = {name: data[name] for name in ("name", "target", "message")}
    if "law" in data:
        return LawCheck(**shared, law=getattr(probes_of(module), data["law"]))
    watched = {name: tuple(data.get(name, ())) for name in ("gradients", "detached", "inplace")}
    probe = getattr(probes_of(module), data["probe"]) if "probe" in data else None
    inputs = {name: decode(item) for name, item in data["inputs"].items()}
    return CaseCheck(
        **shared,
        call=Call(inputs=inputs, probe=probe, **watched),
        expected=decode_outcome(data["expected"]),
        answers={int(key): decode_outcome(item) for key, item in data.get("answers", {}).items()},
    )
