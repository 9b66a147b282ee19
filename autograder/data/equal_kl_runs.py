"""Make the shipped runs of the epilogue: DPO, RLOO, GRPO and PPO on the small GPT-2, three seeds each.

``python -m autograder.data.equal_kl_runs FOLDER``: some ten minutes on one core. FOLDER keeps what is done and can
be gone on with; ``--seeds 0 --methods ppo`` makes a part of it, ``--write`` writes all that is done to
``rlcourse/data/equal_kl_runs.json``. Each seed fine-tunes a policy of its own; reward model and judge are the course's.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import rlcourse
from autograder.data.instruct_gpt_runs import tidy

if TYPE_CHECKING:
    from rlcourse.recipes.equal_kl_config import EqualKLConfig
    from rlcourse.recipes.instruct_gpt_stages import Models
    from rlcourse.recipes.rlhf_evaluation import Evaluator

Run = tuple[int, str, float]
"""Seed, method, price."""
ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "rlcourse" / "data" / "equal_kl_runs.json"
SEEDS = (0, 1, 2)
BETAS = {"dpo": 0.15, "rloo": 0.18, "grpo": 0.37, "ppo": 0.2}
"""Price of a nat for each method, chosen after a few runs on seed 0 so that their divergences are alike."""
EVALUATED = 384
"""Test prompts."""
SHOWN = 4
"""Responses of each run that are shipped."""


def grid(seeds: Sequence[int] = SEEDS, methods: Sequence[str] = tuple(BETAS)) -> list[Run]:
    """Seed, method and price of each run."""
    return [(seed, method, BETAS[method]) for seed in seeds for method in methods]


def config_of(seed: int, method: str, beta: float) -> "EqualKLConfig":
    """The settings of one run."""
    from rlcourse.recipes.equal_kl_config import EqualKLConfig

    return EqualKLConfig(method, beta, seed)


def start(
    config: "EqualKLConfig", folder: Path | None, evaluated: int
) -> "tuple[Models, Evaluator]":
    """The fine-tuned policy of a seed with the readers, and who judges what comes of it."""
    from rlcourse.recipes.instruct_gpt_stages import prepare, prompts_of
    from rlcourse.recipes.rlhf_evaluation import Evaluator

    models = prepare(config.instruct_gpt, folder, quiet=True)
    prompts = prompts_of("test", evaluated)
    return models, Evaluator(models.reference, models.reward_model, prompts, models.judge)


def made(models: "Models", judges: "Evaluator", config: "EqualKLConfig") -> dict[str, Any]:
    """One run: its settings, its log, and the evaluation of the policy at the end."""
    from rlcourse.recipes.equal_kl import train
    from rlcourse.support.training_run import TrainingRun

    run = TrainingRun(None, config)
    found = judges.evaluate(train(models, config, run))
    texts = [[answer.prompt, answer.text] for answer in found.responses[:SHOWN]]
    log = {name: [row[name] for row in run.rows] for name in run.rows[0]}
    own = {"seed": config.seed, "method": config.method, "beta": config.beta}
    return own | {"summary": found.summary(), "texts": texts, "log": log}


def make_runs(wanted: Sequence[Run], folder: Path) -> None:
    """Those that are not there yet, and the evaluation of their references."""
    begun: dict[int, tuple[Models, Evaluator]] = {}
    for seed, method, beta in wanted:
        own, config = folder / f"seed-{seed}", config_of(seed, method, beta)
        path = own / f"{method}-{beta}.json"
        if path.exists():
            continue
        own.mkdir(parents=True, exist_ok=True)
        if seed not in begun:
            begun[seed] = start(config, own, EVALUATED)
        models, judges = begun[seed]
        if not (own / "reference.json").exists():
            found = {"seed": seed, "summary": judges.evaluate(models.reference).summary()}
            (own / "reference.json").write_text(json.dumps(tidy(found)), "utf-8")
        path.write_text(json.dumps(tidy(made(models, judges, config))), "utf-8")
        print(path, flush=True)


def ci_configs() -> "list[EqualKLConfig]":
    """A small run by each method, which a test makes again."""
    from rlcourse.recipes.equal_kl_config import METHODS, EqualKLConfig

    small = EqualKLConfig(updates=4, responses=32, snippets=300, learning_rate=1e-3)
    return [replace(small, method=method) for method in METHODS]


def ci_runs() -> list[dict[str, Any]]:
    """The small runs."""
    configs = ci_configs()
    models, judges = start(configs[0], None, 64)
    return [made(models, judges, config) for config in configs]


def shipped_table(folder: Path) -> dict[str, Any]:
    """All runs; what they have in common stands there once."""

    def read(seed: int, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((folder / f"seed-{seed}" / name).read_text("utf-8"))
        return found

    runs = [read(seed, f"{method}-{beta}.json") for seed, method, beta in grid()]
    references = [read(seed, "reference.json") for seed in SEEDS]
    settings = asdict(config_of(*grid()[0]))
    return {"settings": settings, "evaluated": EVALUATED, "references": references, "runs": runs}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, or go on, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--methods", nargs="+", default=tuple(BETAS), choices=tuple(BETAS))
    parser.add_argument("--write", action="store_true", help="write the shipped file")
    chosen = parser.parse_args(arguments)
    rlcourse.overlay(ROOT / "solutions")
    torch.set_num_threads(1)
    make_runs(grid(chosen.seeds, chosen.methods), chosen.folder)
    if chosen.write:
        table = tidy(shipped_table(chosen.folder) | {"ci": ci_runs()})
        text = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
        DATA.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
