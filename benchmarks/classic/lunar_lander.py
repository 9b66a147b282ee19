"""PPO on LunarLander-v3: does a run of a million steps reach a mean return of 200?

Needs Box2D (``pip install "gymnasium[box2d]"``), so it is a recorded run and no page. It takes
minutes; from the repository's root::

    python benchmarks/classic/lunar_lander.py --seed 0 --json benchmarks/classic/lunar_seed0.json
"""

import argparse
import json
import platform
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import rlcourse  # noqa: E402

rlcourse.overlay(REPOSITORY / "solutions")

from rlcourse.recipes.ppo import Learner, PPORunConfig, train  # noqa: E402
from rlcourse.support.collector import evaluate  # noqa: E402
from rlcourse.support.environments import make_vector  # noqa: E402
from rlcourse.support.ppo_config import PPOConfig  # noqa: E402
from rlcourse.support.seeding import make_generator  # noqa: E402

LANDED = 200.0
"""Mean return at which gymnasium calls the task solved."""

CONFIG = PPORunConfig(
    total_steps=1_000_000,
    num_envs=16,
    steps=256,
    learning_rate=1e-3,
    anneal_over=1_000_000,
    reward_scale=0.1,
    update=PPOConfig(gamma=0.99, lam=0.97, epochs=6, minibatch_size=256, entropy_coef=0.005),
)
"""Short looks ahead make hovering pay less than landing; rewards of hundreds are scaled down."""


def run(seed: int, config: PPORunConfig) -> dict[str, Any]:
    """Train once; where the mean of 20 episodes stood, and what the last policy gets."""
    generator, envs = make_generator(seed), make_vector("LunarLander-v3", config.num_envs)
    learner = Learner(envs, config, generator)
    cpu, curve = time.process_time(), []
    for row in train(learner, envs, config, generator):
        curve.append((int(row["steps"]), round(row["return"], 1)))
        print(f"seed {seed}: {curve[-1][0]:>9,} steps, return {curve[-1][1]:7.1f}", flush=True)
    cpu = time.process_time() - cpu
    judges = make_vector("LunarLander-v3", 100)
    returns = evaluate(judges, learner.policy(), seed=10_000 + seed)
    return {
        "seed": seed,
        "cpu_seconds": round(cpu, 1),
        "steps": curve[-1][0],
        "first_at_200": next((at for at, value in curve if value >= LANDED), None),
        "best_mean_of_20": max(value for _, value in curve if value == value),
        "greedy_mean_of_100": round(float(returns.mean()), 1),
        "greedy_standard_error": round(float(returns.std(ddof=1) / np.sqrt(len(returns))), 1),
        "curve": curve,
    }


def main() -> None:
    """Train, print, and keep the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where to keep the record")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = run(options.seed, CONFIG)
    found |= {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, "
        f"torch {torch.__version__.split('+')[0]}, gymnasium {_version('gymnasium')}",
        "settings": json.loads(json.dumps(asdict(CONFIG))),
    }
    print({name: value for name, value in found.items() if name not in ("curve", "settings")})
    if options.json is not None:
        options.json.write_text(json.dumps(found) + "\n", encoding="utf-8")


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


if __name__ == "__main__":
    main()
