"""Make the part ``ptx`` of the shipped runs: PPO with and without texts of people, at several prices of a nat.

Read by ``autograder.data.instruct_gpt_runs``, in whose folder the runs lie, beside the stages they share. Those without
texts are its own runs, and one at a price high enough to stay as near to the reference as those with texts do.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.data.instruct_gpt_runs import config_of

if TYPE_CHECKING:
    from rlcourse.support.gpt2 import GPT2

PRICES = {0.0: (0.4, 0.2, 0.1), 0.3: (0.2, 0.1, 0.05)}
"""For each weight of people's texts, prices of a nat that lead about equally far."""
FIGURES = ("score", "judge", "kl", "distinct")
"""What is kept of an evaluation."""


def ptx_run(seed: int, kl_coef: float, ptx_coef: float, folder: Path) -> dict[str, Any]:
    """One run, or what is left to do of it: figures of its policy, and how well people's snippets are predicted."""
    from rlcourse.recipes.instruct_gpt import fine_tune
    from rlcourse.recipes.instruct_gpt_stages import prepare, prompts_of
    from rlcourse.recipes.rlhf_evaluation import Evaluator
    from rlcourse.support.training_run import TrainingRun

    own = folder / f"seed-{seed}"
    name = f"kl-coef-{kl_coef}" + (f"-ptx-{ptx_coef}" if ptx_coef else "")
    path = own / name / "ptx.json"
    if path.exists():
        done: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return done
    own.mkdir(parents=True, exist_ok=True)
    config = config_of(seed, kl_coef, ptx_coef)
    models = prepare(config, own)
    policy = fine_tune(models, config, TrainingRun(path.parent, config, resume=True))
    evaluator = Evaluator(
        models.reference, models.reward_model, prompts_of("test", config.evaluated), models.judge
    )
    result: dict[str, Any] = {"seed": seed, "kl_coef": kl_coef, "ptx_coef": ptx_coef}
    for when, model in (("before", models.reference), ("after", policy)):
        found = evaluator.evaluate(model).summary()
        result[when] = {name: found[name] for name in FIGURES} | loss_on_people(model)
    path.write_text(json.dumps(result), "utf-8")
    return result


def loss_on_people(model: "GPT2") -> dict[str, float]:
    """Nats a token of snippets that people wrote and no model has read."""
    from rlcourse.recipes.review_writer import demonstrations, film_part
    from rlcourse.recipes.sft import demonstrated_loss

    return {"loss_on_people": demonstrated_loss(model, demonstrations(film_part("val")))}


def ptx_runs(seeds: Sequence[int], folder: Path) -> list[dict[str, Any]]:
    """All of them, in the order of ``PRICES``."""
    return [
        ptx_run(seed, kl_coef, ptx_coef, folder)
        for ptx_coef, kl_coefs in PRICES.items()
        for kl_coef in kl_coefs
        for seed in seeds
    ]
