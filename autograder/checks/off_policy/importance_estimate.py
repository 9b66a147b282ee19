"""Exercise 7.1: importance sampling, both ways of normalizing."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import off_policy as probes


def oracle(
    log_probs: Tensor, behavior_log_probs: Tensor, f: Tensor, self_normalized: bool
) -> Tensor:
    """Sample by sample in Python floats with exactly rounded sums."""
    logs = [float(p) - float(q) for p, q in zip(log_probs, behavior_log_probs, strict=True)]
    top = max(logs) if self_normalized else 0.0
    weights = [math.exp(log - top) for log in logs]
    total = math.fsum(w * x for w, x in zip(weights, f.tolist(), strict=True))
    return torch.tensor(
        total / (math.fsum(weights) if self_normalized else len(logs)), dtype=f.dtype
    )


def _naive(log_probs: Tensor, behavior: Tensor, f: Tensor, self_normalized: bool) -> Tensor:
    """The sums, with no care for large logarithms."""
    weights = (log_probs - behavior).exp()
    return (weights * f).sum() / (weights.sum() if self_normalized else len(f))


def _right(log_probs: Tensor, behavior: Tensor, f: Tensor, self_normalized: bool) -> Tensor:
    logs = log_probs - behavior
    if self_normalized:
        weights = (logs - logs.detach().max()).exp()
        return (weights * f).sum() / weights.sum()
    return (logs.exp() * f).sum() / len(f)


def _logsumexp(log_probs: Tensor, behavior: Tensor, f: Tensor, self_normalized: bool) -> Tensor:
    """Another right way: normalize the logarithms, then sum."""
    logs = log_probs - behavior
    count = logs.logsumexp(0) if self_normalized else math.log(len(f))
    return torch.dot((logs - count).exp(), f)


def _two_exponentials(
    log_probs: Tensor, behavior: Tensor, f: Tensor, self_normalized: bool
) -> Tensor:
    weights = log_probs.exp() / behavior.exp()
    return (weights * f).sum() / (weights.sum() if self_normalized else len(f))


def _batch(seed: int, count: int, self_normalized: bool) -> dict[str, Tensor | bool]:
    return {
        "log_probs": -normal(seed, count).abs(),
        "behavior_log_probs": -normal(seed + 1, count).abs(),
        "f": normal(seed + 2, count),
        "self_normalized": self_normalized,
    }


def _hand(self_normalized: bool) -> dict[str, Tensor | bool]:
    return {
        "log_probs": torch.tensor([0.6, 0.2, 0.2], dtype=torch.float64).log(),
        "behavior_log_probs": torch.tensor([0.2, 0.4, 0.1], dtype=torch.float64).log(),
        "f": torch.tensor([1.0, 4.0, -2.0], dtype=torch.float64),
        "self_normalized": self_normalized,
    }


def _far(shift: float) -> dict[str, Tensor | bool]:
    """Log-probabilities of long texts: each far below the smallest number, their ratios not."""
    return {
        "log_probs": torch.tensor([-900.0, -1000.0, -1100.0], dtype=torch.float64) + shift,
        "behavior_log_probs": torch.tensor([-900.0, -1001.0, -1098.0], dtype=torch.float64),
        "f": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        "self_normalized": shift != 0.0,
    }


EXERCISE = ExerciseSpec(
    number="7.1",
    title="Importance sampling",
    targets=("importance_estimate",),
    points=2,
    minutes=15,
    difficulty=2,
    section="Answers from another policy",
    statement="""
