"""The first two stages of InstructGPT: supervised fine-tuning, and a reward model from people's ratings.

Each stage writes its weights and its log to a folder, together with its settings, and is not run again where they are.
Each has a generator of its own, so that none depends on what ran before it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rlcourse.language_policy import response_mask
from rlcourse.recipes.comparisons import pair_accuracy
from rlcourse.recipes.instruct_gpt_config import InstructGPTConfig
from rlcourse.recipes.pretrain import SIZES
from rlcourse.recipes.review_writer import demonstrations, film_part, film_prompts, load_base
from rlcourse.recipes.reward_model import (
    RewardModel,
    load_reward_model,
    score_texts,
    train_on_ratings,
)
from rlcourse.recipes.sft import demonstrated_loss, train_sft
from rlcourse.support.gpt2 import GPT2
from rlcourse.support.responses import Texts
from rlcourse.support.seeding import make_generator, split
from rlcourse.support.tokenizer import END_ID

SIZE = SIZES["1M"]
Trained = tuple[nn.Module, dict[str, float]]
"""A model, and what there is to say of its training."""


@dataclass(frozen=True, slots=True)
class Models:
    """What PPO starts from, and what it is judged by; all in evaluation mode, without dropout."""

    reference: GPT2
    """The language model after supervised fine-tuning."""
    reward_model: RewardModel
    judge: RewardModel
    """Learned from ratings of other texts, by the same crowd of anonymous people; PPO never sees it."""
    report: dict[str, float]
    """Losses and accuracies of the stages."""


def generators(config: InstructGPTConfig) -> dict[str, torch.Generator]:
    """One generator a stage."""
    names = ("sft", "reward_model", "judge", "ppo", "scale")
    return dict(zip(names, split(make_generator(config.seed), len(names)), strict=True))


def train_reference(config: InstructGPTConfig, generator: torch.Generator) -> Trained:
    """Stage 1: fine-tune the shipped language model on snippets that fit into a response."""
    data = demonstrations(film_part("rm")[: config.snippets])
    held_out = demonstrations(film_part("val"))
    model = load_base().train()
    before = demonstrated_loss(model, held_out)
    train_sft(model, data, config.sft, generator)
    after = demonstrated_loss(model.eval(), held_out)
    counts = {"demonstrations": float(len(data.tokens))}
    return model, counts | {"sft_loss_before": before, "sft_loss": after}


def train_reader(
    name: str, config: InstructGPTConfig, generator: torch.Generator, quiet: bool | None = None
) -> Trained:
    """Stage 2: a reward model from the ratings of one part of the snippets.

    Args:
        name: ``reward_model``, from the part ``rm``, or ``judge``, from the part ``judge``.
        config: how; where ``config.trained`` does not name it, the one of the course is taken.
        generator: advanced.
        quiet: whether to show no progress bar.
    """
    part = {"reward_model": "rm", "judge": "judge"}[name]
    test = film_part("test")
    if name in config.trained:
        rated = film_part(part)[: config.snippets]
        dropped, _ = train_on_ratings(load_base(), rated, config.reward, generator, quiet)
        model = RewardModel(SIZE)
        model.load_state_dict(dropped.state_dict())
        model.eval()
    else:
        model = load_reward_model(part)
    accuracy = pair_accuracy(score_texts(model, [s.text for s in test]), test)
    return model, {f"{name}_accuracy": accuracy}


def prepare(
    config: InstructGPTConfig, folder: Path | None = None, quiet: bool | None = None
) -> Models:
    """Run both stages, or read what they left in the folder.

    Args:
        config: how.
        folder: where the stages' files are, or will be; None keeps nothing.
        quiet: whether to show no progress bar.

    Raises:
        ValueError: if a file there was made with other settings.
    """
    own = generators(config)
    shared = {"seed": config.seed, "snippets": config.snippets}
    reader = shared | {"reward": asdict(config.reward), "trained": list(config.trained)}
    report: dict[str, float] = {}

    def stage(
        name: str, settings: Mapping[str, Any], empty: nn.Module, train: Callable[[], Trained]
    ) -> Any:
        path = None if folder is None else folder / f"{name}.safetensors"
        model, said = _kept(path, settings, empty, train)
        report.update(said)
        return model.eval().requires_grad_(False)

    reference = stage(
        "sft",
        shared | {"sft": asdict(config.sft)},
        GPT2(SIZE),
        partial(train_reference, config, own["sft"]),
    )
    readers = {
        name: stage(
            name,
            reader,
            RewardModel(SIZE),
            partial(train_reader, name, config, own[name], quiet),
        )
        for name in ("reward_model", "judge")
    }
    return Models(reference, **readers, report=report)


def _kept(
    path: Path | None,
    settings: Mapping[str, Any],
    empty: nn.Module,
    train: Callable[[], Trained],
) -> Trained:
    """The model in a file, or a new one, which is then written there in one piece."""
    stated = json.dumps(settings, sort_keys=True)
    if path is not None and path.exists():
        with safe_open(path, "pt") as file:
            known = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (no dictionary)
        if known.get("settings") != stated:
            raise ValueError(
                f"{path} was made with other settings, {known.get('settings')}, not {stated}: "
                "name another folder"
            )
        empty.load_state_dict(tensors)
        return empty, json.loads(known["report"])
    model, report = train()
    if path is not None:
        tensors = {name: x.detach().contiguous() for name, x in model.state_dict().items()}
        beside = path.with_suffix(".new")
        save_file(tensors, beside, {"settings": stated, "report": json.dumps(report)})
        beside.replace(path)
    return model, report


@lru_cache
def _prompts(part: str) -> Tensor:
    snippets = film_part(part)
    return film_prompts(snippets, len(snippets))


@lru_cache
def pretraining_texts() -> Texts:
    """What PPO-ptx goes on predicting: all film snippets of the part ``rm`` that fit, kind or not, from their start."""
    tokens = demonstrations(film_part("rm")).tokens
    mask = response_mask(tokens, torch.ones(len(tokens)), END_ID, END_ID)
    mask[:, 0] = 1.0
    return Texts(tokens, mask)


def prompts_of(part: str, count: int | None = None) -> Tensor:
    """(B, P) the first four tokens of film snippets: of the part ``rm`` to train on, ``test`` to evaluate."""
    return _prompts(part)[:count].clone()
