"""Make the shipped runs of InstructGPT: three seeds, three prices of a nat; logs, evaluations and what was written.

``python -m autograder.data.instruct_gpt_runs FOLDER``: half an hour on one core. FOLDER keeps the runs and can be gone
on with; ``--seeds 0 --kl-coefs 0.2`` makes a part of them, ``--write`` writes those that are done to
``rlcourse/data/instruct_gpt_runs.json``. Each seed trains its own reference and reward model; the judge
is the one of the course. Beside them go the figures of runs with people's texts (``ptx_runs``).
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import rlcourse

if TYPE_CHECKING:
    from rlcourse.recipes.instruct_gpt_config import InstructGPTConfig
    from rlcourse.recipes.instruct_gpt_stages import Models
    from rlcourse.recipes.rlhf_evaluation import Evaluation

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "rlcourse" / "data" / "instruct_gpt_runs.json"
SEEDS, KL_COEFS = (0, 1, 2), (0.2, 0.1, 0.0)
COLUMNS = ("score", "judge", "ridge", "vader", "kl", "ended", "length", "text")
"""What is kept of each response."""


def config_of(seed: int, kl_coef: float, ptx_coef: float = 0.0) -> "InstructGPTConfig":
    """The settings of one run: those of the preset ``default``, judged by the judge of the course."""
    from rlcourse.recipes.instruct_gpt_config import preset

    return replace(preset("default", seed, kl_coef, ptx_coef), trained=("reward_model",))


def make_run(seed: int, kl_coef: float, folder: Path) -> dict[str, Any]:
    """One run, or what is left to do of it: its log, its evaluation, and that of its reference."""
    from rlcourse.recipes.instruct_gpt import fine_tune
    from rlcourse.recipes.instruct_gpt_stages import prepare, prompts_of
    from rlcourse.recipes.rlhf_evaluation import Evaluator
    from rlcourse.support.training_run import TrainingRun

    own, config = folder / f"seed-{seed}", config_of(seed, kl_coef)
    path = own / f"kl-coef-{kl_coef}" / "result.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found
    own.mkdir(parents=True, exist_ok=True)
    models = prepare(config, own)
    run = TrainingRun(path.parent, config, resume=True)
    policy = fine_tune(models, config, run)
    prompts = prompts_of("test", config.evaluated)
    evaluator = Evaluator(models.reference, models.reward_model, prompts, models.judge)
    result = {
        "seed": seed,
        "kl_coef": kl_coef,
        "settings": asdict(config),
        "stages": models.report,
        "first_minibatch": first_minibatch(models, config),
        "log": {name: [row[name] for row in run.rows] for name in run.rows[0]},
        "reference": compact(evaluator.evaluate(models.reference)),
        "policy": compact(evaluator.evaluate(policy)),
        "prompts": [r.prompt for r in evaluator.evaluate(policy).responses],
    }
    path.write_text(json.dumps(tidy(result)), "utf-8")
    return json.loads(path.read_text("utf-8"))  # type: ignore[no-any-return]


@torch.no_grad()
def first_minibatch(models: "Models", config: "InstructGPTConfig") -> dict[str, float]:
    """Before anything is trained: largest ratio less 1, and mean log-ratio to the reference; both should be 0."""
    import copy

    from rlcourse.instruct_gpt import collect_experience, response_log_probs
    from rlcourse.recipes.instruct_gpt import scaled_reward
    from rlcourse.recipes.instruct_gpt_stages import generators, prompts_of
    from rlcourse.support.tokenizer import END_ID

    prompts = prompts_of("rm")[: config.prompts]
    actor, critic = copy.deepcopy(models.reference), copy.deepcopy(models.reward_model)
    reward, generator = scaled_reward(models, config), generators(config)["ppo"]
    batch = collect_experience(
        actor, critic, models.reference, reward, prompts, config.rlhf, END_ID, generator
    ).rows(torch.arange(config.rlhf.minibatch_size))
    new = response_log_probs(actor, batch.tokens, batch.mask, config.rlhf.temperature)
    ratios = ((new - batch.log_probs).exp() - 1).abs() * batch.mask
    kl = ((batch.log_probs - batch.ref_log_probs) * batch.mask).sum(dim=1)
    return {"ratio": float(ratios.max()), "kl": float(kl.abs().max())}


def compact(found: "Evaluation") -> dict[str, Any]:
    """Means, and the columns of the responses."""
    columns = {name: [getattr(response, name) for response in found.responses] for name in COLUMNS}
    return {"summary": found.summary(), "responses": columns}


def tidy(value: Any, digits: int = 4) -> Any:
    """Plain values with so many digits; None for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: tidy(inner, digits) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(inner, digits) for inner in value]
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def shipped_table(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The runs as one table; what they have in common stands there once, single responses with three digits."""

    def thin(found: dict[str, Any]) -> dict[str, Any]:
        return found | {"responses": tidy(found["responses"], 3)}

    references = {r["seed"]: thin(r["reference"]) | {"stages": r["stages"]} for r in results}
    own = ("seed", "kl_coef", "first_minibatch", "log")
    return {
        "settings": results[0]["settings"],
        "prompts": results[0]["prompts"],
        "references": [{"seed": seed} | found for seed, found in sorted(references.items())],
        "runs": [{k: r[k] for k in own} | {"policy": thin(r["policy"])} for r in results],
    }


def ci_run() -> dict[str, Any]:
    """Log and evaluation of the preset ``ci``, which a test makes again."""
    from rlcourse.recipes.instruct_gpt import run_all
    from rlcourse.recipes.instruct_gpt_config import InstructGPTConfig, preset
    from rlcourse.support.training_run import TrainingRun

    config: InstructGPTConfig = preset("ci")
    run = TrainingRun(None, config)
    found = run_all(config, run, quiet=True)
    log = {name: [row[name] for row in run.rows] for name in run.rows[0]}
    summaries = {"before": found.before.summary(), "after": found.after.summary()}
    return {"settings": asdict(config), "stages": found.models.report, "log": log} | summaries


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, or go on, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--kl-coefs", type=float, nargs="+", default=KL_COEFS)
    parser.add_argument("--write", action="store_true", help="write the shipped file")
    chosen = parser.parse_args(arguments)
    rlcourse.overlay(ROOT / "solutions")
    torch.set_num_threads(1)
    results = []
    for seed in chosen.seeds:
        for kl_coef in chosen.kl_coefs:
            results.append(make_run(seed, kl_coef, chosen.folder))
            print(seed, kl_coef, results[-1]["policy"]["summary"], flush=True)
    if chosen.write:
        from autograder.data.ptx_runs import ptx_runs

        ptx = ptx_runs(chosen.seeds, chosen.folder)
        table = tidy(shipped_table(results) | {"ptx": ptx, "ci": ci_run()})
        text = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
        DATA.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
