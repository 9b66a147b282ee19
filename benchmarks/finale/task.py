"""The work that both programs of the benchmark get, as plain values and a folder with a model."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlcourse.recipes.finale_models import load_policy
from rlcourse.recipes.finale_texts import film_texts
from rlcourse.recipes.instruct_gpt_stages import SIZE
from rlcourse.recipes.review_writer import load_base
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.gpt2_weights import save_gpt2
from rlcourse.support.seeding import make_generator
from rlcourse.support.tokenizer import load_tokenizer

TRL = "1.12.0"
"""The last TRL with PPO."""
GPU = {
    "base": "random",
    "batch": 512,
    "minibatch": 256,
    "micro_tokens": 16384,
    "micro_rows": 64,
    "prompt_tokens": 63,
    "room": 24,
    "epochs": 2,
    "updates": 6,
    "rounds": 3,
}
"""Prompts of 64 tokens, the end token in front among them. ``micro_rows`` are TRL's microbatches."""
SMOKE = {
    "base": "shipped",
    "batch": 16,
    "minibatch": 8,
    "micro_tokens": 1024,
    "micro_rows": 8,
    "prompt_tokens": 4,
    "room": 8,
    "epochs": 1,
    "updates": 2,
    "rounds": 1,
}
"""Everything once, on a CPU, to see that it works; its figures say nothing."""


def prepare_base(base: str, folder: Path) -> Path:
    """A folder with weights, configuration and tokenizer that both programs can read.

    Args:
        base: ``"shipped"``; ``"random"``, GPT-2 small with random weights; or such a folder.
        folder: where to write the first two.
    """
    if base not in ("shipped", "random"):
        return Path(base)
    model = load_base() if base == "shipped" else GPT2(GPT2Config(), make_generator(0))
    save_gpt2(model, folder)
    load_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def make_task(chosen: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What both do.

    Args:
        chosen: the sizes, as in ``GPU``, with ``device`` and ``threads``.
        folder: with the model.
    """
    _, vocabulary = load_policy(str(folder))
    words = chosen["prompt_tokens"]
    prompts = vocabulary.prompts(film_texts("rm", words), words)
    size = {name: x for name, x in asdict(SIZE).items() if name not in ("dropout", "vocab_size")}
    known = vocabulary.tokenizer.get_vocab_size()
    return chosen | {
        "base": str(folder),
        "prompts": prompts.tolist(),
        "end_id": vocabulary.end_id,
        "pad_id": known - 1 if vocabulary.end_id != known - 1 else known - 2,
        "judge_size": size,
        "kl_coef": 0.2,
        "learning_rate": 1e-6,
        "rollout_rows": chosen["batch"],
        "trl": TRL,
    }
