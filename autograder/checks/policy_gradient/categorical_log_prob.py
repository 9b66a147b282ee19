"""Exercise 2.2: log-probability of actions under a softmax policy."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import policy_gradient as probes


def oracle(logits: Tensor, actions: Tensor) -> Tensor:
    """Row by row: the logit minus the logarithm of the sum of exponentials."""
    rows, chosen = logits.reshape(-1, logits.shape[-1]).tolist(), actions.reshape(-1).tolist()
    found = []
    for row, action in zip(rows, chosen, strict=True):
        top = max(row)
        log_total = top + math.log(sum(math.exp(logit - top) for logit in row))
        found.append(row[action] - log_total)
    return torch.tensor(found, dtype=logits.dtype).reshape(actions.shape)


def _pick(table: Tensor, actions: Tensor) -> Tensor:
    return table.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def _indexed(logits: Tensor, actions: Tensor) -> Tensor:
    flat = logits.reshape(-1, logits.shape[-1])
    picked = flat[torch.arange(len(flat)), actions.reshape(-1)] - torch.logsumexp(flat, dim=-1)
    return picked.reshape(actions.shape)


EXERCISE = ExerciseSpec(
    number="2.2",
    title="Log-probability of an action",
    targets=("categorical_log_prob",),
    points=2,
    minutes=10,
    difficulty=1,
    section="The log-derivative trick",
    statement="""
A network gives one logit for each action. Return $\\log\\pi_\\theta(a \\mid s)$ of the actions that were taken, for any
number of leading dimensions: a single state, a batch, a batch of trajectories. In chapter 9 the same function will
score the tokens of a language model.
""",
    hints=(
        "Turn logits into log-probabilities of all actions first, then pick the one that was taken.",
        "log π(a) = logit_a − log Σ exp(logits). Over which dimension is the sum? The last one, A.",
        "torch.log_softmax along the last dimension; then gather along it with actions.unsqueeze(-1), "
        "and squeeze that dimension away.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "logits": torch.tensor(
                    [[2.0, 3.0, 5.0], [1.0, 1.0, 2.0]], dtype=torch.float64
                ).log(),
                "actions": torch.tensor([2, 0]),
            },
            "logits whose exponentials are 2, 3, 5 and 1, 1, 2: the probabilities are 1/2 and 1/4",
            expected=torch.tensor([0.5, 0.25], dtype=torch.float64).log(),
        ),
        Case(
            "a batch of trajectories",
            {"logits": normal(0, 2, 3, 5), "actions": integers(0, 5, 2, 3)},
            "logits (2, 3, 5) and actions (2, 3); value and gradient",
            oracle=oracle,
            gradients=("logits",),
        ),
        Case(
            "a single state",
            {"logits": normal(1, 4), "actions": torch.tensor(3)},
            "logits (4) and one action without any batch dimension",
            oracle=oracle,
        ),
        Law(probes.probabilities_sum_to_one, "exp of the log-probabilities is a distribution"),
        Case(
            "huge logits",
            {
                "logits": torch.tensor([[1e4, -1e4], [-1e4, 1e4]], dtype=torch.float64),
                "actions": torch.tensor([1, 1]),
            },
            "logits of ±10,000: the value is −20,000 and the gradient finite",
            expected=torch.tensor([-2e4, 0.0], dtype=torch.float64),
            gradient_values={
                "logits": torch.tensor([[-0.5, 0.5], [0.0, 0.0]], dtype=torch.float64)
            },
        ),
        Case(
            "single precision",
            {"logits": torch.zeros(3, 4), "actions": torch.tensor([0, 1, 3])},
            "float32 in, float32 out: four equal logits",
            expected=torch.full((3,), -math.log(4.0)),
        ),
        Case(
            "another batch",
            {"logits": 3 * normal(2, 4, 2, 6), "actions": integers(5, 6, 4, 2)},
            "logits (4, 2, 6)",
            oracle=oracle,
            gradients=("logits",),
            hidden=True,
        ),
        Case(
            "a square batch",
            {"logits": normal(3, 4, 4), "actions": integers(8, 4, 4)},
            "as many states as actions",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "far apart",
            {
                "logits": torch.tensor([[800.0, 0.0, -800.0]], dtype=torch.float64),
                "actions": torch.tensor([2]),
            },
            "logits 1,600 apart",
            expected=torch.tensor([-1600.0], dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "log of softmax",
            lambda logits, actions: _pick(logits.softmax(-1), actions).log(),
            "softmax rounds a small probability to 0 and log(0) is −∞. torch.log_softmax never leaves log space.",
        ),
        Mistake(
            "normalized over the wrong dimension",
            lambda logits, actions: _pick(logits.log_softmax(0), actions),
            "The actions are the last dimension (dim=-1); dimension 0 is the batch.",
        ),
        Mistake(
            "raw logit",
            _pick,
            "A logit is not a log-probability yet: subtract log Σ exp(logits).",
        ),
        Mistake(
            "probability instead of its logarithm",
            lambda logits, actions: _pick(logits.softmax(-1), actions),
            "The trick needs log π; π itself gives another gradient.",
        ),
        Mistake(
            "cut off from the graph",
            lambda logits, actions: _pick(logits.log_softmax(-1), actions).detach(),
            "The gradient must reach the logits: no .detach(), .item() or numpy in between.",
        ),
        Mistake(
            "all actions returned",
            lambda logits, actions: logits.log_softmax(-1),
            "Keep only the action that was taken in each row: gather.",
        ),
    ),
    variants={
        "indexing": _indexed,
        "distributions": lambda logits, actions: torch.distributions.Categorical(
            logits=logits
        ).log_prob(actions),
    },
)
