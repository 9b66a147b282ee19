"""The finale against TRL 1.12.0: the same device, model, prompts, lengths, epochs and minibatches, in turn.

On a GPU, GPT-2 small with random weights or from a folder; each turn is a process of its own, and its first update is
left out. The learning rate is next to nothing, so that both keep writing responses of the same length::

    python benchmarks/finale/run.py --json out.json
    python benchmarks/finale/run.py --base path/to/gpt2 --trl-path wheels/site --json out.json
    python benchmarks/finale/run.py --device cpu --smoke      # everything once, in a minute; its figures say nothing

The second form takes TRL from a folder, for a machine without a network: see ``wheels.py``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(REPOSITORY), str(HERE)]

import torch  # noqa: E402

import rlcourse  # noqa: E402

rlcourse.overlay(REPOSITORY / "solutions")

from task import GPU, SMOKE, TRL, make_task, prepare_base  # noqa: E402

GOALS = {"samples_per_second": 533.0, "ratio": 5.0, "decode": 0.5, "mfu": 0.4}
"""For GPT-2 small on one H200: 256,000 responses in eight minutes, five times TRL, and so near to the roofline."""
UNITS = {
    "samples_per_second": "samples/s",
    "decode": "of the roofline, writing",
    "mfu": "of the operations, training",
    "peak_gigabytes": "GB at most",
    "tokens_per_response": "tokens a response",
}


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it works")
    for name, value in GPU.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value))
    parser.add_argument("--trl-python", help="a Python that has TRL; by default this one")
    parser.add_argument("--trl-path", help="a folder of packages with TRL in it")
    parser.add_argument("--without-trl", action="store_true", help="measure only ours")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    found = parser.parse_args(arguments)
    if found.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here; `--device cpu --smoke` tries everything on the CPU")
    return found


def sizes(asked: argparse.Namespace) -> dict[str, Any]:
    """The sizes of the task: a preset, and what was asked for instead.

    Raises:
        SystemExit: if they do not fit together.
    """
    preset = SMOKE if asked.smoke else GPU
    given = {name: getattr(asked, name) for name in preset}
    chosen = preset | {name: value for name, value in given.items() if value is not None}
    if chosen["rounds"] < 1 or chosen["updates"] < 2:
        raise SystemExit("there must be one round and two updates at least")
    if chosen["batch"] % chosen["minibatch"] or chosen["minibatch"] % chosen["micro_rows"]:
        raise SystemExit("micro_rows must divide minibatch, and minibatch batch")
    threads = torch.get_num_threads() if asked.device == "cuda" else 1
    return chosen | {"device": asked.device, "threads": threads}


def find_trl(asked: argparse.Namespace) -> tuple[str, dict[str, str]] | None:
    """A Python with TRL and its environment; None if there is none, or it is not wanted."""
    if asked.without_trl:
        return None
    python = asked.trl_python or sys.executable
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    environment |= {"PYTHONPATH": str(Path(asked.trl_path).resolve())} if asked.trl_path else {}
    question = "import importlib.metadata as m; print(m.version('trl'))"
    command = [python, "-c", question]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True)
    if answer.stdout.strip() == TRL:
        return python, environment
    found = f"trl {answer.stdout.strip()}" if answer.returncode == 0 else "no trl"
    print(f"TRL is left out: {python} has {found}, and {TRL} is wanted (see wheels.py)")
    return None


def measure(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run one worker; what it printed, less its first update.

    Raises:
        SystemExit: if it failed.
    """
    answer = subprocess.run(command, env=environment, capture_output=True, text=True)
    if answer.returncode:
        raise SystemExit(f"{Path(command[1]).name} failed:\n{answer.stderr[-3000:]}")
    row: dict[str, Any] = json.loads(answer.stdout.strip().splitlines()[-1])
    return row | {"seconds": row["seconds"][1:], "tokens": row["tokens"][1:]}


def summary(rounds: list[dict[str, Any]], batch: int) -> dict[str, Any]:
    """Median update of each round, and the median of the rounds."""
    rates = [batch / statistics.median(row["seconds"]) for row in rounds]
    found = {
        "program": rounds[0]["program"],
        "samples_per_second": statistics.median(rates),
        "rounds": rates,
        "tokens_per_response": statistics.mean(statistics.mean(r["tokens"]) for r in rounds)
        / batch,
        "peak_gigabytes": max(row["peak_gigabytes"] for row in rounds),
    }
    shares = [name for name in ("decode", "mfu") if name in rounds[0]]
    return found | {name: statistics.median(row[name] for row in rounds) for name in shares}


def compare(found: dict[str, dict[str, Any]], chosen: dict[str, Any]) -> dict[str, Any]:
    """The whole table: programs, ratio, and, where the task is that of the goals, whether they were reached."""
    ours = found["rlcourse"]
    table: dict[str, Any] = {"programs": found, "sizes": chosen}
    if "trl" in found:
        table["ratio"] = ours["samples_per_second"] / found["trl"]["samples_per_second"]
    if chosen["device"] == "cuda" and not chosen["smoke"]:
        reached = ours | {name: table[name] for name in ("ratio",) if name in table}
        table["goals"] = {
            name: {"goal": goal, "reached": reached[name] >= goal}
            for name, goal in GOALS.items()
            if name in reached
        }
    return table


def lines(table: dict[str, Any]) -> list[str]:
    """The table as text."""
    said = [f"{table['device']}, {table['date']}"]
    for name, row in table["programs"].items():
        figures = (f"{row[key]:.3g} {unit}" for key, unit in UNITS.items() if key in row)
        rounds = ", ".join(f"{rate:.3g}" for rate in row["rounds"])
        said += [f"{name}: {', '.join(figures)}", f"    rounds {rounds}; {row['program']}"]
    said.append(f"ratio {table['ratio']:.2f}" if "ratio" in table else "ratio not measured")
    for name, row in table.get("goals", {}).items():
        said.append(f"goal {name} ≥ {row['goal']}: {'' if row['reached'] else 'not '}reached")
    return said


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both in turn, print the table, and write it."""
    asked = options(arguments)
    chosen, trl = sizes(asked), find_trl(asked)
    ours = os.environ | {"PYTHONPATH": str(REPOSITORY), "RLCOURSE_PROGRESS": "0"}
    workers = {"rlcourse": (sys.executable, "our_worker.py", ours)}
    if trl is not None:
        workers["trl"] = (trl[0], "trl_worker.py", trl[1])
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    with tempfile.TemporaryDirectory() as folder:
        base = prepare_base(chosen["base"], Path(folder))
        task, path = make_task(chosen, base), Path(folder, "task.json")
        for turn in range(chosen["rounds"]):
            path.write_text(json.dumps(task | {"seed": turn}), "utf-8")
            for name, (python, script, environment) in workers.items():
                rounds[name].append(measure([python, str(HERE / script), str(path)], environment))
    found = {name: summary(rows, chosen["batch"]) for name, rows in rounds.items()}
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    table = {"device": rounds["rlcourse"][0]["device"], "date": date}
    table |= compare(found, chosen | {"smoke": asked.smoke})
    print("\n".join(lines(table)))
    if asked.json is not None:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
