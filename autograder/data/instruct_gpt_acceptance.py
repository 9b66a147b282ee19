"""What InstructGPT on the small GPT-2 must reach: ``python -m autograder.data.instruct_gpt_acceptance FOLDER``.

Makes the runs of ``autograder.data.instruct_gpt_runs`` in the folder, or goes on with them. Prints one line a figure.
``--shipped`` judges the runs that came with the course instead. Writes ``acceptance.json`` beside the runs, and ends
with an error if a figure is missed.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import rlcourse
from autograder.data.instruct_gpt_runs import DATA, KL_COEFS, ROOT, SEEDS, make_run, shipped_table

WANTED: dict[float, dict[str, tuple[float, float]]] = {
    0.2: {
        "score": (1.2, math.inf),
        "judge": (1.0, math.inf),
        "ridge": (0.6, math.inf),
        "vader": (0.12, math.inf),
        "kl": (3.0, 9.0),
        "distinct": (0.65, 1.0),
        "ended": (0.9, 1.0),
    },
    0.1: {"score": (2.0, math.inf), "judge": (1.8, math.inf), "kl": (7.0, 18.0)},
    0.0: {"score": (3.5, math.inf), "kl": (30.0, math.inf), "distinct": (0.0, 0.3)},
}
"""For each price of a nat: smallest and largest figure of a policy that is accepted."""
GAINS = ("score", "judge", "ridge", "vader")
"""These are counted from what the reference has; score and judge in deviations of its scores."""
ACCURACY = (0.69, 1.0)
"""Of the reward model, over all pairs of test snippets whose mean ratings differ."""
EQUAL = 1e-3
"""Before anything is trained, ratios are 1 and the KL of a response 0, up to the rounding of float32."""
CI_SECONDS, DEFAULT_SECONDS = 40.0, 300.0
"""CPU seconds of the preset ``ci``; seconds of the preset ``default`` on two idle cores."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, and where it has to lie."""

    name: str
    value: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Whether it lies there; a figure that could not be measured does not."""
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        verdict = "pass" if self.passed else "FAIL"
        return f"{verdict}  {self.name:<40}{self.value:>10.4g}   [{self.low:g}, {self.high:g}]"


def figures(table: dict[str, Any]) -> Iterator[Figure]:
    """All figures of a table as ``shipped_table`` makes it."""
    references = {found["seed"]: found for found in table["references"]}
    for seed, found in references.items():
        accuracy = found["stages"]["reward_model_accuracy"]
        yield Figure(f"seed {seed}: pair accuracy", accuracy, *ACCURACY)
    for run in table["runs"]:
        head = f"seed {run['seed']}, beta {run['kl_coef']:g}"
        for name, (low, high) in WANTED[run["kl_coef"]].items():
            value = run["policy"]["summary"][name]
            if name in GAINS and value is not None:
                value -= references[run["seed"]]["summary"][name]
            yield Figure(f"{head}: {name}", math.nan if value is None else value, low, high)
        for name, value in run["first_minibatch"].items():
            yield Figure(f"{head}: first minibatch, {name}", value, 0.0, EQUAL)


def missing_runs(table: dict[str, Any]) -> list[str]:
    """Which of the nine runs are not there."""
    there = {(run["seed"], run["kl_coef"]) for run in table["runs"]}
    wanted = [(seed, kl_coef) for seed in SEEDS for kl_coef in KL_COEFS]
    return [f"seed {s}, beta {b:g}" for s, b in wanted if (s, b) not in there]


def timed_preset(name: str, folder: Path) -> Figure:
    """How long a preset takes end to end: CPU seconds of ``ci``, seconds of ``default``."""
    from rlcourse.recipes.instruct_gpt import run_all
    from rlcourse.recipes.instruct_gpt_config import preset

    clock, limit = {
        "ci": (time.process_time, CI_SECONDS),
        "default": (time.perf_counter, DEFAULT_SECONDS),
    }[name]
    path = folder / f"seconds-{name}.json"
    if not path.exists():
        start = clock()
        run_all(preset(name))
        path.write_text(json.dumps(clock() - start), "utf-8")
    return Figure(f"seconds of preset {name}", json.loads(path.read_text("utf-8")), 0.0, limit)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print, and write ``acceptance.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the runs")
    parser.add_argument("--shipped", action="store_true", help="judge what came with the course")
    chosen = parser.parse_args(arguments)
    rlcourse.overlay(ROOT / "solutions")
    torch.set_num_threads(1)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    if chosen.shipped:
        table = json.loads(DATA.read_text("utf-8"))
        found = list(figures(table))
    else:
        pairs = [(seed, kl_coef) for seed in SEEDS for kl_coef in KL_COEFS]
        table = shipped_table([make_run(*pair, chosen.folder) for pair in pairs])
        found = [*figures(table), *(timed_preset(n, chosen.folder) for n in ("ci", "default"))]
    print(*found, sep="\n")
    missed = [*missing_runs(table), *(figure.name for figure in found if not figure.passed)]
    rows = [asdict(figure) | {"passed": figure.passed} for figure in found]
    text = json.dumps({"missed": missed, "figures": rows}, indent=1)
    (chosen.folder / "acceptance.json").write_text(text + "\n", "utf-8")
    if missed:
        raise SystemExit(f"{len(missed)} missed: {'; '.join(missed)}")
    print(f"all {len(found)} figures reached")


if __name__ == "__main__":
    main()
