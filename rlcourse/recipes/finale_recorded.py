"""The recorded run of the finale that came with the course: where and when it ran, and texts before and after.

``rlcourse/data/README.md`` says how it was made.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

FILE = "finale_run.json"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One run, before and after."""

    machine: dict[str, str]
    """Device, date, versions."""
    settings: dict[str, Any]
    """Of ``FinaleConfig``."""
    speed: dict[str, float]
    """Medians over the steps, as ``finale_speed`` names them."""
    before: dict[str, float]
    """Means over held-out prompts of what the reference wrote: ``score``, ``judge``, ``ridge``, ``vader``, ``kl`` …"""
    after: dict[str, float]
    """The same of the trained policy."""
    samples: list[dict[str, Any]]
    """The first responses: ``prompt``, ``before``, ``after``, and ``score`` and ``judge`` of the latter."""


@lru_cache
def load_recorded() -> Recorded:
    """Read the file."""
    return Recorded(**json.loads(files("rlcourse").joinpath("data", FILE).read_text("utf-8")))
