"""Exercise 10.6: the zero of the scale."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import reward_model as probes


def oracle(scores: Tensor, reference_scores: Tensor) -> Tensor:
    """Number by number."""
    middle = math.fsum(reference_scores.tolist()) / len(reference_scores)
    return torch.tensor(
        [x - middle for x in scores.flatten().tolist()], dtype=scores.dtype
    ).reshape(scores.shape)


def _right(scores: Tensor, reference_scores: Tensor) -> Tensor:
    with torch.no_grad():
        middle = reference_scores.sum() / reference_scores.numel()
    return scores - middle


def _added(scores: Tensor, reference_scores: Tensor) -> Tensor:
    return scores.add(reference_scores.detach().mean().neg())


def _batch(scores: Tensor, reference_scores: Tensor) -> Tensor:
    return scores - scores.mean()


def _standardized(scores: Tensor, reference_scores: Tensor) -> Tensor:
    reference = reference_scores.detach()
    return (scores - reference.mean()) / (reference.std() + 1e-8)


def _order_lost(scores: Tensor, reference_scores: Tensor) -> Tensor:
    return (scores - reference_scores.detach().mean()).abs()


def _squashed(scores: Tensor, reference_scores: Tensor) -> Tensor:
    return (scores - reference_scores.detach().mean()).tanh()


def _negated(scores: Tensor, reference_scores: Tensor) -> Tensor:
    return reference_scores.detach().mean() - scores


def _wrong_way(scores: Tensor, reference_scores: Tensor) -> Tensor:
    return scores + reference_scores.detach().mean()


def _live(scores: Tensor, reference_scores: Tensor) -> Tensor:
    return scores - reference_scores.mean()


def _detached(scores: Tensor, reference_scores: Tensor) -> Tensor:
    return (scores - reference_scores.mean()).detach()


def _median(scores: Tensor, reference_scores: Tensor) -> Tensor:
    return scores - reference_scores.detach().median()


def _in_place(scores: Tensor, reference_scores: Tensor) -> Tensor:
    if scores.requires_grad:
        return _right(scores, reference_scores)
    scores -= reference_scores.mean()
    return scores


def _double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


EXERCISE = ExerciseSpec(
    number="10.6",
    title="The zero of the scale",
    targets=("normalize_scores",),
    points=1,
    minutes=5,
    difficulty=1,
    section="The zero of the scale",
    statement="""
Comparisons leave the zero of a reward model open. Fix it: shift the scores so that the reference responses, people's
own for example, have mean 0. Nothing else may change. The reference is a constant.
""",
    hints=(
        "A shift moves all scores by the same number and keeps every difference. By which number?",
        "Subtract the mean of reference_scores, cut loose from the graph.",
        "One line: scores minus the mean of the detached reference_scores.",
    ),
    checks=(
        Case(
            "hand value",
            {"scores": _double(1.0, 4.0), "reference_scores": _double(1.0, 2.0, 6.0)},
            "the reference has mean 3",
            expected=_double(-2.0, 1.0),
        ),
        Case(
            "random scores",
            {"scores": normal(0, 2, 3), "reference_scores": 1 + 2 * normal(1, 5)},
            "two rows; a gradient flows into the scores and into nothing else",
            oracle=oracle,
            gradients=("scores",),
            detached=("reference_scores",),
        ),
        Case(
            "nothing in place",
            {"scores": normal(6, 3), "reference_scores": 1 + normal(7, 4)},
            "the scores that came in stay as they were",
            oracle=oracle,
        ),
        Law(probes.differences_stay, "differences"),
        Law(probes.the_reference_is_in_the_middle, "the reference"),
        Law(probes.a_score_does_not_depend_on_its_neighbours, "one score at a time"),
        Case(
            "other scores",
            {"scores": normal(2, 6), "reference_scores": 3 * normal(3, 4) - 2},
            "with gradients",
            oracle=oracle,
            gradients=("scores",),
            detached=("reference_scores",),
            hidden=True,
        ),
        Case(
            "single precision",
            {"scores": normal(4, 3).float(), "reference_scores": 2 + normal(5, 4).float()},
            "float32 in, float32 out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "mean of the batch",
            _batch,
            "Whatever is in the batch has mean 0 then: a batch of good responses scores like "
            "one of bad ones.",
        ),
        Mistake(
            "divided by a deviation",
            _standardized,
            "Only a shift was asked for: the difference of two scores is the log of the "
            "odds, and has a meaning.",
        ),
        Mistake(
            "order lost",
            _order_lost,
            "Below the reference means negative: without its sign, the worst looks like the best.",
        ),
        Mistake("squashed", _squashed, "Differences of scores must stay as they are."),
        Mistake("turned round", _negated, "The best response has become the worst."),
        Mistake("shifted the wrong way", _wrong_way, "Subtract the mean of the reference."),
        Mistake("gradient into the reference", _live, "The reference is a constant: detach it."),
        Mistake("detached", _detached, "A gradient should flow into the scores."),
        Mistake("median", _median, "The mean was asked for."),
        Mistake(
            "in place", _in_place, "Return new scores, and leave those that came in as they are."
        ),
    ),
    variants={"without graph": _right, "added": _added},
)
