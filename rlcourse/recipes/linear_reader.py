"""A reward model that knows words and pairs of words, and adds up a number for each: trained in a second."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlcourse.recipes.comparisons import Duels, pair_accuracy
from rlcourse.recipes.word_judge import terms
from rlcourse.reward_model import preference_accuracy, preference_loss, ranking_loss
from rlcourse.support.masking import lengths_to_mask, pad_right
from rlcourse.support.preferences import Comparisons, RewardModelConfig
from rlcourse.support.ratings import Snippet

BatchLoss = Callable[[Tensor], Tensor]


class LinearReader(nn.Module):
    """The score of a text is the sum of a number for each known term in it; all begin at 0.

    Args:
        size: how many terms are known.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(size))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B,) scores of terms (B, T), those counted that have a 1 in the mask (B, T)."""
        return (self.weights[tokens] * mask).sum(dim=1)


@dataclass(frozen=True, slots=True)
class TermTable:
    """Snippets as the terms in them."""

    tokens: Tensor
    """(S, T) int64 numbers of the known terms, each once."""
    mask: Tensor
    """(S, T)."""

    def scores(self, model: nn.Module, rows: Tensor | None = None) -> Tensor:
        """(R,) scores of some rows, or of all."""
        chosen = slice(None) if rows is None else rows
        found: Tensor = model(self.tokens[chosen], self.mask[chosen])
        return found

    def comparisons(self, duels: Duels) -> Comparisons:
        """What exercise 10.7 trains on; ties are left out."""
        return Comparisons(self.tokens, self.mask, *duels.chosen_rejected())


def known_terms(snippets: Sequence[Snippet], minimum: int = 3) -> dict[str, int]:
    """A number for each word or pair of words that occurs in so many snippets."""
    counts = Counter(term for snippet in snippets for term in set(terms(snippet.text)))
    found = sorted(term for term, count in counts.items() if count >= minimum)
    return {term: place for place, term in enumerate(found)}


def term_table(snippets: Sequence[Snippet], index: dict[str, int]) -> TermTable:
    """Look up the terms of each snippet."""
    rows = [sorted({index[t] for t in terms(s.text) if t in index}) for s in snippets]
    tokens = pad_right(rows, 0)
    lengths = torch.tensor([len(row) for row in rows])
    return TermTable(tokens, lengths_to_mask(lengths, tokens.shape[1]))


@dataclass(frozen=True, slots=True)
class LinearReaderConfig:
    """How to train the linear reader.

    Raises:
        ValueError: if there is no update or no pair.
    """

    updates: int = 300
    """Steps of AdamW."""
    batch: int = 256
    """Pairs in an update at most."""
    learning_rate: float = 0.02
    """Falls in a straight line to 0."""
    weight_decay: float = 0.5
    """Pulls the weights of rare terms to 0."""

    def __post_init__(self) -> None:
        if min(self.updates, self.batch) < 1:
            raise ValueError("updates and batch must be at least 1")


def descend(
    model: nn.Module, loss_of: Callable[[], Tensor], config: LinearReaderConfig
) -> list[float]:
    """Take the steps; returns the loss before each."""
    losses: list[float] = []
    optimizer = torch.optim.AdamW(
        model.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    for step in range(config.updates):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * (1 - step / config.updates)
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def fit_duels(
    table: TermTable,
    size: int,
    duels: Duels,
    config: LinearReaderConfig,
    generator: torch.Generator,
) -> LinearReader:
    """Train a linear reader on comparisons; ties are left out.

    Args:
        table: the snippets.
        size: known terms.
        duels: pairs of them.
        config: how.
        generator: decides which pairs are in a batch; advanced.
    """
    model, (chosen, rejected) = LinearReader(size), duels.chosen_rejected()

    def loss_of() -> Tensor:
        some = torch.randint(len(chosen), (min(config.batch, len(chosen)),), generator=generator)
        rows = torch.cat([chosen[some], rejected[some]])
        return preference_loss(*table.scores(model, rows).chunk(2))

    descend(model, loss_of, config)
    return model


@dataclass(frozen=True, slots=True)
class Ways:
    """Pairs of a batch used once each, or all pairs of it."""

    pair_by_pair: float
    """Accuracy on other snippets."""
    all_pairs: float
    """The same, from as many scored snippets."""


def compare_ways(
    snippets: Sequence[Snippet],
    judged: Sequence[Snippet],
    config: LinearReaderConfig,
    generator: torch.Generator,
) -> Ways:
    """Train twice on batches of the same size, with ``preference_loss`` and with ``ranking_loss``.

    Args:
        snippets: to train on; means say who is preferred.
        judged: other snippets.
        config: ``batch`` snippets are scored in an update.
        generator: advanced.
    """
    index = known_terms(snippets)
    table, other = term_table(snippets, index), term_table(judged, index)
    means = torch.tensor([s.mean for s in snippets])

    def disjoint(scores: Tensor, rated: Tensor) -> Tensor:
        (a, b), (x, y) = scores.chunk(2), rated.chunk(2)
        sign, keep = (x - y).sign(), x != y
        return preference_loss((sign * a)[keep], (sign * b)[keep])

    def everything(scores: Tensor, rated: Tensor) -> Tensor:
        return ranking_loss(scores[None], -rated[None])

    found = []
    for loss_of_batch in (disjoint, everything):
        model = LinearReader(len(index))

        def loss_of(
            model: LinearReader = model, loss: Callable[..., Tensor] = loss_of_batch
        ) -> Tensor:
            rows = torch.randperm(len(snippets), generator=generator)[: config.batch]
            return loss(table.scores(model, rows), means[rows])

        descend(model, loss_of, config)
        found.append(pair_accuracy(other.scores(model).detach(), judged))
    return Ways(*found)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What so many comparisons are worth."""

    comparisons: int
    """Ties among them."""
    accuracies: list[float]
    """On all pairs of other snippets, one a seed."""


def accuracy_curve(
    snippets: Sequence[Snippet],
    judged: Sequence[Snippet],
    sizes: Sequence[int],
    draw: Callable[[Sequence[Snippet], int, torch.Generator], Duels],
    config: LinearReaderConfig,
    seeds: Sequence[int],
) -> list[CurvePoint]:
    """Accuracy against the number of comparisons.

    Args:
        snippets: to draw comparisons from.
        judged: other snippets.
        sizes: how many comparisons.
        draw: where they come from, such as ``duels_of_raters``.
        config: how to train.
        seeds: one training each.
    """
    index = known_terms(snippets)
    table, other = term_table(snippets, index), term_table(judged, index)
    points = []
    for size in sizes:
        accuracies = []
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            duels = draw(snippets, size, generator)
            model = fit_duels(table, len(index), duels, config, generator)
            accuracies.append(pair_accuracy(other.scores(model).detach(), judged))
        points.append(CurvePoint(size, accuracies))
    return points


def train_with_a_leak(
    model: nn.Module, data: Comparisons, config: RewardModelConfig, generator: torch.Generator
) -> float:
    """What a split by pair reports: accuracy on held-out pairs whose snippets were trained on."""
    count = len(data.chosen)
    order = torch.randperm(count, generator=generator)
    judged, train = order.tensor_split([round(config.held_out * count)])
    optimizer = torch.optim.AdamW(
        model.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    for _ in range(config.epochs):
        for pairs in train[torch.randperm(len(train), generator=generator)].split(config.batch):
            optimizer.zero_grad()
            preference_loss(*data.scores(model, pairs)).backward()
            optimizer.step()
    with torch.no_grad():
        return float(preference_accuracy(*data.scores(model, judged)))
