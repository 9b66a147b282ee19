"""Pretrain a small GPT-2 on short texts: a causal language model, the first stage of every assistant.

Matrices inside the blocks are trained with Muon (Jordan et al., 2024), everything else with AdamW. The learning rate
rises, stays, and falls in a straight line to 0 over the last part of the run, in which only texts of the wanted kind
are read. The run can be cut at any checkpoint and goes on from there.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import AdamW, Optimizer

from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.masking import pad_right
from rlcourse.support.metrics import CSVLogger
from rlcourse.support.muon import Muon
from rlcourse.support.seeding import make_generator
from rlcourse.support.tokenizer import VOCAB_SIZE

IGNORED = -100
Texts = Sequence[Sequence[int]]

SIZES = {
    "1M": GPT2Config(VOCAB_SIZE, n_positions=128, n_embd=128, n_layer=4, n_head=4),
    "5M": GPT2Config(VOCAB_SIZE, n_positions=128, n_embd=256, n_layer=6, n_head=8),
}
"""The course's own sizes, both with the shipped vocabulary."""


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """How long and how fast.

    Raises:
        ValueError: if there is no step, or a share lies outside [0, 1].
    """

    steps: int = 4_100
    """Updates."""
    batch_tokens: int = 1024
    """At most so many tokens in an update, padding among them; small batches suit a small corpus."""
    muon_rate: float = 0.02
    """Learning rate of the matrices in the blocks."""
    adamw_rate: float = 2e-3
    """Learning rate of embeddings, norms and biases."""
    weight_decay: float = 0.1
    """Of matrices and embeddings."""
    dropout: float = 0.1
    """In training only; the saved model has none."""
    warmup: int = 100
    """Updates over which the learning rate rises."""
    decay: float = 0.4
    """Share of the run over which it falls to 0, and in which only the wanted texts are read."""
    checkpoint_every: int = 400
    """Updates between two checkpoints, each with the loss on held-out texts."""
    seed: int = 0
    """Of the weights, the order of the texts and the dropout."""

    def __post_init__(self) -> None:
        if min(self.steps, self.batch_tokens, self.checkpoint_every) < 1:
            raise ValueError("steps, batch_tokens and checkpoint_every must be at least 1")
        for name in ("dropout", "decay"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")

    def rate(self, step: int) -> float:
        """What both learning rates are multiplied by at an update."""
        rise = min(1.0, (step + 1) / max(self.warmup, 1))
        falling = max(1, round(self.decay * self.steps))
        return rise * min(1.0, (self.steps - step) / falling)

    def decaying(self, step: int) -> bool:
        """Whether the learning rate falls, so that only the wanted texts are read."""
        return step >= self.steps - max(1, round(self.decay * self.steps))


def batches(texts: Texts, tokens: int, generator: torch.Generator) -> Iterator[Tensor]:
    """One pass over the texts in random batches (B, T) of texts of like length, right-padded with ``IGNORED``.

    Args:
        texts: token numbers of each.
        tokens: most tokens in a batch.
        generator: decides who is with whom and the order; advanced.
    """
    noise = torch.rand(len(texts), generator=generator)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]) + 4 * float(noise[i]))
    groups: list[list[Sequence[int]]] = [[]]
    for text in (texts[i] for i in order):
        longest = max(len(text), max((len(other) for other in groups[-1]), default=0))
        if groups[-1] and longest * (len(groups[-1]) + 1) > tokens:
            groups.append([])
        groups[-1].append(text)
    for i in torch.randperm(len(groups), generator=generator).tolist():
        yield pad_right(groups[i], IGNORED)


def next_token_loss(model: GPT2, rows: Tensor) -> Tensor:
    """(N,) loss of every predicted token in nats, of texts (B, T) padded with ``IGNORED``."""
    inputs, targets = rows[:, :-1].clamp(min=0), rows[:, 1:].flatten()
    kept = targets != IGNORED
    hidden = model.hidden(inputs).flatten(0, 1)[kept]  # no logits for padding
    return cross_entropy(model.logits(hidden), targets[kept], reduction="none")


@torch.no_grad()
def mean_loss(model: GPT2, texts: Texts) -> float:
    """Nats a token over all texts together; exp of it is the perplexity."""
    mode = model.training
    model.eval()
    found = [next_token_loss(model, rows) for rows in batches(texts, 8192, make_generator(0))]
    model.train(mode)
    return float(torch.cat(found).mean())


