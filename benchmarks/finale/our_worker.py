"""PPO by the finale's program on the task of ``run.py``; prints one JSON line, as ``trl_worker.py`` does.

``python our_worker.py TASK.json``
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch

import rlcourse

rlcourse.overlay(Path(__file__).resolve().parents[2] / "solutions")

from rlcourse.recipes.finale_batch import FinaleConfig  # noqa: E402
from rlcourse.recipes.finale_speed import peak_gigabytes, summary  # noqa: E402
from rlcourse.recipes.ppo_gpt2 import Finale  # noqa: E402


def main() -> None:
    """Train for the task's updates and print what they took."""
    task = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(task["threads"])
    names = ("batch", "minibatch", "micro_tokens", "prompt_tokens", "room", "epochs", "seed")
    config = FinaleConfig(
        base=task["base"],
        steps=task["updates"],
        learning_rate=task["learning_rate"],
        kl_coef=task["kl_coef"],
        **{name: task[name] for name in names},
    )
    finale, seconds, tokens = Finale(config, task["device"]), [], []
    for step in range(config.steps):
        start = time.perf_counter()
        row = finale.step(step)  # its last lines wait for the device
        seconds.append(time.perf_counter() - start)
        tokens.append(round(row["length"] * config.batch))
    figures = {name: summary(finale.speeds)[name] for name in ("decode", "mfu")}
    found = {
        "seconds": seconds,
        "tokens": tokens,
        "peak_gigabytes": peak_gigabytes(finale.device),
        "program": f"rlcourse, torch {version('torch')}",
        "device": finale.limits.name,
        **figures,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
