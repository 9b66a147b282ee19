"""A reward model: the small GPT-2 with one number for its head, trained on what fifteen people said of each snippet.

All pairs of a batch are compared after one forward pass, as InstructGPT does with the responses to one prompt (Ouyang
et al., 2022, section 3.5). Batches are made of snippets of like length, so that little is spent on padding.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files

import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from rlcourse.recipes.pretrain import SIZES
from rlcourse.reward_model import end_of_response, ranking_loss
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.masking import lengths_to_mask, pad_right
from rlcourse.support.progress import Progress
from rlcourse.support.ratings import Snippet
from rlcourse.support.seeding import draw_seed
from rlcourse.support.tokenizer import END_ID, encode

GRADES = 9
"""A rating is one of nine, from -4 to 4."""
LABELS = ("raters", "means")
BUCKETS = 8
"""Batches that are cut from one sorted stretch of snippets."""


class RewardModel(nn.Module):
    """A GPT-2 body and one linear unit: the score of a text, read off at its last token.

    Args:
        config: size of the body.
        generator: decides the weights; advanced. Without one, weights are left to be loaded.
    """

    def __init__(self, config: GPT2Config, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.reader = GPT2(config, generator)
        with torch.random.fork_rng(devices=[]):  # torch's own initialization, overwritten below
            self.head = nn.Linear(config.n_embd, 1)
        deviation = 1 / math.sqrt(config.n_embd + 1)
        nn.init.normal_(self.head.weight, std=deviation, generator=generator or torch.Generator())
        nn.init.zeros_(self.head.bias)

    def values(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, T) the number at every token; arguments as those of ``forward``."""
        padded_in_front = bool((mask[:, 0] == 0).any())
        # Padding behind is never looked at. In training, batches are of like length: nothing to be won.
        masked = padded_in_front or not self.training
        hidden = self.reader.hidden(tokens, mask if masked else None)
        found: Tensor = self.head(hidden)
        return found.squeeze(-1)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B,) scores.

        Args:
            tokens: (B, T) int64, padded on either side.
            mask: (B, T) 1 on the text, its end token among it.
        """
        return end_of_response(self.values(tokens, mask).unsqueeze(-1), mask).squeeze(-1)


@dataclass(frozen=True, slots=True)
class RewardTrainingConfig:
    """How to train the reward model on rated snippets.

    Raises:
        ValueError: if a number lies outside its range, or there are no such labels.
    """

    epochs: int = 3
    """Passes over the snippets."""
    batch: int = 64
    """Snippets in an update; all their pairs are compared."""
    learning_rate: float = 1e-3
    """Largest one of AdamW; falls in a straight line to 0."""
    warmup: int = 20
    """Updates over which it rises."""
    weight_decay: float = 0.01
    """Of all weights."""
    dropout: float = 0.1
    """In training only."""
    max_grad_norm: float = 1.0
    """Length to which a longer gradient is shortened."""
    labels: str = "raters"
    """``raters``: the share of pairs of raters in which the one rated higher; ``means``: which mean is higher."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2:
            raise ValueError("epochs must be at least 1, batch at least 2")
        if self.labels not in LABELS:
            raise ValueError(f"no labels {self.labels!r}; there are {', '.join(LABELS)}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of one of ``steps`` updates."""
        return self.learning_rate * min(1.0, (step + 1) / max(self.warmup, 1)) * (1 - step / steps)


def token_rows(texts: Sequence[str], longest: int) -> list[list[int]]:
    """Start, text and end as token numbers; what is too long loses its last words."""
    return [[END_ID, *ids[: longest - 2], END_ID] for ids in encode(texts)]


def grade_shares(snippets: Sequence[Snippet]) -> Tensor:
    """(S, 9) share of the raters of each snippet who gave each grade, the lowest grade first."""
    counts = [torch.bincount(torch.tensor(s.ratings) + 4, minlength=GRADES) for s in snippets]
    table = torch.stack(counts).float()
    return table / table.sum(dim=1, keepdim=True)


def win_shares(first: Tensor, second: Tensor) -> Tensor:
    """(A, B) in which share of all pairs of raters a row of ``first`` (A, 9) beats one of ``second`` (B, 9).

    One rater of each is picked; a tie counts as a half.
    """
    beats = torch.ones(GRADES, GRADES).tril(-1) + torch.eye(GRADES) / 2
    return first @ beats.to(first.dtype) @ second.T


def expected_loss(scores: Tensor, shares: Tensor) -> Tensor:
    """() ``preference_loss`` of all pairs of a batch, on average over pairs of raters, a tie split in halves.

    Args:
        scores: (B,).
        shares: (B, 9) as ``grade_shares`` returns them.
    """
    wins = win_shares(shares, shares)
    each = -wins * logsigmoid(scores.unsqueeze(1) - scores)
    pairs = len(scores) * (len(scores) - 1) / 2
    return (each - each.diagonal().diag()).sum() / pairs


def length_buckets(lengths: Tensor, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """One pass: batches of row numbers, of like length, in random order; every row once.

    Args:
        lengths: (S,).
        batch: rows in a batch; the last one may be smaller.
        generator: decides who is with whom and the order; advanced.
    """
    order = torch.randperm(len(lengths), generator=generator)
    groups: list[Tensor] = []
    for stretch in order.split(BUCKETS * batch):
        groups += stretch[lengths[stretch].argsort(stable=True)].split(batch)
    for place in torch.randperm(len(groups), generator=generator).tolist():
        yield groups[place]


def new_reward_model(base: GPT2, dropout: float, generator: torch.Generator) -> RewardModel:
    """The body of a language model, with a fresh head."""
    model = RewardModel(GPT2Config(**(asdict(base.config) | {"dropout": dropout})), generator)
    model.reader.load_state_dict(base.state_dict())
    return model


def train_on_ratings(
    base: GPT2,
    snippets: Sequence[Snippet],
    config: RewardTrainingConfig,
    generator: torch.Generator,
    quiet: bool | None = None,
) -> tuple[RewardModel, list[float]]:
    """Train a reward model that begins as a language model.

    Args:
        base: where it begins; not changed.
        snippets: rated ones; judge only on others.
        config: how.
        generator: decides the head, the order and the dropout; advanced.
        quiet: whether to show no progress bar; by default the environment decides.

    Returns:
        the model in evaluation mode, and the loss before each update.
    """
    model = new_reward_model(base, config.dropout, generator).train()
    rows = token_rows([s.text for s in snippets], base.config.n_positions)
    lengths, shares = torch.tensor([len(row) for row in rows]), grade_shares(snippets)
    ranks = -torch.tensor([s.mean for s in snippets])
    per_epoch = -(-len(rows) // config.batch)
    optimizer = torch.optim.AdamW(
        model.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    stream = (
        b for _ in range(config.epochs) for b in length_buckets(lengths, config.batch, generator)
    )
    steps, losses = config.epochs * per_epoch, list[float]()
    progress = Progress(range(steps), "reward model", quiet=quiet)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draw_seed(generator))  # dropout draws from the global generator
        for step in progress:
            batch = next(stream)
            tokens = pad_right([rows[i] for i in batch.tolist()], END_ID)
            scores = model(tokens, lengths_to_mask(lengths[batch], tokens.shape[1]))
            loss = (
                expected_loss(scores, shares[batch])
                if config.labels == "raters"
                else ranking_loss(scores[None], ranks[batch][None])
            )
            for group in optimizer.param_groups:
                group["lr"] = config.rate(step, steps)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            losses.append(loss.item())
            progress.report(loss=losses[-1])
    return model.eval(), losses


@torch.no_grad()
def score_texts(model: RewardModel, texts: Sequence[str], batch: int = 100) -> Tensor:
    """(B,) scores of texts, in their order."""
    rows = token_rows(texts, model.reader.config.n_positions)
    lengths = torch.tensor([len(row) for row in rows])
    scores = torch.zeros(len(rows))
    for group in lengths.argsort(stable=True).split(batch):
        tokens = pad_right([rows[i] for i in group.tolist()], END_ID)
        scores[group] = model(tokens, lengths_to_mask(lengths[group], tokens.shape[1]))
    return scores


def load_reward_model(name: str) -> RewardModel:
    """A trained one that came with the course: ``rm``, or ``judge``, which saw other snippets.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in ("rm", "judge"):
        raise ValueError(f"no reward model {name!r}; there are rm and judge")
    packed = files("rlcourse").joinpath("data", f"reward_{name}_1m.safetensors").read_bytes()
    tensors = {key: value.float() for key, value in load(packed).items()}
    model = RewardModel(SIZES["1M"])
    model.load_state_dict(tensors)
    return model.eval()
