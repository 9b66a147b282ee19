"""Train the three ancestors of today's language models, each with the loss of its exercise in chapter 1.

BERT hides tokens and looks at both sides, T5 answers text with text, GPT predicts the next token. All three are a
``TinyTransformer``; only the batch and the mask differ. Page: ``book/01_language_modeling.md``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rlcourse.language_modeling import IGNORE, causal_lm_loss, mask_tokens, sample_tokens
from rlcourse.recipes.tiny_transformer import (
    TinyTransformer,
    both_sides,
    left_only,
    source_then_left,
)
from rlcourse.recipes.words import END, MASK, PAD, RARE, SENTINELS, SPECIALS, START, pad

Pair = tuple[Sequence[int], Sequence[int]]
"""What a text-to-text model reads, and what it should write."""


Text = TypeVar("Text")
"""Whatever a loss is computed from: a list of tokens, or a pair of them."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How long a language model is trained.

    Raises:
        ValueError: if a number is not positive, or ``mask_rate`` not a probability.
    """

    steps: int = 400
    """Updates."""
    batch: int = 64
    """Texts an update."""
    learning_rate: float = 3e-3
    """Largest step size of AdamW: it rises for a tenth of the steps, then falls linearly to zero."""
    mask_rate: float = 0.15
    """Share of the tokens that a masked language model must guess."""

    def __post_init__(self) -> None:
        if min(self.steps, self.batch) < 1 or self.learning_rate <= 0:
            raise ValueError(f"steps, batch and learning rate must be positive, got {self}")
        if not 0 < self.mask_rate <= 1:
            raise ValueError(f"mask_rate must lie between 0 and 1, got {self.mask_rate}")


def train(
    model: TinyTransformer,
    texts: Sequence[Text],
    loss_of: Callable[[TinyTransformer, list[Text]], Tensor],
    config: TrainingConfig,
    generator: torch.Generator,
) -> list[float]:
    """Minimize a loss on random batches of texts.

    Returns:
        the loss before each update.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.01)
    losses = []
    for step in range(config.steps):
        warm, left = 10 * (step + 1) / config.steps, 1.11 * (1 - step / config.steps)
        optimizer.param_groups[0]["lr"] = config.learning_rate * min(1.0, warm, left)
        drawn = torch.randint(len(texts), (config.batch,), generator=generator).tolist()
        loss = loss_of(model, [texts[i] for i in drawn])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def train_masked(
    model: TinyTransformer,
    texts: Sequence[Sequence[int]],
    config: TrainingConfig,
    generator: torch.Generator,
) -> list[float]:
    """BERT (Devlin et al., 2019): guess hidden tokens from both sides."""

    def loss_of(model: TinyTransformer, batch: list[Sequence[int]]) -> Tensor:
        tokens = pad(batch)
        special = tokens < len(SPECIALS)
        inputs, labels = mask_tokens(
            tokens, special, MASK, len(model.words.weight), config.mask_rate, generator
        )
        chosen = labels != IGNORE
        hidden = model(inputs, both_sides(tokens))[chosen]
        total = cross_entropy(model.logits(hidden), labels[chosen], reduction="sum")
        return total / chosen.sum().clamp(min=1)  # a small batch may have nothing to guess

    return train(model, texts, loss_of, config, generator)


def train_causal(
    model: TinyTransformer,
    texts: Sequence[Sequence[int]],
    config: TrainingConfig,
    generator: torch.Generator,
) -> list[float]:
    """GPT (Radford et al., 2018): predict each token from those before it."""
    return train(model, texts, causal_loss, config, generator)


def causal_loss(model: TinyTransformer, texts: Sequence[Sequence[int]]) -> Tensor:
    """() mean loss per known token of texts, in nats; each begins with ``START``, which nothing predicts."""
    tokens = pad(texts)
    logits = model.logits(model(tokens, left_only(tokens)))
    return causal_lm_loss(logits, tokens, _known(tokens).float())


@torch.no_grad()
def mean_log_likelihoods(model: TinyTransformer, texts: Sequence[Sequence[int]]) -> Tensor:
    """(N) the mean log-probability of each text's known tokens under a causal model, in nats."""
    found = []
    for start in range(0, len(texts), 100):
        tokens = pad(texts[start : start + 100])
        logits = model.logits(model(tokens, left_only(tokens)))
        counted = _known(tokens).float()
        found += [
            -causal_lm_loss(logits[[row]], tokens[[row]], counted[[row]])
            for row in range(len(tokens))
        ]
    return torch.stack(found)


def _known(tokens: Tensor) -> Tensor:
    """Where there is something to predict: no padding, and no word that the model has no name for."""
    return (tokens != PAD) & (tokens != RARE)


def train_text_to_text(
    model: TinyTransformer,
    pairs: Sequence[Pair],
    config: TrainingConfig,
    generator: torch.Generator,
) -> list[float]:
    """T5 (Raffel et al., 2020) as a prefix language model: read a source, write its target."""

    def loss_of(model: TinyTransformer, batch: list[Pair]) -> Tensor:
        return text_to_text_loss(model, batch)

    return train(model, pairs, loss_of, config, generator)


def text_to_text_loss(model: TinyTransformer, pairs: Sequence[Pair]) -> Tensor:
    """() mean loss per token of the targets; the sources are read, not predicted."""
    tokens = pad([[*source, START, *target, END] for source, target in pairs])
    lengths = torch.tensor([len(source) + 1 for source, _ in pairs])
    target = torch.arange(tokens.shape[1]) >= lengths.unsqueeze(1)
    predicts = (target & _known(tokens))[:, 1:]
    hidden = model(tokens, source_then_left(tokens, lengths))[:, :-1][predicts]
    labels = tokens[:, 1:][predicts]
    return cross_entropy(model.logits(hidden), labels)


@torch.no_grad()
def answer(
    model: TinyTransformer, sources: Sequence[Sequence[int]], longest: int
) -> list[list[int]]:
    """The likeliest answer, token by token, of a text-to-text model to each source."""
    answers = []
    for source in sources:
        tokens = torch.tensor([[*source, START]])
        lengths = torch.tensor([tokens.shape[1]])
        for _ in range(longest):
            logits = model.logits(model(tokens, source_then_left(tokens, lengths))[:, -1])
            logits[:, [PAD, START, MASK, RARE]] = -torch.inf
            best = logits.argmax(dim=-1)
            if best.item() == END:
                break
            tokens = torch.cat([tokens, best.unsqueeze(1)], dim=1)
        answers.append(tokens[0, len(source) + 1 :].tolist())
    return answers


@torch.no_grad()
def continue_texts(
    model: TinyTransformer,
    prompt: Sequence[int],
    number: int,
    longest: int,
    temperature: float,
    top_k: int | None,
    generator: torch.Generator,
) -> list[list[int]]:
    """Let a causal model write on, ``number`` times, until ``END`` or ``longest`` tokens in all."""
    tokens = torch.tensor([prompt]).repeat(number, 1)
    over = torch.zeros(number, dtype=torch.bool)
    while tokens.shape[1] < longest and not over.all():
        logits = model.logits(model(tokens, left_only(tokens))[:, -1])
        logits[:, [PAD, START, MASK, RARE, *SENTINELS]] = -torch.inf
        drawn = sample_tokens(logits, temperature, top_k, generator).masked_fill(over, PAD)
        over |= drawn == END
        tokens = torch.cat([tokens, drawn.unsqueeze(1)], dim=1)
    return [[token for token in row if token != PAD] for row in tokens.tolist()]
