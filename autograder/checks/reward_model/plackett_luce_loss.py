"""Exercise 10.4: the probability of a whole ranking."""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import reward_model as probes


def oracle(scores: Tensor, order: Tensor) -> Tensor:
    """Choose the best of what is left, again and again."""
    total = 0.0
    for row, places in zip(scores.tolist(), order.tolist(), strict=True):
        left = list(places)
        while left:
            top = max(row[i] for i in left)
            share = math.fsum(math.exp(row[i] - top) for i in left)
            total -= row[left.pop(0)] - top - math.log(share)
    return torch.tensor(total / len(scores), dtype=scores.dtype)


def _terms(scores: Tensor, order: Tensor) -> Tensor:
    """(B, K) minus the log-probability of each choice."""
    ranked, size = scores.gather(1, order), scores.shape[1]
    left = [ranked[:, k:].logsumexp(1) - ranked[:, k] for k in range(size)]
    return torch.stack(left, dim=1)


def _right(scores: Tensor, order: Tensor) -> Tensor:
    return _terms(scores, order).sum(1).mean()


def _over_all(scores: Tensor, order: Tensor) -> Tensor:
    return -scores.log_softmax(1).sum(1).mean()


def _reversed(scores: Tensor, order: Tensor) -> Tensor:
    return _right(scores, order.flip(1))


def _as_ranks(scores: Tensor, order: Tensor) -> Tensor:
    return _right(scores, order.argsort(1))


def _ignored(scores: Tensor, order: Tensor) -> Tensor:
    return _right(scores, torch.arange(scores.shape[1]).expand_as(order))


def _mean_of_choices(scores: Tensor, order: Tensor) -> Tensor:
    return _terms(scores, order).mean()


def _sum_of_rows(scores: Tensor, order: Tensor) -> Tensor:
    return _terms(scores, order).sum()


def _first_only(scores: Tensor, order: Tensor) -> Tensor:
    return _terms(scores, order)[:, 0].mean()


def _overflow(scores: Tensor, order: Tensor) -> Tensor:
    ranked = scores.gather(1, order)
    return (ranked.exp().flip(1).cumsum(1).flip(1).log() - ranked).sum(1).mean()


def _uphill(scores: Tensor, order: Tensor) -> Tensor:
    return -_right(scores, order)


def _pairwise(scores: Tensor, order: Tensor) -> Tensor:
    ranked = scores.gather(1, order)
    i, j = torch.triu_indices(scores.shape[1], scores.shape[1], 1)
    return torch.nn.functional.softplus(ranked[:, j] - ranked[:, i]).sum(1).mean()


def _masked(scores: Tensor, order: Tensor) -> Tensor:
    """Another right way: softmax over a table whose row k has lost the first k."""
    ranked, size = scores.gather(1, order), scores.shape[1]
    gone = torch.ones(size, size).tril(-1).bool()
    table = ranked[:, None].expand(-1, size, -1).masked_fill(gone, -torch.inf)
    targets = torch.arange(size).expand(len(scores), -1)
    each = cross_entropy(table.flatten(0, 1), targets.flatten(), reduction="none")
    return each.reshape(len(scores), size).sum(1).mean()


ORDER = torch.tensor([[2, 0, 3, 1], [1, 2, 3, 0]])

EXERCISE = ExerciseSpec(
    number="10.4",
    title="The probability of a ranking",
    targets=("plackett_luce_loss",),
    points=3,
    minutes=20,
    difficulty=3,
    section="All pairs at once",
    statement="""
Plackett and Luce rank like this: choose the best by softmax among all, the second by softmax among the rest, and so
on. Return the mean over the rankings of minus the log-probability. The probabilities of all K! rankings add up to 1,
and for K = 2 this is the loss of 10.2.
""",
    hints=(
        "Put the scores into the order of the ranking first. Then everybody competes with those to the right.",
        "The k-th choice costs logsumexp over ranked[:, k:] minus ranked[:, k]. A cumulative logsumexp that begins "
        "with the worst gives all of them at once.",
        "Gather the scores by the order turned round, so that the worst comes first; logcumsumexp along the row; "
        "subtract the scores; sum over the ranking; mean over B.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "scores": torch.tensor([[1.0, 3.0, 2.0]], dtype=torch.float64).log(),
                "order": torch.tensor([[1, 0, 2]]),
            },
            "weights 1, 3 and 2: 3/6 for the second response, then 1/3 for the first",
            expected=torch.tensor(math.log(6.0), dtype=torch.float64),
        ),
        Case(
            "two rankings of four",
            {"scores": normal(0, 2, 4), "order": ORDER},
            "with gradients",
            oracle=oracle,
            gradients=("scores",),
        ),
        Case(
            "two responses",
            {"scores": normal(1, 3, 2), "order": torch.tensor([[0, 1], [1, 0], [1, 0]])},
            "K = 2: a comparison",
            oracle=oracle,
        ),
        Case(
            "large scores",
            {
                "scores": torch.tensor([[1e4, -1e4, 0.0]], dtype=torch.float64),
                "order": torch.tensor([[1, 0, 2]]),
            },
            "scores of ±10,000",
            oracle=oracle,
        ),
        Law(probes.probabilities_of_all_rankings_add_up_to_one, "all rankings together"),
        Law(probes.places_are_only_names, "moving responses about"),
        Case(
            "rankings of five",
            {
                "scores": 2 * normal(2, 3, 5),
                "order": torch.tensor([[4, 2, 0, 1, 3], [1, 0, 3, 4, 2], [2, 3, 4, 1, 0]]),
            },
            "three rankings, with gradients",
            oracle=oracle,
            gradients=("scores",),
            hidden=True,
        ),
        Case(
            "other large scores",
            {
                "scores": torch.tensor([[-1e4, 1e4, 5e3]], dtype=torch.float64),
                "order": torch.tensor([[2, 1, 0]]),
            },
            "scores of ±10,000",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "single precision",
            {"scores": torch.tensor([[0.5, 1.5, 1.0]]), "order": torch.tensor([[2, 0, 1]])},
            "float32 in, float32 out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "every choice among all",
            _over_all,
            "Who has been chosen is out: the k-th choice is among those that are left.",
        ),
        Mistake("reversed", _reversed, "The best is chosen first; here the worst is."),
        Mistake(
            "ranks for an order",
            _as_ranks,
            "order[b, k] is the place of the k-th best in scores[b]: gather the scores by it.",
        ),
        Mistake(
            "order not used",
            _ignored,
            "The scores must first be put into the order of the ranking.",
        ),
        Mistake(
            "mean over the choices",
            _mean_of_choices,
            "The log-probability of a ranking is the sum over its choices; the mean is over "
            "rankings only.",
        ),
        Mistake("a sum over the rankings", _sum_of_rows, "Take the mean over the B rankings."),
        Mistake(
            "the first choice only",
            _first_only,
            "The second, third and later choices belong to the ranking too.",
        ),
        Mistake(
            "overflow",
            _overflow,
            "exp of a large score is ∞, of a small one 0. Use logcumsumexp or logsumexp.",
        ),
        Mistake("uphill", _uphill, "A loss is minimized: minus the log-probability."),
        Mistake(
            "pairs",
            _pairwise,
            "That is the loss of all pairs; the pairs of a ranking are not independent.",
        ),
    ),
    variants={"choice by choice": _right, "a table": _masked},
)
