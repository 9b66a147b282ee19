"""Exercise 10.3: all pairs of a ranking."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import softplus

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import reward_model as probes


def _pairs(ranks: Tensor) -> Iterator[tuple[int, int]]:
    """Every (better, worse) of one row."""
    for i, first in enumerate(ranks.tolist()):
        for j, second in enumerate(ranks.tolist()):
            if first < second:
                yield i, j


def _surprise(gap: float) -> float:
    return math.log1p(math.exp(-gap)) if gap > 0 else -gap + math.log1p(math.exp(gap))


def oracle(scores: Tensor, ranks: Tensor) -> Tensor:
    """Pair by pair."""
    rows = []
    for row, order in zip(scores.tolist(), ranks, strict=True):
        each = [_surprise(row[i] - row[j]) for i, j in _pairs(order)]
        rows.append(math.fsum(each) / len(each) if each else 0.0)
    return torch.tensor(math.fsum(rows) / len(rows), dtype=scores.dtype)


def of_rows(mean: Callable[[list[Tensor]], Tensor], flip: bool = False) -> Callable[..., Tensor]:
    """A loss that reduces the pairs of each prompt in its own way."""

    def ranking_loss(scores: Tensor, ranks: Tensor) -> Tensor:
        rows = []
        for row, order in zip(scores, -ranks if flip else ranks, strict=True):
            each = [softplus(row[j] - row[i]) for i, j in _pairs(order)]
            rows.append(mean(each) if each else 0.0 * row.sum())
        return torch.stack(rows).mean()

    return ranking_loss


def _mean(each: list[Tensor]) -> Tensor:
    return torch.stack(each).mean()


_right = of_rows(_mean)


def _all_pairs_together(scores: Tensor, ranks: Tensor) -> Tensor:
    each = [
        softplus(row[j] - row[i])
        for row, order in zip(scores, ranks, strict=True)
        for i, j in _pairs(order)
    ]
    return torch.stack(each).mean() if each else 0.0 * scores.sum()


def _gaps(scores: Tensor) -> Tensor:
    return scores[:, :, None] - scores[:, None, :]


def _both_directions(scores: Tensor, ranks: Tensor) -> Tensor:
    differ = (ranks[:, :, None] != ranks[:, None, :]).to(scores.dtype)
    total = (softplus(-_gaps(scores)) * differ).sum((1, 2))
    return (total / differ.sum((1, 2)).clamp(min=1)).mean()


def _ties_counted(scores: Tensor, ranks: Tensor) -> Tensor:
    chosen = (ranks[:, :, None] <= ranks[:, None, :]).to(scores.dtype)
    chosen = chosen * (1 - torch.eye(scores.shape[1], dtype=scores.dtype))
    total = (softplus(-_gaps(scores)) * chosen).sum((1, 2))
    return (total / chosen.sum((1, 2)).clamp(min=1)).mean()


def _itself_counted(scores: Tensor, ranks: Tensor) -> Tensor:
    chosen = (ranks[:, :, None] < ranks[:, None, :]).to(scores.dtype)
    chosen = chosen + torch.eye(scores.shape[1], dtype=scores.dtype)
    total = (softplus(-_gaps(scores)) * chosen).sum((1, 2))
    return (total / chosen.sum((1, 2))).mean()


def _as_order(scores: Tensor, ranks: Tensor) -> Tensor:
    places = torch.arange(1, ranks.shape[1] + 1).expand_as(ranks)
    order = (ranks.long() - int(ranks.min())).clamp(0, ranks.shape[1] - 1)
    return _right(scores.gather(1, order), places)


def _sorted_ties(scores: Tensor, ranks: Tensor) -> Tensor:
    return _right(scores, ranks.argsort(dim=1, stable=True).argsort(dim=1, stable=True))


def _neighbours(scores: Tensor, ranks: Tensor) -> Tensor:
    ranked = scores.gather(1, ranks.argsort(dim=1, stable=True))
    return softplus(ranked[:, 1:] - ranked[:, :-1]).mean()


def _nan(scores: Tensor, ranks: Tensor) -> Tensor:
    better = (ranks[:, :, None] < ranks[:, None, :]).to(scores.dtype)
    return ((softplus(-_gaps(scores)) * better).sum((1, 2)) / better.sum((1, 2))).mean()


def _underflow(scores: Tensor, ranks: Tensor) -> Tensor:
    better = ranks[:, :, None] < ranks[:, None, :]
    logs = torch.where(better, -_gaps(scores).sigmoid().log(), 0.0).sum((1, 2))
    return (logs / better.sum((1, 2)).clamp(min=1)).mean()


def _triangle(scores: Tensor, ranks: Tensor) -> Tensor:
    """Another right way: each pair once, with the sign of the difference of the ranks."""
    i, j = torch.triu_indices(scores.shape[1], scores.shape[1], 1)
    signs = (ranks[:, j] - ranks[:, i]).sign().to(scores.dtype)
    losses = softplus(-signs * (scores[:, i] - scores[:, j])) * signs.abs()
    return (losses.sum(1) / signs.abs().sum(1).clamp(min=1)).mean()


RANKS = torch.tensor([[2, 1, 4, 3], [3, 4, 1, 2]])
TIES = torch.tensor([[1, 2, 2, 4], [2, 1, 1, 1], [3, 3, 3, 3]])

EXERCISE = ExerciseSpec(
    number="10.3",
    title="All pairs of a ranking",
    targets=("ranking_loss",),
    points=3,
    minutes=20,
    difficulty=3,
    section="All pairs at once",
    statement="""
