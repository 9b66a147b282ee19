"""Exercise 1.5: the loss of a causal language model."""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import language_modeling as probes


def oracle(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """Token by token, with plain floats."""
    total, count = 0.0, 0.0
    batch, steps = tokens.shape
    for b in range(batch):
        for t in range(1, steps):
            row = logits[b, t - 1].tolist()
            top = max(row)
            normalizer = top + math.log(sum(math.exp(x - top) for x in row))
            total -= float(mask[b, t]) * (row[int(tokens[b, t])] - normalizer)
            count += float(mask[b, t])
    return torch.tensor(total / count if count else 0.0, dtype=logits.dtype)


def _log_probs(logits: Tensor, tokens: Tensor) -> Tensor:
    return logits.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (mask * values).sum() / mask.sum().clamp(min=1)


def _no_shift(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -_mean(_log_probs(logits, tokens), mask)


def _shifted_twice(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    if tokens.shape[1] < 3:
        return 0.0 * logits.sum()
    return -_mean(_log_probs(logits[:, :-2], tokens[:, 2:]), mask[:, 2:])


def _backwards(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -_mean(_log_probs(logits[:, 1:], tokens[:, :-1]), mask[:, 1:])


def _padded_mean(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    found = _log_probs(logits[:, :-1], tokens[:, 1:])
    return -(mask[:, 1:] * found).sum() / max(found.numel(), 1)


def _pads_counted(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    found = _log_probs(logits[:, :-1], tokens[:, 1:])
    return -_mean(found, torch.ones_like(mask[:, 1:]))


def _mask_not_shifted(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -_mean(_log_probs(logits[:, :-1], tokens[:, 1:]), mask[:, :-1])


def _probability(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -_mean(_log_probs(logits[:, :-1], tokens[:, 1:]).exp(), mask[:, 1:])


def _per_sequence(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    found = mask[:, 1:] * _log_probs(logits[:, :-1], tokens[:, 1:])
    return -(found.sum(1) / mask[:, 1:].sum(1).clamp(min=1)).mean()


def _sum(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -(mask[:, 1:] * _log_probs(logits[:, :-1], tokens[:, 1:])).sum()


def _nan(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    found = mask[:, 1:] * _log_probs(logits[:, :-1], tokens[:, 1:])
    return -found.sum() / mask[:, 1:].sum()


def _underflow(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    chances = logits[:, :-1].softmax(-1).gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1)
    return -_mean(chances.log(), mask[:, 1:])


def _right(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -_mean(_log_probs(logits[:, :-1], tokens[:, 1:]), mask[:, 1:])


def _cross_entropy(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    each = cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    weights = mask[:, 1:].flatten()
    return (each * weights).sum() / weights.sum().clamp(min=1)


def _ignored(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """Labels of −100 where nothing counts, and a sum divided by the number of the others."""
    labels = tokens[:, 1:].masked_fill(mask[:, 1:] == 0, -100)
    total = cross_entropy(
        logits[:, :-1].transpose(1, 2), labels, ignore_index=-100, reduction="sum"
    )
    return total / mask[:, 1:].sum().clamp(min=1)


def _batch(seed: int, rows: list[list[int]], vocabulary: int) -> dict[str, Tensor]:
    mask = torch.tensor(rows, dtype=torch.float64)
    return {
        "logits": normal(seed, *mask.shape, vocabulary),
        "tokens": integers(seed + 1, vocabulary, *mask.shape),
        "mask": mask,
    }


THIRDS = torch.tensor([[[1.0, 1.0, 2.0], [2.0, 1.0, 5.0], [1.0, 1.0, 1.0]]]).double().log()

EXERCISE = ExerciseSpec(
    number="1.5",
    title="The loss of a causal language model",
    targets=("causal_lm_loss",),
    points=3,
    minutes=15,
    difficulty=2,
    section="Predicting the next token",
    statement="""
A causal language model has read a batch of texts and returned logits for every position. Score it: how probable did
it think each token, *before* it saw it? Shorter texts are padded; padding counts neither above nor below the
fraction line.
""",
    hints=(
        "What do the logits at position 0 predict? Which token is never predicted, and which logits predict nothing?",
        "logits[:, t] belongs to tokens[:, t + 1] and to mask[:, t + 1]: both sides have T − 1 columns. Sum of mask × "
        "log-probability, divided by the sum of that mask.",
        "torch.log_softmax(logits[:, :-1], dim=-1), gather tokens[:, 1:].unsqueeze(-1) along the last dimension, "
        "squeeze it; multiply with mask[:, 1:], sum, divide by mask[:, 1:].sum().clamp(min=1), negate.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "logits": THIRDS,
                "tokens": torch.tensor([[0, 2, 1]]),
                "mask": torch.ones(1, 3, dtype=torch.float64),
            },
            "three tokens: the second was given probability 2/4, the third 1/8",
            expected=torch.tensor(2.0 * math.log(2.0), dtype=torch.float64),
        ),
        Case(
            "value and gradient",
            _batch(0, [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]], 5),
            "three texts of different length, compared with a loop; gradient by finite differences",
            oracle=oracle,
            gradients=("logits",),
        ),
        Case(
            "only the answer counts",
            _batch(2, [[0, 0, 1, 1, 1], [0, 0, 0, 1, 0]], 4),
            "a mask that begins late: a question whose tokens are not to be predicted",
            oracle=oracle,
            gradients=("logits",),
        ),
        Law(probes.even_logits_cost_the_logarithm_of_the_vocabulary, "knowing nothing costs log V"),
        Law(
            probes.what_comes_after_the_last_token_does_not_matter,
            "nothing follows the last token",
        ),
        Case(
            "nothing counts",
            _batch(4, [[1, 0, 0], [0, 0, 0]], 3),
            "no token counts: the first is never predicted, the rest is padding",
            expected=torch.tensor(0.0, dtype=torch.float64),
        ),
        Case(
            "huge logits",
            {
                "logits": torch.tensor([[[1e4, -1e4], [1e4, -1e4], [0.0, 0.0]]]).double(),
                "tokens": torch.tensor([[0, 1, 0]]),
                "mask": torch.ones(1, 3, dtype=torch.float64),
            },
            "logits of ±10,000: one token is sure, the other has a log-probability of −20,000",
            expected=torch.tensor(1e4, dtype=torch.float64),
        ),
        Case(
            "single precision",
            {
                "logits": torch.zeros(2, 3, 4),
                "tokens": torch.tensor([[1, 2, 3], [0, 0, 0]]),
                "mask": torch.ones(2, 3),
            },
            "float32 in, float32 out",
            expected=torch.tensor(math.log(4.0)),
        ),
        Case(
            "another batch",
            _batch(6, [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 0]], 6),
            "four texts",
            oracle=oracle,
            gradients=("logits",),
            hidden=True,
        ),
        Case(
            "one text",
            _batch(8, [[0, 1, 1, 1, 0, 0]], 3),
            "a single padded text",
            oracle=oracle,
            gradients=("logits",),
            hidden=True,
        ),
        Case(
            "two tokens",
            _batch(9, [[1, 1], [1, 0]], 7),
            "the shortest text that predicts anything",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "all padding",
            _batch(12, [[0, 0, 0]], 3),
            "nothing to predict",
            expected=torch.tensor(0.0, dtype=torch.float64),
            hidden=True,
        ),
        Case(
            "far apart",
            {
                "logits": torch.tensor([[[900.0, -900.0, 0.0], [0.0, 0.0, 0.0]]]).double(),
                "tokens": torch.tensor([[0, 1]]),
                "mask": torch.ones(1, 2, dtype=torch.float64),
            },
            "logits 1,800 apart",
            expected=torch.tensor(1800.0, dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "no shift",
            _no_shift,
            "logits[:, t] has already read token t; to predict what it can see is no art. It predicts token t + 1.",
        ),
        Mistake(
            "shifted twice",
            _shifted_twice,
            "This predicts the token after the next. Was the shift done both in the batch and in the loss?",
        ),
        Mistake(
            "shifted the wrong way",
            _backwards,
            "Here the logits at t are compared with token t − 1, which is past. Look one token ahead.",
        ),
        Mistake(
            "pads in the number of tokens",
            _padded_mean,
            "The sum leaves the padding out, the number it is divided by does not. Divide by the sum of the mask.",
        ),
        Mistake(
            "pads in the mean",
            _pads_counted,
            "Padding is nothing to predict: use the mask, in the sum and in the number of tokens.",
        ),
        Mistake(
            "mask not shifted",
            _mask_not_shifted,
            "The mask belongs to the token that is predicted: mask[:, 1:].",
        ),
        Mistake(
            "probability instead of its logarithm",
            _probability,
            "The likelihood of a text is a product; its logarithm is a sum of log-probabilities, not of probabilities.",
        ),
        Mistake(
            "mean of the texts' means",
            _per_sequence,
            "Here a token of a short text counts more. Sum over all tokens of the batch first, then divide once.",
        ),
        Mistake(
            "sum instead of mean",
            _sum,
            "Divide by the number of tokens that count: longer batches must not have larger losses.",
        ),
        Mistake(
            "NaN where nothing counts",
            _nan,
            "0 divided by 0: keep the divisor at 1 or more.",
        ),
        Mistake(
            "log of softmax",
            _underflow,
            "softmax rounds a small probability to 0, whose logarithm is −∞. torch.log_softmax stays in log space.",
        ),
        Mistake(
            "wrong sign",
            lambda logits, tokens, mask: -_right(logits, tokens, mask),
            "Log-probabilities are negative and a loss is minimized: one minus in front.",
        ),
    ),
    variants={"cross entropy": _cross_entropy, "ignored labels": _ignored},
)
