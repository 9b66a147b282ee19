"""Logs of short PPO runs on the small GPT-2: a healthy one, and some in which something went wrong on purpose.

``rlcourse/data/README.md`` says how each was made.
"""

import csv
from importlib.resources import files

import torch
from torch import Tensor

LOGS = "ppo_logs.csv"


def log_names() -> list[str]:
    """The runs in the file, in its order."""
    return list(dict.fromkeys(row["run"] for row in _rows()))


def load_log(name: str) -> dict[str, Tensor]:
    """The columns of a run, (N) each in float64: one number for each PPO step.

    Raises:
        ValueError: if there is no such run.
    """
    rows = [row for row in _rows() if row["run"] == name]
    if not rows:
        raise ValueError(f"no log {name!r}; there are {', '.join(log_names())}")
    columns = [column for column in rows[0] if column != "run"]
    return {
        column: torch.tensor([float(row[column]) for row in rows], dtype=torch.float64)
        for column in columns
    }


def _rows() -> list[dict[str, str]]:
    text = files("rlcourse").joinpath("data", LOGS).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
