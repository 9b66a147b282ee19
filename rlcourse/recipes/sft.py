"""Supervised fine-tuning of the small GPT-2 on responses that people wrote and others liked."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.language_policy import response_mask, sft_loss
from rlcourse.recipes.review_writer import Demonstrations, distinct_pairs, ended, texts_of, write
from rlcourse.recipes.word_judge import WordJudge
from rlcourse.support.gpt2 import GPT2
from rlcourse.support.seeding import make_generator
from rlcourse.support.tokenizer import END_ID

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class SFTConfig:
    """How to fine-tune.

    Raises:
        ValueError: if there is no epoch or no row in a batch.
    """

    epochs: int = 2
    """Passes over the demonstrations."""
    batch: int = 16
    """Demonstrations in an update."""
    learning_rate: float = 5e-4
    """Of AdamW; falls in a straight line to 0."""
    weight_decay: float = 0.01
    """Of all weights."""
    max_grad_norm: float = 1.0
    """Length to which a longer gradient is shortened."""

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch) < 1:
            raise ValueError("epochs and batch must be at least 1")


def masks_of(data: Demonstrations) -> Tensor:
    """(B, T) 1 on the responses, their ends among them."""
    return response_mask(data.tokens, data.prompt_lengths, END_ID, END_ID)


def train_sft(
    model: GPT2,
    data: Demonstrations,
    config: SFTConfig,
    generator: torch.Generator,
    mask: Tensor | None = None,
    loss_of: Loss = sft_loss,
) -> list[float]:
    """Fine-tune a model in place.

    Args:
        model: what to change.
        data: prompts and responses.
        config: how.
        generator: decides the order; advanced.
        mask: (B, T) what counts; the responses, if None.
        loss_of: of logits, tokens and mask.

    Returns:
        the loss before each update.
    """
    counted = masks_of(data) if mask is None else mask
    optimizer = torch.optim.AdamW(
        model.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    size = len(data.tokens)
    updates = config.epochs * -(-size // config.batch)
    losses: list[float] = []
    for _ in range(config.epochs):
        for rows in torch.randperm(size, generator=generator).split(config.batch):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * (1 - len(losses) / updates)
            optimizer.zero_grad()
            loss = loss_of(model(data.tokens[rows]), data.tokens[rows], counted[rows])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            losses.append(loss.item())
    return losses


@torch.no_grad()
def demonstrated_loss(model: GPT2, data: Demonstrations) -> float:
    """Nats a response token."""
    return float(sft_loss(model(data.tokens), data.tokens, masks_of(data)))


@dataclass(frozen=True, slots=True)
class WritingReport:
    """What a policy writes behind some prompts."""

    texts: list[str]
    """Prompts and responses."""
    ended: float
    """Share of the responses that came to an end by themselves."""
    length: float
    """Mean number of tokens."""
    rating: float
    """Mean rating that the judge of words guesses."""
    distinct: float
    """Different pairs of tokens, as a share of all."""


def report_on(model: GPT2, prompts: Tensor, judge: WordJudge, seed: int) -> WritingReport:
    """Let a policy write and look at the result."""
    found = write(model, prompts, make_generator(seed))
    texts = texts_of(found)
    return WritingReport(
        texts,
        ended(found),
        float(found.mask.sum(dim=1).mean()),
        float(judge.score(texts).mean()),
        distinct_pairs(found),
    )
