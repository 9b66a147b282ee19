"""The runs of InstructGPT that came with the course: three prices of a nat from three seeds.

``rlcourse/data/README.md`` says how they were made, and what the columns are.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

FILE = "instruct_gpt_runs.json"
GAINS = ("score", "judge", "ridge", "vader")
"""Judges, whose figures mean something only against those of the reference."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What one policy wrote behind the test prompts, and what was found of it."""

    summary: dict[str, float]
    """Means of the columns, and ``distinct``."""
    columns: dict[str, list[Any]]
    """Of all responses: ``text``, ``score``, ``judge``, ``ridge``, ``vader``, ``kl``, ``ended``, ``length``."""

    def column(self, name: str) -> Tensor:
        """(N,) one entry of each response, in the order of the prompts."""
        return torch.tensor(self.columns[name], dtype=torch.float64)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run."""

    seed: int
    kl_coef: float
    log: dict[str, list[float]]
    """What ``rlhf_step`` reported, an entry an update."""
    policy: Judged
    """After training."""
    reference: Judged
    """Before."""
    accuracy: float
    """Of its reward model, on all pairs of test snippets."""

    def gain(self, name: str) -> float:
        """Mean of one of ``GAINS`` after training, less that of the reference."""
        return self.policy.summary[name] - self.reference.summary[name]


@dataclass(frozen=True, slots=True)
class PtxRun:
    """Figures of a run, with people's texts or without."""

    seed: int
    kl_coef: float
    ptx_coef: float
    before: dict[str, float]
    """Of the reference: ``score``, ``judge``, ``kl``, ``distinct``; and ``loss_on_people``, in nats a token of snippets
    that no model has read."""
    after: dict[str, float]
    """Of the policy."""


@dataclass(frozen=True, slots=True)
class StoredRuns:
    """All of them."""

    settings: dict[str, Any]
    """Of the first; the others differ in seed and price."""
    prompts: list[str]
    """What all responses continue."""
    runs: tuple[StoredRun, ...]
    ptx: tuple[PtxRun, ...]
    """Runs with and without people's texts, at several prices of a nat."""

    def run(self, seed: int, kl_coef: float) -> StoredRun:
        """One run.

        Raises:
            ValueError: if there is none with that seed and price.
        """
        for run in self.runs:
            if (run.seed, run.kl_coef) == (seed, kl_coef):
                return run
        there = ", ".join(f"({run.seed}, {run.kl_coef})" for run in self.runs)
        raise ValueError(f"no run with seed {seed} and kl_coef {kl_coef}; there are {there}")

    @property
    def kl_coefs(self) -> tuple[float, ...]:
        """Prices of a nat, the highest first."""
        return tuple(sorted({run.kl_coef for run in self.runs}, reverse=True))

    @property
    def seeds(self) -> tuple[int, ...]:
        """In order."""
        return tuple(sorted({run.seed for run in self.runs}))


@lru_cache
def load_runs() -> StoredRuns:
    """Read the file."""
    text = files("rlcourse").joinpath("data", FILE).read_text("utf-8")
    table = json.loads(text)
    references = {found["seed"]: found for found in table["references"]}
    runs = tuple(_run(run, references[run["seed"]]) for run in table["runs"])
    ptx = tuple(PtxRun(**run) for run in table["ptx"])
    return StoredRuns(table["settings"], table["prompts"], runs, ptx)


def _run(run: dict[str, Any], reference: dict[str, Any]) -> StoredRun:
    return StoredRun(
        run["seed"],
        run["kl_coef"],
        run["log"],
        Judged(run["policy"]["summary"], run["policy"]["responses"]),
        Judged(reference["summary"], reference["responses"]),
        reference["stages"]["reward_model_accuracy"],
    )
