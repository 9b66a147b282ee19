"""Exercise 7.6: the KL divergence of two softmax distributions."""

import math

import torch
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

from autograder.checks.sequence_oracles import kl_of, log_softmax_row
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import off_policy as probes


def oracle(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """Row by row with exactly rounded sums of Python floats."""
    width = logits_p.shape[-1]
    pairs = zip(logits_p.reshape(-1, width), logits_q.reshape(-1, width), strict=True)
    rows = [kl_of(log_softmax_row(p).exp(), log_softmax_row(q).exp()) for p, q in pairs]
    return torch.tensor(rows, dtype=torch.float64).reshape(logits_p.shape[:-1])


def _terms(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    log_p, log_q = logits_p.log_softmax(-1), logits_q.log_softmax(-1)
    return log_p.exp() * (log_p - log_q)


def _right(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    return _terms(logits_p, logits_q).sum(-1)


def _log_of_softmax(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    p, q = logits_p.softmax(-1), logits_q.softmax(-1)
    return (p * (p.log() - q.log())).sum(-1)


def _functional(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """Another right way: PyTorch's own, whose arguments come the other way round."""
    log_p, log_q = logits_p.log_softmax(-1), logits_q.log_softmax(-1)
    return torch.nn.functional.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)


def _cross_entropy(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """Another right way: cross-entropy minus entropy."""
    p, log_p = logits_p.softmax(-1), logits_p.log_softmax(-1)
    return (p * log_p).sum(-1) - (p * logits_q.log_softmax(-1)).sum(-1)


def _distributions(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    return kl_divergence(Categorical(logits=logits_p), Categorical(logits=logits_q))


SURE = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]], dtype=torch.float64)
UNSURE = torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, -1e4]], dtype=torch.float64)

EXERCISE = ExerciseSpec(
    number="7.6",
    title="KL divergence",
    targets=("categorical_kl",),
    points=2,
    minutes=12,
    difficulty=2,
    section="How far is far? The KL divergence",
    statement="""
How far apart are two policies in one state? Write KL(p‖q) for rows of logits, in nats. It will stand in a loss, so
gradients must flow to both, and logits of any size must be fine.
""",
    hints=(
        "Draw from p, and ask on average how much more probable the draw was under p than under q, in logarithms.",
        "Σ_a p(a) (log p(a) − log q(a)) over the last axis, both logarithms from a log-softmax of the logits.",
        "log_p and log_q by log_softmax over the last axis; the exponential of log_p times their difference; a sum.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "logits_p": torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64).log(),
                "logits_q": torch.tensor([0.25, 0.25, 0.5], dtype=torch.float64).log(),
            },
            "½ log 2 + ¼ log 1 − ¼ log 2 = ¼ log 2",
            expected=0.25 * torch.tensor(2.0, dtype=torch.float64).log(),
        ),
        Case(
            "some logits",
            {"logits_p": normal(0, 2, 3, 4), "logits_q": normal(1, 2, 3, 4)},
            "six rows, compared with sums of Python floats; gradients by finite differences",
            oracle=oracle,
            gradients=("logits_p", "logits_q"),
        ),
        Law(probes.no_distance_to_itself, "equal distributions"),
        Law(probes.independent_parts_add_up, "independent choices"),
        Case(
            "very large logits",
            {"logits_p": SURE, "logits_q": UNSURE},
            "logits of ±10,000: sure of the same thing, and sure against one of two",
            expected=torch.tensor([0.0, math.log(2.0)], dtype=torch.float64),
        ),
        Case(
            "worlds apart",
            {
                "logits_p": torch.tensor([1e4, 0.0], dtype=torch.float64),
                "logits_q": torch.tensor([0.0, 1e4], dtype=torch.float64),
            },
            "p is sure of what q excludes: 10,000 nats, not infinity",
            expected=torch.tensor(1e4, dtype=torch.float64),
        ),
        Case(
            "single precision",
            {"logits_p": torch.zeros(2), "logits_q": torch.zeros(2)},
            "float32 in, float32 out; one pair of rows gives a single number",
            expected=torch.tensor(0.0),
        ),
        Case(
            "other logits",
            {"logits_p": 2.0 * normal(2, 5, 3), "logits_q": 2.0 * normal(3, 5, 3)},
            "five rows of three",
            oracle=oracle,
            gradients=("logits_p", "logits_q"),
            hidden=True,
        ),
        Case(
            "further apart",
            {
                "logits_p": torch.tensor([[0.0, -2e4, 2e4]], dtype=torch.float64),
                "logits_q": torch.tensor([[2e4, 0.0, 0.0]], dtype=torch.float64),
            },
            "20,000 nats",
            expected=torch.tensor([2e4], dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the other direction",
            lambda logits_p, logits_q: _right(logits_q, logits_p),
            "KL(p‖q) averages over p. The two directions are different numbers.",
        ),
        Mistake(
            "mean over the actions",
            lambda logits_p, logits_q: _terms(logits_p, logits_q).mean(-1),
            "An expectation is a sum weighted with p, not a mean over actions.",
        ),
        Mistake(
            "negative",
            lambda logits_p, logits_q: -_right(logits_p, logits_q),
            "A divergence is never negative: log p − log q, averaged over p.",
        ),
        Mistake(
            "detached",
            lambda logits_p, logits_q: _right(logits_p.detach(), logits_q.detach()),
            "It will be part of a loss: gradients must reach both.",
        ),
        Mistake(
            "p carries no gradient",
            lambda logits_p, logits_q: _right(logits_p.detach(), logits_q),
            "Both distributions may be trained: let gradients flow to both.",
        ),
        Mistake(
            "raw logits",
            lambda logits_p, logits_q: (logits_p.softmax(-1) * (logits_p - logits_q)).sum(-1),
            "Logits are log-probabilities only up to a constant, and the two constants differ: log-softmax first.",
        ),
        Mistake(
            "NaN where a probability is rounded to 0",
            _log_of_softmax,
            "log(0) is −∞ and 0 · ∞ is NaN. Take log_softmax of the logits instead of log of the softmax.",
        ),
        Mistake(
            "infinite where a probability is rounded to 0",
            _distributions,
            "kl_divergence of torch.distributions looks at probabilities: one that is rounded to 0 gives infinity, and "
            "the gradient is lost. Stay with log-probabilities.",
        ),
        Mistake(
            "mean over the batch",
            lambda logits_p, logits_q: _right(logits_p, logits_q).mean(),
            "One number for each pair of rows was asked for.",
        ),
    ),
    variants={"kl_div": _functional, "cross-entropy minus entropy": _cross_entropy},
)
