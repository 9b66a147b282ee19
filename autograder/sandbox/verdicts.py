"""From how a part ended to a verdict, points and a message."""

import hashlib
import random
import re
from typing import Any

import numpy as np
import torch

from autograder.sandbox.errors import OutOfMemory, StudentError, StudentStopped, StudentTimeout
from autograder.sandbox.results import Verdict

_ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")
_MOST = 20_000
"""Characters of one message."""
FORESEEN = (AssertionError, StudentError, StudentStopped)


def judge(problem: BaseException | None) -> tuple[Verdict, str]:
    """Return the verdict on a part that ended like this, and what to tell the student."""
    if problem is None:
        return Verdict.PASS, ""
    if isinstance(problem, StudentStopped):
        return verdict_of(problem), problem.message
    if isinstance(problem, StudentError):
        return Verdict.ERROR, f"{problem.type_name}: {problem}\n{problem.trace}".strip()
    if isinstance(problem, AssertionError):
        return Verdict.FAIL, str(problem) or "a check did not hold"
    kind = type(problem).__name__
    return Verdict.ERROR, f"the check cannot use what your code returned ({kind}: {problem})"


def verdict_of(stopped: StudentStopped) -> Verdict:
    """Return the verdict on a part that took its process with it."""
    if isinstance(stopped, StudentTimeout):
        return Verdict.TIMEOUT
    return Verdict.OUT_OF_MEMORY if isinstance(stopped, OutOfMemory) else Verdict.CRASH


def points_of(value: Any, most: float) -> float:
    """Return the points of a test that ran through: all, or what its last line says."""
    if type(value) not in (int, float):
        return most
    return min(max(float(value), 0.0), most) if value == value else 0.0


def seed_of(grade_id: str) -> int:
    """Return the seed of a part: its own, the same on both sides and in every run."""
    return int.from_bytes(hashlib.sha256(grade_id.encode()).digest()[:4], "big")


def seed_all(seed: int) -> None:
    """Seed the global generators of this process."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)  # torch.manual_seed looks for other devices as well


def steady(text: str) -> str:
    """Leave out addresses of objects, which differ from run to run."""
    return _ADDRESS.sub("at 0x0", text)


def shortened(text: str) -> str:
    """Leave out the middle of a message into which a submission has put a long text."""
    half = _MOST // 2
    return text if len(text) <= _MOST else f"{text[:half]}\n[...]\n{text[-half:]}"
