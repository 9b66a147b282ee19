"""PPO on a small GPT-2: the course's ``rlhf_step`` against TRL 1.12.0, samples per CPU-second.

The same weights, prompts, room, epochs and minibatches, one thread each, in turn, each turn in a process of its own.
The learning rate is next to nothing, so that both keep writing responses of the same length. The first update of each
process is left out. TRL gets an environment of its own, which this script makes once (``--venv``).

``python benchmarks/rlhf/run.py --rounds 3 --json out.json``; with ``--start sft`` the policy is the one that chapter 11
starts from, which has learned to end its responses.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from environment import TORCH, python_with

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY))
TRL = "trl==1.12.0"
"""The last one with PPO."""
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(REPOSITORY),
    "HF_HUB_OFFLINE": "1",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "RLCOURSE_PROGRESS": "0",
}


def fine_tuned(path: Path) -> Path:
    """The policy from which chapter 11 starts PPO; its responses end, most of them well before the room is used up."""
    from safetensors.torch import save_file

    from rlcourse.recipes.instruct_gpt_config import preset
    from rlcourse.recipes.instruct_gpt_stages import generators, train_reference

    config = preset("default")
    model, _ = train_reference(config, generators(config)["sft"])
    save_file({name: x.contiguous() for name, x in model.state_dict().items()}, path)
    return path


def make_task(updates: int, start: str, folder: Path) -> dict[str, Any]:
    """What both do, as plain values."""
    import rlcourse

    rlcourse.overlay(REPOSITORY / "solutions")
    from rlcourse.recipes.instruct_gpt_stages import SIZE, prompts_of

    data = REPOSITORY / "rlcourse" / "data"
    base = data / "review_gpt_1m.safetensors"
    size = asdict(SIZE)
    del size["dropout"]
    return {
        "base": str(base if start == "base" else fine_tuned(folder / "sft.safetensors")),
        "reader": str(data / "reward_rm_1m.safetensors"),
        "vocabulary": str(data / "review_bpe.json"),
        "size": size,
        "prompts": prompts_of("rm").tolist(),
        "room": 24,
        "batch": 64,
        "minibatch": 32,
        "epochs": 2,
        "kl_coef": 0.2,
        "learning_rate": 1e-6,
        "updates": updates,
    }


def measure(python: Path, script: str, task: Path) -> dict[str, list[float]]:
    """Run one worker; without its first update."""
    found = subprocess.run(
        [str(python), str(HERE / script), str(task)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        raise SystemExit(f"{script} failed:\n{found.stderr[-3000:]}")
    row = json.loads(found.stdout.strip().splitlines()[-1])
    return {name: values[1:] for name, values in row.items()}


def summary(rounds: list[dict[str, list[float]]], batch: int) -> dict[str, Any]:
    """Samples and tokens per CPU-second: median update of each round, and the median round."""
    per_round = [batch / statistics.median(row["seconds"]) for row in rounds]
    tokens = [statistics.mean(row["tokens"]) / batch for row in rounds]
    return {
        "samples_per_cpu_second": statistics.median(per_round),
        "rounds": per_round,
        "tokens_per_response": statistics.mean(tokens),
    }


def main() -> None:
    """Measure both in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--updates", type=int, default=6, help="of each process, the first left out"
    )
    parser.add_argument("--start", choices=("base", "sft"), default="base", help="the policy")
    parser.add_argument("--venv", type=Path, default=REPOSITORY / "_build" / "trl-1.12.0")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    if options.rounds < 1 or options.updates < 2:
        parser.error("there must be one round and two updates at least")
    workers = {
        "rlcourse": (Path(sys.executable), "our_worker.py"),
        "trl": (python_with(options.venv, (TORCH, TRL)), "trl_worker.py"),
    }
    rounds: dict[str, list[Any]] = {name: [] for name in workers}
    with tempfile.TemporaryDirectory() as folder:
        task = make_task(options.updates, options.start, Path(folder))
        for turn in range(options.rounds):
            path = Path(folder, "task.json")
            path.write_text(json.dumps(task | {"seed": turn}), "utf-8")
            for name, (python, script) in workers.items():
                rounds[name].append(measure(python, script, path))
    found = {name: summary(rows, task["batch"]) for name, rows in rounds.items()}
    rates = [found[name]["samples_per_cpu_second"] for name in workers]
    report(found, rates[0] / rates[1], options.json)


def report(found: dict[str, dict[str, Any]], ratio: float, file: Path | None) -> None:
    """Print, and write as JSON."""
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(machine)
    for name, row in found.items():
        rounds = ", ".join(f"{x:.1f}" for x in row["rounds"])
        print(
            f"{name:<10}{row['samples_per_cpu_second']:>7.1f} samples/CPU-s ({rounds}), "
            f"{row['tokens_per_response']:.1f} tokens a response"
        )
    print(f"ratio {ratio:.2f}")
    if file is not None:
        table = found | {"ratio": ratio, "machine": machine}
        file.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