Estimate a mean under the target from samples of a behaviour. Two ways to divide: by N, or by the sum of the weights.
Log-probabilities come in, and they may be those of long texts: −1000 is nothing unusual, and its exponential is 0.
""",
    hints=(
        "A sample that the target likes twice as much as the behaviour did should count twice.",
        "w = p/q = exp(log p − log q): subtract first. Then Σ w f / N, or Σ w f / Σ w. For the second only the "
        "differences between the log-weights matter.",
        "log_weights = the difference. If self_normalized: a softmax over the samples, times f, summed. Else: the mean "
        "of exp(log_weights) · f.",
    ),
    checks=(
        Case(
            "hand value, divided by N",
            _hand(False),
            "weights 3, 1/2 and 2: (3·1 + ½·4 − 2·2) / 3",
            expected=torch.tensor(1.0 / 3.0, dtype=torch.float64),
        ),
        Case(
            "hand value, self-normalized",
            _hand(True),
            "weights 3, 1/2 and 2: (3·1 + ½·4 − 2·2) / 5.5",
            expected=torch.tensor(1.0 / 5.5, dtype=torch.float64),
        ),
        Case(
            "value and gradient",
            _batch(0, 6, False),
            "six samples; gradient by finite differences",
            oracle=oracle,
            gradients=("log_probs", "f"),
        ),
        Case(
            "value and gradient, self-normalized",
            _batch(3, 6, True),
            "six samples; gradient by finite differences",
            oracle=oracle,
            gradients=("log_probs", "f"),
        ),
        Law(probes.every_batch_of_two_together_gives_the_true_mean, "unbiased"),
        Law(probes.an_unnormalized_target_will_do_when_self_normalized, "a factor is forgotten"),
        Law(probes.a_constant_is_estimated_without_error, "a constant"),
        Case(
            "long texts",
            _far(0.0),
            "log-probabilities near −1000, whose exponentials are 0; the ratios are 1, e and e⁻²",
            oracle=oracle,
        ),
        Case(
            "enormous weights",
            _far(2000.0),
            "log-weights near 2000: each weight overflows, their shares do not",
            oracle=oracle,
        ),
        Case(
            "single precision",
            {
                "log_probs": torch.zeros(2),
                "behavior_log_probs": torch.zeros(2),
                "f": torch.tensor([1.0, 2.0]),
                "self_normalized": True,
            },
            "float32 in, float32 out; with equal policies it is the mean",
            expected=torch.tensor(1.5),
        ),
        Case(
            "other samples",
            _batch(6, 9, False),
            "nine samples",
            oracle=oracle,
            gradients=("log_probs", "f"),
            hidden=True,
        ),
        Case(
            "other samples, self-normalized",
            _batch(9, 4, True),
            "four samples",
            oracle=oracle,
            gradients=("log_probs", "f"),
            hidden=True,
        ),
        Case(
            "larger weights",
            _far(-3000.0),
            "log-weights far below any exponential",
            oracle=oracle,
            hidden=True,
        ),
        Case("longer texts", _far(0.0), "log-probabilities near −1000", oracle=oracle, hidden=True),
    ),
    mistakes=(
        Mistake(
            "the ratio is upside down",
            lambda log_probs, behavior_log_probs, f, self_normalized: _right(
                behavior_log_probs, log_probs, f, self_normalized
            ),
            "A sample that the behaviour draws too often must count less: the behaviour belongs below.",
        ),
        Mistake(
            "exponentials before the division",
            _two_exponentials,
            "exp(−1000) is 0, and 0/0 is NaN. Subtract the logarithms first.",
        ),
        Mistake(
            "weights that overflow before they are normalized",
            _naive,
            "exp(2000) is infinite. Self-normalized, only differences of log-weights matter: use a softmax, or "
            "subtract the largest one.",
        ),
        Mistake(
            "divided by N also when self-normalized",
            lambda log_probs, behavior_log_probs, f, self_normalized: _right(
                log_probs, behavior_log_probs, f, False
            ),
            "Self-normalized means: divide by the sum of the weights.",
        ),
        Mistake(
            "always self-normalized",
            lambda log_probs, behavior_log_probs, f, self_normalized: _right(
                log_probs, behavior_log_probs, f, True
            ),
            "With self_normalized=False divide by N; only then is the estimate unbiased.",
        ),
        Mistake(
            "no weights",
            lambda log_probs, behavior_log_probs, f, self_normalized: f.mean(),
            "The plain mean answers for the behaviour, not for the target.",
        ),
        Mistake(
            "the weights carry no gradient",
            lambda log_probs, behavior_log_probs, f, self_normalized: _right(
                log_probs.detach(), behavior_log_probs, f, self_normalized
            ),
            "The value is right, but the target is what will be trained: let gradients through its log-probabilities.",
        ),
    ),
    variants={"shift by the largest": _right, "logsumexp": _logsumexp},
)
