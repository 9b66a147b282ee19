"""Exercise 6.5: the entropy of a softmax policy."""

import math

import torch
from torch import Tensor

from autograder.checks.sequence_oracles import entropy_of, log_softmax_row
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import actor_critic as probes


def oracle(logits: Tensor) -> Tensor:
    """Row by row with exactly rounded sums of Python floats."""
    rows = [entropy_of(log_softmax_row(row).exp()) for row in logits.reshape(-1, logits.shape[-1])]
    return torch.tensor(rows, dtype=torch.float64).reshape(logits.shape[:-1])


def _right(logits: Tensor) -> Tensor:
    log_probs = logits.log_softmax(-1)
    return -(log_probs.exp() * log_probs).sum(-1)


SURE = torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4]], dtype=torch.float64)
LARGE = torch.tensor([[-1e4, 1e4, 1e4, 0.0]], dtype=torch.float64)

EXERCISE = ExerciseSpec(
    number="6.5",
    title="The entropy of a policy",
    targets=("entropy",),
    points=2,
    minutes=12,
    difficulty=2,
    section="Keeping it undecided: entropy",
    statement="""
How undecided is a policy? Write its entropy in nats, finite, with a finite gradient, for logits of any size. It will be
part of the loss, so gradients must flow.
""",
    hints=(
        "A probability of 0 contributes 0, but a computer says NaN: never take the log of a rounded probability.",
        "H = −Σ p log p over the last axis; log p = logits − logsumexp(logits) is finite even where p is rounded to 0.",
        "log_probs = log-softmax of the logits, last axis; then −(log_probs.exp() * …) summed over the last axis.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "logits": torch.tensor(
                    [[0.0, 0.0, 0.0, 0.0], [math.log(0.5), math.log(0.25), math.log(0.25), -1e4]],
                    dtype=torch.float64,
                )
            },
            "four equal chances have log 4 nats; a half and two quarters have 1.5 log 2",
            expected=torch.tensor([math.log(4.0), 1.5 * math.log(2.0)], dtype=torch.float64),
        ),
        Case(
            "some logits",
            {"logits": 2.0 * normal(0, 2, 3, 5)},
            "six rows, compared with sums of Python floats; gradient by finite differences",
            oracle=oracle,
            gradients=("logits",),
        ),
        Case(
            "very large logits",
            {"logits": SURE},
            "logits of ±10,000: a sure choice has entropy 0, and a gradient of 0",
            expected=torch.zeros(2, dtype=torch.float64),
            gradient_values={"logits": torch.zeros_like(SURE)},
        ),
        Law(probes.a_constant_added_to_the_logits_changes_nothing, "softmax forgets a constant"),
        Law(probes.equal_logits_have_the_largest_entropy, "in nats"),
        Case(
            "single precision",
            {"logits": torch.zeros(2)},
            "float32 in, float32 out; one row of logits gives a single number",
            expected=torch.tensor(math.log(2.0)),
        ),
        Case(
            "other logits",
            {"logits": 3.0 * normal(1, 4, 2)},
            "four rows of two actions",
            oracle=oracle,
            gradients=("logits",),
            hidden=True,
        ),
        Case(
            "two of equal size",
            {"logits": LARGE},
            "two large logits that are equal",
            expected=torch.tensor([math.log(2.0)], dtype=torch.float64),
            gradient_values={"logits": torch.zeros_like(LARGE)},
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "NaN where a probability is rounded to 0",
            lambda logits: -(logits.softmax(-1) * logits.softmax(-1).log()).sum(-1),
            "log(0) is −inf and 0 · inf is NaN. Take log_softmax of the logits instead of log of the softmax.",
        ),
        Mistake(
            "bits",
            lambda logits: _right(logits) / math.log(2.0),
            "Nats were asked for: the natural logarithm.",
        ),
        Mistake(
            "detached",
            lambda logits: _right(logits.detach()),
            "The entropy is part of the loss: its gradient must reach the logits.",
        ),
        Mistake(
            "wrong sign",
            lambda logits: -_right(logits),
            "Entropy is positive; log-probabilities are negative.",
        ),
        Mistake(
            "mean over the actions",
            lambda logits: _right(logits) / logits.shape[-1],
            "An expectation is a sum weighted with π, not a mean over actions.",
        ),
        Mistake(
            "π is missing",
            lambda logits: -logits.log_softmax(-1).sum(-1),
            "Each action counts as often as it is chosen: multiply log π by π.",
        ),
        Mistake(
            "mean over the batch",
            lambda logits: _right(logits).mean(),
            "One entropy for each row of logits was asked for.",
        ),
    ),
    variants={
        "logsumexp": lambda logits: logits.logsumexp(-1) - (logits.softmax(-1) * logits).sum(-1),
        "Categorical": lambda logits: torch.distributions.Categorical(logits=logits).entropy(),
    },
)
