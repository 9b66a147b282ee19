"""The report of a run of the finale: a page that needs no other file, and the same figures as JSON.

``python -m rlcourse.recipes.finale_run`` writes both at its end.
"""

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from rlcourse.recipes.finale_evaluation import evaluate
from rlcourse.recipes.finale_speed import peak_gigabytes, summary
from rlcourse.recipes.ppo_gpt2 import Finale
from rlcourse.recipes.rlhf_evaluation import Evaluation
from rlcourse.recipes.rlhf_report import (
    MEASURES,
    PAGE,
    best,
    both_sides,
    draw_scores,
    svg,
    table,
    write_both,
)
from rlcourse.support.plotting import BLUE, ORANGE, panels

CURVES = {
    "score": "score (deviations); dashed: the held-out judge",
    "kl": "divergence from the reference (nats)",
    "entropy": "entropy of a token (nats)",
    "distinct": "different pairs of tokens (distinct-2)",
    "length": "tokens of a response",
    "ended": "responses that end by themselves",
    "explained_variance": "variance explained by the critic",
    "approx_kl": "how far an update moves (nats)",
    "clip_fraction": "share of clipped ratios",
    "loss": "loss",
}
"""Columns of the log that are drawn, and what they are called."""
SPEEDS = {
    "samples_per_second": "Responses written and trained on, a second",
    "tokens_per_second": "Tokens a second, while writing",
    "decode": "Writing: share of the roofline (bytes or operations)",
    "mfu": "Training: share of the device's operations (MFU)",
    "seconds": "Seconds a step",
    "write_share": "of which writing",
    "read_share": "of which reading: policy, reference, critic, judges",
    "train_share": "of which training",
    "peak_gigabytes": "Most memory, GB",
}
PACKAGES = ("torch", "tokenizers", "safetensors", "numpy")
SHOWN = 12
"""Responses in a table."""


@dataclass(frozen=True, slots=True)
class FinaleReport:
    """All that a run leaves to look at."""

    settings: dict[str, Any]
    """As ``dataclasses.asdict`` gives them."""
    machine: dict[str, str]
    """Device, its limits, date, versions."""
    speed: dict[str, float]
    """Medians over the steps of this process."""
    rows: list[dict[str, float]]
    """The log, one row a step."""
    before: Evaluation
    after: Evaluation


def make_report(finale: Finale, rows: list[dict[str, float]]) -> FinaleReport:
    """Let the reference and the trained policy write behind the same held-out prompts, and sum up."""
    speed = summary(finale.speeds) | {"peak_gigabytes": peak_gigabytes(finale.device)}
    sides = evaluate(finale, finale.reference), evaluate(finale, finale.policy)
    return FinaleReport(asdict(finale.config), machine_of(finale), speed, rows, *sides)


def machine_of(finale: Finale) -> dict[str, str]:
    """Where and when, and with what."""
    limits, found = finale.limits, dict[str, str]()
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {
        "device": limits.name,
        "bytes a second": f"{limits.bytes_per_second:.3g}",
        "operations a second": f"{limits.flops_per_second:.3g}",
        "processes": str(finale.processes.count),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "CUDA": str(torch.version.cuda) if finale.device.type == "cuda" else "not used",
        **found,
    }


def write_report(report: FinaleReport, folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.json``; returns both paths."""
    return write_both(as_html(report), as_json(report), folder)


def as_json(report: FinaleReport) -> dict[str, Any]:
    """Plain values: all of the page, and every response."""
    return {
        "settings": report.settings,
        "machine": report.machine,
        "speed": report.speed,
        "log": report.rows,
        **both_sides(report.before, report.after),
    }


def as_html(report: FinaleReport) -> str:
    """The whole page; text that a model wrote is escaped."""
    before, after = report.before.summary(), report.after.summary()
    measured = [(said, before[name], after[name]) for name, said in MEASURES.items()]
    speed = [(said, report.speed[name]) for name, said in SPEEDS.items() if name in report.speed]
    settings = [(name, json.dumps(value)) for name, value in report.settings.items()]
    steps = f"{len(report.rows)} steps on {report.machine['device']}, {report.machine['date']}."
    parts = [
        f"<p>{escape(steps)}</p>",
        "<h2>Before and after</h2>",
        table(("Measured on held-out prompts", "before", "after"), measured),
        draw_scores(report.before, report.after),
        "<h2>Training</h2>",
        draw_curves(report.rows),
        "<h2>Samples</h2>",
        "<p>The same prompts and the same random numbers, in order, not chosen.</p>",
        table(("Prompt", "before", "after", "score", "held-out judge"), _pairs(report)),
        "<h2>What the reward model likes best</h2>",
        "<p>Look here for a reward that is being fooled.</p>",
        table(("Response", "score", "held-out judge"), best(report.after)),
        "<h2>Speed</h2>",
        "<p>Medians over the steps, without the first. Only tokens of responses count.</p>",
        table(("Figure", "value"), speed),
        "<h2>Machine</h2>",
        table(("What", "value"), report.machine.items()),
        "<h2>Settings</h2>",
        table(("Setting", "value"), settings),
    ]
    return PAGE.format(title="PPO on a small GPT-2", body="\n".join(parts))


def draw_curves(rows: Sequence[Mapping[str, float]]) -> str:
    """The log over the steps, as SVG."""
    drawn, axes = panels(5, 2, 9.0, 11.0, sharex=True)
    steps = range(1, len(rows) + 1)
    for ax, (name, said) in zip(axes, CURVES.items(), strict=True):
        ax.plot(steps, [row[name] for row in rows], color=BLUE)
        ax.set_title(said, fontsize=10)
    axes[0].plot(steps, [row["judge"] for row in rows], color=ORANGE, linestyle="--")
    for ax in axes[-2:]:
        ax.set_xlabel("step")
    return svg(drawn, "The log of PPO over its steps", "curves")


def _pairs(report: FinaleReport) -> Iterable[Sequence[Any]]:
    pairs = zip(report.before.responses, report.after.responses, strict=True)
    for old, new in list(pairs)[:SHOWN]:
        yield new.prompt, old.text, new.text, new.score, new.judge
