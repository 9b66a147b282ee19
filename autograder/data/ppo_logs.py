"""Make ``rlcourse/data/ppo_logs.csv``: ``python -m autograder.data.ppo_logs``. Some ten minutes on one core.

Short runs of the finale on the shipped model; each sick one differs from the healthy one in what ``RUNS`` says. Of the
healthy run ``finale_run.json`` keeps the report, with texts before and after.
"""

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from autograder.data.instruct_gpt_runs import tidy
from rlcourse import overlay

if TYPE_CHECKING:
    from rlcourse.recipes.ppo_gpt2 import Finale

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
REPORTED, SAMPLES = "healthy", 12
"""The run whose report is kept, with so many responses."""


def main(names: list[str]) -> int:
    """Run those named, or all, and write their logs beside those that are there."""
    torch.set_num_threads(1)
    overlay(ROOT / "solutions")
    from rlcourse.recipes.finale_batch import FinaleConfig
    from rlcourse.recipes.finale_run import run_finale

    rows = [row for row in _known() if names and row["run"] not in names]
    for name in names or list(RUNS):
        finale, log = run_finale(FinaleConfig(steps=40, **RUNS[name]), device="cpu", quiet=True)
        if name == REPORTED:
            _write_report(finale, log)
        for row in log:
            numbers = {column: f"{row[column]:.4g}" for column in COLUMNS}
            rows.append({"run": name, "step": f"{row['steps']:.0f}", **numbers})
        print(name, rows[-1], flush=True)
        _write(rows)
    return 0


def _write_report(finale: "Finale", log: list[dict[str, float]]) -> None:
    from rlcourse.recipes.finale_recorded import FILE
    from rlcourse.recipes.finale_report import as_json, make_report

    report = as_json(make_report(finale, log))
    sides = [report["responses"][side][:SAMPLES] for side in ("before", "after")]
    samples = [
        {"prompt": old["prompt"], "before": old["text"], "after": new["text"]}
        | {name: new[name] for name in ("score", "judge")}
        for old, new in zip(*sides, strict=True)
    ]
    kept = {name: report[name] for name in ("machine", "settings", "speed", "before", "after")}
    text = json.dumps(tidy(kept | {"samples": samples}), ensure_ascii=False, indent=1)
    TARGET.with_name(FILE).write_text(text + "\n", "utf-8")


def _known() -> list[dict[str, str]]:
    return list(csv.DictReader(TARGET.open(encoding="utf-8"))) if TARGET.exists() else []


def _write(rows: list[dict[str, str]]) -> None:
    rows.sort(key=lambda row: list(RUNS).index(row["run"]))
    with TARGET.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("run", "step", *COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
