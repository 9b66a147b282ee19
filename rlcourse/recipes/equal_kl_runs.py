"""The runs of DPO, RLOO, GRPO and PPO that came with the course, and how they compare at equal KL.

``rlcourse/data/README.md`` says how they were made; ``equal_kl`` is what made them.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from rlcourse.recipes.group_policy import Point, reward_at

FILE = "equal_kl_runs.json"
MEASURES = ("score", "judge", "distinct")
"""What is compared: by the reward model and by the held-out judge, in deviations; and distinct-2."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run."""

    seed: int
    method: str
    beta: float
    summary: dict[str, float]
    """Means over the responses to the test prompts, and ``distinct``."""
    texts: list[tuple[str, str]]
    """Some prompts and responses, the first ones, not chosen."""
    log: dict[str, list[float]]
    """What was seen in training, an entry an update, or for DPO a step of the optimizer."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over seeds."""

    mean: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class StoredRuns:
    """All of them."""

    settings: dict[str, Any]
    """Of the first; the others differ in method, price and seed."""
    evaluated: int
    """How many test prompts were answered."""
    references: dict[int, dict[str, float]]
    """The summary of the policy that the runs of a seed began with."""
    runs: tuple[StoredRun, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """In order."""
        return tuple(sorted(self.references))

    @property
    def methods(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(dict.fromkeys(run.method for run in self.runs))

    def of(self, method: str, seed: int | None = None) -> list[StoredRun]:
        """The runs of a method, the highest price first, of one seed or of all.

        Raises:
            ValueError: if there is none.
        """
        found = [run for run in self.runs if run.method == method and seed in (None, run.seed)]
        if not found:
            raise ValueError(f"no run by {method!r} with seed {seed}; there are {self.methods}")
        return sorted(found, key=lambda run: -run.beta)

    def curve(self, method: str, seed: int, measure: str) -> list[Point]:
        """Where the reference and the runs of one seed lie, by one of ``MEASURES``."""
        begin = Point(0.0, self.references[seed][measure])
        found = self.of(method, seed)
        return [begin, *(Point(run.summary["kl"], run.summary[measure]) for run in found)]

    def reach(self, method: str) -> float:
        """How many nats the runs of every seed reach."""
        return min(
            max(point.kl for point in self.curve(method, seed, "score")) for seed in self.seeds
        )

    def at_kl(self, method: str, kl: float, measure: str) -> Spread:
        """What a method has reached ``kl`` nats from the reference, on straight lines over the root of the KL.

        Raises:
            ValueError: if the runs of some seed do not go so far.
        """
        found = [reward_at(self.curve(method, seed, measure), kl) for seed in self.seeds]
        return Spread(sum(found) / len(found), min(found), max(found))


@lru_cache
def load_runs() -> StoredRuns:
    """Read the file."""
    table = json.loads(files("rlcourse").joinpath("data", FILE).read_text("utf-8"))
    references = {found["seed"]: found["summary"] for found in table["references"]}
    runs = tuple(
        StoredRun(**run | {"texts": [(prompt, text) for prompt, text in run["texts"]]})
        for run in table["runs"]
    )
    return StoredRuns(table["settings"], table["evaluated"], references, runs)