def optimizers(model: GPT2, config: PretrainConfig) -> list[Optimizer]:
    """Muon for the matrices of the blocks, AdamW for the rest."""
    inner = [p for p in model.transformer.h.parameters() if p.dim() == 2]
    known = {id(p) for p in inner}
    rest = [p for p in model.parameters() if id(p) not in known]
    groups = [
        {"params": [p for p in rest if p.dim() == 2], "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.dim() < 2], "weight_decay": 0.0},
    ]
    return [
        Muon(inner, lr=config.muon_rate, weight_decay=config.weight_decay),
        AdamW(groups, lr=config.adamw_rate, betas=(0.9, 0.95)),
    ]


class Pretraining:
    """One run: model, optimizers, where it stands, and its folder.

    Args:
        size: of the model.
        texts: what to read until the learning rate falls.
        wanted: what to read from then on.
        held_out: what the loss is measured on; the weights with the smallest one are kept.
        config: how long and how fast.
        folder: for ``checkpoint.pt``, ``progress.csv``; a checkpoint that is there is gone on from.

    Raises:
        ValueError: if the folder's checkpoint was made with another configuration; only the number of updates may
            be another, as it decides no more than when the learning rate begins to fall.
    """

    def __init__(
        self,
        size: GPT2Config,
        texts: Texts,
        wanted: Texts,
        held_out: Texts,
        config: PretrainConfig,
        folder: Path,
    ) -> None:
        self.config, self.folder = config, folder
        self.texts, self.wanted, self.held_out = texts, wanted, held_out
        sized = GPT2Config(**(asdict(size) | {"dropout": config.dropout}))
        self.model = GPT2(sized, make_generator(config.seed)).train()
        self.optimizers = optimizers(self.model, config)
        self.settings = asdict(config) | asdict(sized)
        self.step, self.rows = 0, list[dict[str, float]]()
        self.best: dict[str, Any] = {"loss": float("inf"), "model": self.model.state_dict()}
        if (folder / "checkpoint.pt").exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        for name, value in self.settings.items():
            if name != "steps" and state["settings"].get(name) != value:
                old = state["settings"].get(name)
                raise ValueError(f"the checkpoint was made with {name}={old}, not {value}")
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.rows, self.best = state["step"], state["rows"], state["best"]

    def save(self) -> None:
        """Write the checkpoint; a run cut while writing keeps the one before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "settings": self.settings,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "rows": self.rows,
            "best": self.best,
        }
        torch.save(state, self.folder / "checkpoint.tmp")
        os.replace(self.folder / "checkpoint.tmp", self.folder / "checkpoint.pt")
        with CSVLogger(self.folder / "progress.csv") as log:
            for row in self.rows:
                log.write(row)

    def train(self, until: int | None = None) -> None:
        """Go on until that update, or to the end."""
        stop = self.config.steps if until is None else min(until, self.config.steps)
        while self.step < stop:
            window = min(stop, self.step + self.config.checkpoint_every)
            loss = self._train_window(window)
            self._measure(loss)
            self.save()

    def _train_window(self, stop: int) -> float:
        """Train to update ``stop``. Order and dropout are drawn anew for each window, so that a resumed run agrees."""
        generator = make_generator(self.config.seed + 1 + self.step)
        total, begin = 0.0, self.step
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed + 1 + self.step)  # dropout draws from the global one
            stream = self._stream(generator)
            while self.step < stop:
                total += self._update(next(stream))
                self.step += 1
        return total / (stop - begin)

    def _stream(self, generator: torch.Generator) -> Iterator[Tensor]:
        while True:
            texts = self.wanted if self.config.decaying(self.step) else self.texts
            yield from batches(texts, self.config.batch_tokens, generator)

    def _update(self, rows: Tensor) -> float:
        for optimizer, rate in zip(
            self.optimizers, (self.config.muon_rate, self.config.adamw_rate), strict=True
        ):
            for group in optimizer.param_groups:
                group["lr"] = rate * self.config.rate(self.step)
            optimizer.zero_grad()
        loss = next_token_loss(self.model, rows).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return loss.item()

    def _measure(self, loss: float) -> None:
        held_out = mean_loss(self.model, self.held_out)
        self.rows.append({"step": self.step, "loss": loss, "held_out": held_out})
        if held_out < self.best["loss"]:
            weights = {name: x.clone() for name, x in self.model.state_dict().items()}
            self.best = {"loss": held_out, "model": weights}
