"""The report of one run of InstructGPT: a page that needs no other file, and the same figures as JSON."""

import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from rlcourse.recipes.rlhf_evaluation import Evaluation
from rlcourse.support.plotting import BLUE, INK, ORANGE, figure, panels

CURVES = {
    "score": "score by the reward model (deviations)",
    "kl": "divergence from the reference (nats)",
    "kl_coef": "what a nat costs",
    "entropy": "entropy of a token (nats)",
    "approx_kl": "how far an update moves (nats)",
    "clip_fraction": "share of clipped ratios",
    "explained_variance": "variance explained by the critic",
    "response_length": "tokens of a response",
}
"""Diagnostics that are drawn, and what they are called."""
MEASURES = {
    "score": "Reward model, in deviations of the reference",
    "judge": "Second reward model, never trained against",
    "ridge": "Ridge regression on words, rating from −4 to 4",
    "vader": "VADER, from −1 to 1",
    "kl": "Divergence from the reference, nats a response",
    "distinct": "Different pairs of tokens, share (distinct-2)",
    "ended": "Responses that end by themselves, share",
    "length": "Tokens of a response",
}
ROUNDING = 1e-6
"""Smaller numbers are those of a mean of 0."""
SHOWN = 12
"""Responses of each table."""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color-scheme: light dark; background: Canvas; color: CanvasText; }}
table {{ border-collapse: collapse; width: 100%; margin: 1rem 0; }} th, td {{ padding: .3rem .6rem;
  text-align: left; border-bottom: 1px solid #8886; vertical-align: top; }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
svg {{ max-width: 100%; height: auto; }} div.t {{ overflow-x: auto; }} b {{ font-weight: 600; }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""


@dataclass(frozen=True, slots=True)
class RunReport:
    """All that one run leaves to look at."""

    settings: dict[str, Any]
    """As ``dataclasses.asdict`` gives them."""
    stages: dict[str, float]
    """Losses and accuracies of the first two stages, and seconds."""
    rows: list[dict[str, float]]
    """The log of PPO, one row an update."""
    before: Evaluation
    after: Evaluation


def write_report(report: RunReport, folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.json``; returns both paths."""
    return write_both(as_html(report), as_json(report), folder)


def write_both(page: str, values: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write a page and its plain values as ``report.html`` and ``report.json``; returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "report.html", folder / "report.json"
    paths[0].write_text(page, "utf-8")
    text = json.dumps(_without_nan(values), indent=1, allow_nan=False)
    paths[1].write_text(text + "\n", "utf-8")
    return paths


def as_json(report: RunReport) -> dict[str, Any]:
    """Plain values: settings, stages, log, summaries before and after, and every response."""
    return {
        "settings": report.settings,
        "stages": report.stages,
        "log": report.rows,
        **both_sides(report.before, report.after),
    }


def both_sides(before: Evaluation, after: Evaluation) -> dict[str, Any]:
    """Summaries and responses of two evaluations, as plain values."""
    sides = {"before": before, "after": after}
    return {
        **{name: found.summary() for name, found in sides.items()},
        "responses": {n: [asdict(r) for r in found.responses] for n, found in sides.items()},
    }


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN: None instead."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_html(report: RunReport) -> str:
    """The whole page; text that a model wrote is escaped."""
    before, after = report.before.summary(), report.after.summary()
    measured = ((said, before[name], after[name]) for name, said in MEASURES.items())
    parts = [
        "<h2>Before and after</h2>",
        table(("Measured on held-out prompts", "before", "after"), measured),
        draw_scores(report.before, report.after),
        "<h2>Training</h2>",
        draw_curves(report.rows),
        "<h2>Samples</h2>",
        "<p>The same prompts, in order, not chosen.</p>",
        table(("Prompt", "before", "after", "score"), _pairs(report)),
        "<h2>What the reward model likes best</h2>",
        "<p>Look here for a reward that is being fooled.</p>",
        table(("Response", "score", "judge"), best(report.after)),
        "<h2>Stages</h2>",
        table(("Figure", "value"), report.stages.items()),
        "<h2>Settings</h2>",
        table(("Setting", "value"), _flat(report.settings)),
    ]
    return PAGE.format(title="InstructGPT on a small GPT-2", body="\n".join(parts))


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """An HTML table; numbers to the right, everything escaped."""
    cells = [list(row) for row in rows]
    numbers = [isinstance(cell, float) for cell in cells[0]] if cells else [False] * len(head)
    names = zip(head, numbers, strict=True)
    opened = {True: '<th class="n">', False: "<th>"}
    marked = (f"{opened[right]}{escape(name)}</th>" for name, right in names)
    lines = [f"<tr>{''.join(marked)}</tr>"]
    lines += [f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in cells]
    return f'<div class="t"><table>{"".join(lines)}</table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, float):
        said = "not measured" if math.isnan(value) else f"{value:.3g}"
        said = "0" if abs(value) < ROUNDING else said
        return f'<td class="n">{said}</td>'
    return f"<td>{escape(str(value))}</td>"


def _pairs(report: RunReport) -> Iterable[Sequence[Any]]:
    pairs = zip(report.before.responses, report.after.responses, strict=True)
    for old, new in list(pairs)[:SHOWN]:
        yield old.prompt, old.text, new.text, new.score


def best(found: Evaluation) -> Iterable[Sequence[Any]]:
    """Rows of a table: the responses that the reward model likes best, its score, and the judge's."""
    for response in sorted(found.responses, key=lambda r: -r.score)[:SHOWN]:
        yield response.prompt + response.text, response.score, response.judge


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, json.dumps(value)


def draw_curves(rows: Sequence[dict[str, float]]) -> str:
    """The diagnostics of PPO over its updates, as SVG."""
    drawn, axes = panels(4, 2, 9.0, 9.0, sharex=True)
    for ax, (name, said) in zip(axes, CURVES.items(), strict=True):
        ax.plot(range(1, len(rows) + 1), [row[name] for row in rows], color=BLUE)
        ax.set_title(said, fontsize=10)
    for ax in axes[-2:]:
        ax.set_xlabel("update")
    return svg(drawn, "Diagnostics of PPO over its updates", "curves")


def draw_scores(before: Evaluation, after: Evaluation) -> str:
    """How the scores of the responses are spread before and after, as SVG."""
    drawn, ax = figure(7.0, 2.8)
    every = before.values("score") + after.values("score")
    edges = [min(every) + (max(every) - min(every)) * k / 24 for k in range(25)]
    for found, color, said in ((before, INK, "before"), (after, ORANGE, "after")):
        ax.hist(found.values("score"), edges, histtype="step", linewidth=2, color=color, label=said)
    ax.set(xlabel="score by the reward model (deviations)", ylabel="responses")
    ax.legend()
    return svg(drawn, "Scores of responses before and after PPO", "scores")


def svg(drawn: Figure, said: str, salt: str) -> str:
    """A figure as an element of the page; ``salt`` keeps its names apart from those of other figures."""
    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        drawn.savefig(text, format="svg", metadata={"Date": None})
    plt.close(drawn)
    found = text.getvalue()
    start = found.index("<svg ")
    label = f'<svg role="img" aria-label="{escape(said)}" '
    return label + found[start + len("<svg ") :]
