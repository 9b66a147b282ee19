"""Exercise 1.1: skip-gram with negative sampling."""

import math

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, softplus

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import language_modeling as probes


def _log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


def oracle(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    """Number by number, with plain floats."""
    total = 0.0
    for u, v, others in zip(center.tolist(), context.tolist(), negatives.tolist(), strict=True):
        total -= _log_sigmoid(sum(x * y for x, y in zip(u, v, strict=True)))
        for other in others:
            total -= _log_sigmoid(-sum(x * y for x, y in zip(u, other, strict=True)))
    return torch.tensor(total / len(center), dtype=center.dtype)


def _dots(center: Tensor, context: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    return (center * context).sum(1), torch.einsum("bd,bkd->bk", center, negatives)


def _sign(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    together, apart = _dots(center, context, negatives)
    return (softplus(-together) + softplus(-apart).sum(1)).mean()


def _mean_over_negatives(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    together, apart = _dots(center, context, negatives)
    return (softplus(-together) + softplus(apart).mean(1)).mean()


def _underflow(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    together, apart = _dots(center, context, negatives)
    return -(together.sigmoid().log() + (-apart).sigmoid().log().sum(1)).mean()


def _softmax(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    together, apart = _dots(center, context, negatives)
    logits = torch.cat([together.unsqueeze(1), apart], dim=1)
    return cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


def _sum_over_batch(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    together, apart = _dots(center, context, negatives)
    return (softplus(-together) + softplus(apart).sum(1)).sum()


def _no_negatives(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    return softplus(-(center * context).sum(1)).mean()


def _maximized(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    together, apart = _dots(center, context, negatives)
    return -(softplus(-together) + softplus(apart).sum(1)).mean()


def _softplus(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    together, apart = _dots(center, context, negatives)
    return (softplus(-together) + softplus(apart).sum(1)).mean()


def _classifier(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    together, apart = _dots(center, context, negatives)
    logits = torch.cat([together.unsqueeze(1), apart], dim=1)
    labels = torch.zeros_like(logits)
    labels[:, 0] = 1.0
    each: Tensor = binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return each.sum(dim=1).mean()


def _vectors(seed: int, batch: int, negatives: int, size: int) -> dict[str, Tensor]:
    return {
        "center": normal(seed, batch, size),
        "context": normal(seed + 1, batch, size),
        "negatives": normal(seed + 2, batch, negatives, size),
    }


def _double(numbers: list[object]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


EVERY = ("center", "context", "negatives")

EXERCISE = ExerciseSpec(
    number="1.1",
    title="Skip-gram with negative sampling",
    targets=("skip_gram_loss",),
    points=3,
    minutes=15,
    difficulty=2,
    section="One vector for each word",
    statement="""
Each word has two vectors, one for standing in the middle and one for standing beside. Write the loss that pulls a
word towards a neighbour it was seen with and pushes it away from words drawn at random: for each pair, a yes-or-no
question to be answered with *yes*, and `K` to be answered with *no*.
""",
    hints=(
        "Every pair of words gets a score, the dot product of its vectors. A high one says: these two belong together. "
        "One pair of each row really does, K pairs do not.",
        "−log σ(score) for the real pair and −log σ(−score) for each random one. Scores: (B) for the "
        "real pairs, (B, K) "
        "for the others. Sum over K, mean over B.",
        "Multiply center and context and sum over D; multiply center.unsqueeze(1) and negatives and sum over the last "
        "dimension; put both through torch.nn.functional.logsigmoid with the right signs.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "center": _double([[1.0, 0.0], [0.0, 0.0]]),
                "context": _double([[math.log(3.0), 5.0], [1.0, 1.0]]),
                "negatives": _double(
                    [[[math.log(2.0), 1.0], [-math.log(4.0), 0.0]], [[1.0, 2.0], [3.0, 4.0]]]
                ),
            },
            "row 1: σ = 3/4 for the neighbour, 1/3 and 4/5 for not the others; row 2: all scores 0, three times 1/2",
            expected=torch.tensor(0.5 * (math.log(5.0) + math.log(8.0)), dtype=torch.float64),
        ),
        Case(
            "value and gradient",
            _vectors(0, 3, 4, 5),
            "three words with four negatives each, compared with plain numbers; gradients by finite differences",
            oracle=oracle,
            gradients=EVERY,
        ),
        Law(probes.the_order_of_the_negatives_changes_nothing, "negatives have no order"),
        Law(probes.turning_all_vectors_changes_nothing, "only dot products count"),
        Case(
            "huge vectors",
            {
                "center": _double([[100.0]]),
                "context": _double([[-100.0]]),
                "negatives": _double([[[100.0], [-100.0]]]),
            },
            "scores of ±10,000, where σ rounds to 0 and its logarithm is infinite",
            expected=torch.tensor(2e4, dtype=torch.float64),
            gradient_values={"context": _double([[-50.0]])},
        ),
        Case(
            "single precision",
            {
                "center": torch.zeros(2, 3),
                "context": torch.ones(2, 3),
                "negatives": torch.ones(2, 3, 3),
            },
            "float32 in, float32 out: four scores of 0",
            expected=torch.tensor(4 * math.log(2.0)),
        ),
        Case(
            "other words",
            _vectors(10, 5, 2, 3),
            "five words with two negatives each",
            oracle=oracle,
            gradients=EVERY,
            hidden=True,
        ),
        Case(
            "as many negatives as words and numbers",
            _vectors(20, 3, 3, 3),
            "B = K = D = 3",
            oracle=oracle,
            gradients=EVERY,
            hidden=True,
        ),
        Case(
            "far away",
            {
                "center": _double([[30.0, 40.0], [0.0, 1.0]]),
                "context": _double([[-30.0, -40.0], [2.0, 0.0]]),
                "negatives": _double([[[60.0, 80.0]], [[5.0, 0.0]]]),
            },
            "scores of −2,500 and 5,000",
            expected=torch.tensor(0.5 * (7500.0 + 2 * math.log(2.0)), dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "wrong sign of the negatives",
            _sign,
            "Here random words are pulled closer too. Their scores should become small: σ of the *negated* score.",
        ),
        Mistake(
            "mean over the negatives",
            _mean_over_negatives,
            "The formula sums over the K negatives; only over the batch it takes the mean.",
        ),
        Mistake(
            "log of sigmoid",
            _underflow,
            "σ(−1000) rounds to 0 and log 0 is −∞. torch.nn.functional.logsigmoid never leaves log space.",
        ),
        Mistake(
            "softmax over neighbour and negatives",
            _softmax,
            "Negative sampling asks K + 1 separate yes-or-no questions; words do not compete in a softmax.",
        ),
        Mistake(
            "sum over the batch",
            _sum_over_batch,
            "Twice as many pairs must not double the loss: take the mean over B.",
        ),
        Mistake(
            "negatives left out",
            _no_negatives,
            "With neighbours alone all vectors may become equal and the loss still falls to 0. What pushes them apart?",
        ),
        Mistake(
            "sign of the whole loss",
            _maximized,
            "A loss is minimized, and a logarithm of a probability is negative: one minus in front.",
        ),
    ),
    variants={"softplus": _softplus, "a classifier": _classifier},
)
