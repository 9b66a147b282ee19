"""Make ``rlcourse/data/ppo_logs.csv``: ``python -m autograder.data.ppo_logs``. Some ten minutes on one core.

Short runs of the finale on the shipped model; each sick one differs from the healthy one in what ``RUNS`` says.
"""

import csv
import sys
from pathlib import Path
from typing import Any

import torch

from rlcourse import overlay

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "rlcourse" / "data" / "ppo_logs.csv"
COLUMNS = ("score", "kl", "entropy", "explained_variance", "length")
RUNS: dict[str, dict[str, Any]] = {
    "healthy": {},
    "no_penalty": {"kl_coef": 0.0},
    "untrained_critic": {"value_coef": 0.0},
    "cut_off_is_dear": {"missing_end_penalty": 10.0, "kl_coef": 0.05},
}
"""What differs from the settings of the healthy run."""


def main(names: list[str]) -> int:
    """Run those named, or all, and write their logs beside those that are there."""
    torch.set_num_threads(1)
    overlay(ROOT / "solutions")
    from rlcourse.recipes.finale_batch import FinaleConfig
    from rlcourse.recipes.finale_run import run_finale

    rows = [row for row in _known() if names and row["run"] not in names]
    for name in names or list(RUNS):
        _, log = run_finale(FinaleConfig(steps=40, **RUNS[name]), device="cpu", quiet=True)
        for row in log:
            numbers = {column: f"{row[column]:.4g}" for column in COLUMNS}
            rows.append({"run": name, "step": f"{row['steps']:.0f}", **numbers})
        print(name, rows[-1], flush=True)
        _write(rows)
    return 0


def _known() -> list[dict[str, str]]:
    return list(csv.DictReader(TARGET.open(encoding="utf-8"))) if TARGET.exists() else []


def _write(rows: list[dict[str, str]]) -> None:
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("run", "step", *COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