Somebody ranked K responses to one prompt. That is K(K−1)/2 comparisons. Score each response once and use all of them:
the mean over the pairs of a prompt, then the mean over prompts, so that each prompt weighs the same. Two responses of
equal rank say nothing about each other.
""",
    hints=(
        "Compare every response with every other: two copies of the scores, one along the "
        "rows and one along the columns of a "
        "table, give all differences at once.",
        "Gaps have shape (B, K, K). The entry at i, j counts where rank i is smaller than "
        "rank j, which happens once for each pair and never for a tie.",
        "gaps and better by unsqueeze; the logsigmoid of gaps where better; sum over both "
        "last dimensions; divide by the number "
        "of pairs, at least 1; mean; minus.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "scores": torch.tensor([[0.0, math.log(3.0)]], dtype=torch.float64),
                "ranks": torch.tensor([[2, 1]]),
            },
            "two responses; the second is ranked first, with odds of 3 to 1",
            expected=torch.tensor(-math.log(0.75), dtype=torch.float64),
        ),
        Case(
            "two rankings of four",
            {"scores": normal(0, 2, 4), "ranks": RANKS},
            "six pairs in each row, with gradients",
            oracle=oracle,
            gradients=("scores",),
        ),
        Case(
            "ties",
            {"scores": normal(1, 3, 4), "ranks": TIES},
            "five pairs in the first row, three in the second, none in the third",
            oracle=oracle,
            gradients=("scores",),
        ),
        Case(
            "large scores",
            {
                "scores": torch.tensor([[1e4, -1e4, 0.0]], dtype=torch.float64),
                "ranks": torch.tensor([[2, 1, 3]]),
            },
            "scores of ±10,000",
            oracle=oracle,
        ),
        Law(probes.a_constant_for_each_prompt_changes_nothing, "the zero of each prompt"),
        Law(probes.the_order_in_which_responses_stand_does_not_matter, "moving responses about"),
        Law(probes.only_the_order_of_ranks_counts, "ranks are no numbers"),
        Case(
            "rankings of three",
            {"scores": normal(2, 3, 3), "ranks": torch.tensor([[2, 3, 1], [3, 1, 2], [1, 3, 2]])},
            "three pairs in each row",
            oracle=oracle,
            gradients=("scores",),
            hidden=True,
        ),
        Case(
            "other ties",
            {
                "scores": normal(3, 3, 5),
                "ranks": torch.tensor([[1, 1, 2, 2, 3], [1, 4, 2, 4, 3], [2, 2, 2, 2, 2]]),
            },
            "ties",
            oracle=oracle,
            gradients=("scores",),
            hidden=True,
        ),
        Case(
            "other large scores",
            {
                "scores": torch.tensor([[-1e4, 1e4]], dtype=torch.float64),
                "ranks": torch.tensor([[1, 2]]),
            },
            "wrong and sure",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "single precision",
            {"scores": torch.tensor([[0.5, 1.5, 1.0]]), "ranks": torch.tensor([[1.0, 2.0, 2.0]])},
            "float32 in, float32 out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "not divided by the number of pairs",
            of_rows(lambda each: torch.stack(each).sum()),
            "Divide the sum over the pairs of a prompt by how many there are, or prompts "
            "with many responses drown the others.",
        ),
        Mistake(
            "pairs of all prompts in one mean",
            _all_pairs_together,
            "First the mean over the pairs of each prompt, then over prompts: a prompt with "
            "ties has fewer pairs, not less weight.",
        ),
        Mistake(
            "both directions",
            _both_directions,
            "Each pair counts once, with the better one in front. Both directions together "
            "pull all scores together.",
        ),
        Mistake(
            "reversed",
            of_rows(_mean, flip=True),
            "Rank 1 is the best: the response with the smaller rank is preferred.",
        ),
        Mistake(
            "ties counted",
            _ties_counted,
            "Responses of equal rank say nothing about each other; skip such pairs.",
        ),
        Mistake(
            "ties broken by place",
            _sorted_ties,
            "Sorting puts one of two equals in front. Compare the ranks themselves.",
        ),
        Mistake("a response against itself", _itself_counted, "The diagonal is no pair."),
        Mistake(
            "ranks taken for an order",
            _as_order,
            "ranks[b, i] is the rank of response i, not the place of the i-th best.",
        ),
        Mistake(
            "neighbours only",
            _neighbours,
            "All pairs, not only those next to each other in the ranking.",
        ),
        Mistake(
            "0 divided by 0",
            _nan,
            "A prompt in which all are tied has no pair, and adds 0. Divide by at least 1.",
        ),
        Mistake(
            "log of a sigmoid",
            _underflow,
            "The sigmoid of a large negative number is 0. Use logsigmoid.",
        ),
    ),
    variants={"pair by pair": _right, "each pair once": _triangle},
)
