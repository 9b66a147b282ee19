"""Exercise 4.6: explore a little, and share ties."""

import math
from typing import Any

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import value_functions as probes


def _checked(epsilon: float) -> None:
    if math.isnan(epsilon) or not 0.0 <= epsilon <= 1.0:
        raise ValueError(epsilon)


def oracle(q: Tensor, epsilon: float) -> Tensor:
    """Count: toss the coin, and list what each outcome would do."""
    _checked(epsilon)
    rows = []
    for row in q.reshape(-1, q.shape[-1]).tolist():
        best = [a for a, value in enumerate(row) if value == max(row)]
        chance = [epsilon / len(row)] * len(row)
        for action in best:
            chance[action] += (1 - epsilon) / len(best)
        rows.append(chance)
    return torch.tensor(rows, dtype=q.dtype).reshape(q.shape)


def _where(q: Tensor, epsilon: float) -> Tensor:
    """Another right way: two levels, chosen by torch.where."""
    _checked(epsilon)
    best = q == q.max(dim=-1, keepdim=True).values
    low = torch.full_like(q, epsilon / q.shape[-1])
    return torch.where(best, low + (1 - epsilon) / best.sum(dim=-1, keepdim=True), low)


def _first_argmax(q: Tensor, epsilon: float) -> Tensor:
    _checked(epsilon)
    greedy = torch.nn.functional.one_hot(q.argmax(dim=-1), q.shape[-1]).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * greedy


def _others_only(q: Tensor, epsilon: float) -> Tensor:
    _checked(epsilon)
    best = (q == q.amax(dim=-1, keepdim=True)).to(q.dtype)
    count, others = best.sum(-1, keepdim=True), (1 - best).sum(-1, keepdim=True)
    greedy = best * torch.where(others > 0, 1 - epsilon, 1.0) / count
    return greedy + (1 - best) * epsilon / others.clamp(min=1)


def _whole_share(q: Tensor, epsilon: float) -> Tensor:
    _checked(epsilon)
    best = (q == q.amax(dim=-1, keepdim=True)).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * best


def _unchecked(q: Tensor, epsilon: float) -> Tensor:
    best = (q == q.amax(dim=-1, keepdim=True)).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * best / best.sum(dim=-1, keepdim=True)


def _call(epsilon: float, *q: float) -> dict[str, Any]:
    return {"q": torch.tensor(q, dtype=torch.float64), "epsilon": epsilon}


def _double(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


EXERCISE = ExerciseSpec(
    number="4.6",
    title="ε-greedy",
    targets=("epsilon_greedy",),
    points=2,
    minutes=10,
    difficulty=2,
    section="Control: SARSA, expected SARSA, Q-learning",
    statement="""
Return the **probabilities** of the ε-greedy policy: with probability ε any action, all equally likely, else the best
one. Where several are best, they share. An agent that has learned nothing yet has *only* ties.
""",
    hints=(
        "Two parts that add up: every action gets the same small share of ε, and the best actions share the rest.",
        "ε/A for each action, plus (1 − ε)/(number of best actions) for each of the best. The best are those equal to "
        "the maximum of the last axis.",
        "best = (q == q.amax(-1, keepdim=True)) as numbers; greedy = best / best.sum(-1, keepdim=True); "
        "ε/A + (1 − ε) · greedy. Refuse an ε outside [0, 1].",
    ),
    checks=(
        Case(
            "one best action",
            _call(0.2, 0.0, 5.0, 1.0, 2.0),
            "ε = 0.2, four actions: 0.05 for each, and 0.8 more for the best",
            expected=_double(0.05, 0.85, 0.05, 0.05),
        ),
        Case(
            "a tie",
            _call(0.4, 3.0, 1.0, 3.0, 0.0),
            "ε = 0.4, two of four actions are best: they share 0.6",
            expected=_double(0.4, 0.1, 0.4, 0.1),
        ),
        Case(
            "nothing learned yet",
            _call(0.1, 0.0, 0.0, 0.0, 0.0, 0.0),
            "five equal values: no action may be preferred",
            expected=_double(0.2, 0.2, 0.2, 0.2, 0.2),
        ),
        Case(
            "a batch",
            {"q": integers(0, 3, 4, 5).double(), "epsilon": 0.3},
            "four states with ties, compared with counting",
            oracle=oracle,
        ),
        Law(probes.probabilities_sum_to_one, "probabilities"),
        Law(probes.the_names_of_the_actions_do_not_matter, "order is an accident"),
        Case(
            "always greedy",
            _call(0.0, -1e4, 1e4, -1e4),
            "ε = 0, values of ±10,000",
            expected=_double(0.0, 1.0, 0.0),
        ),
        Case(
            "always random",
            _call(1.0, -1.0, 2.0),
            "ε = 1: both actions equally",
            expected=_double(0.5, 0.5),
        ),
        Case("more than certain", _call(1.5, 0.0, 1.0), "ε = 1.5 is an error", raises=ValueError),
        Case("less than never", _call(-0.1, 0.0, 1.0), "ε = −0.1 is an error", raises=ValueError),
        Case(
            "single precision",
            {"q": torch.tensor([1.0, 1.0, -1.0, -1.0]), "epsilon": 0.5},
            "float32 in, float32 out",
            expected=torch.tensor([0.375, 0.375, 0.125, 0.125]),
        ),
        Case(
            "another batch",
            {"q": integers(1, 2, 6, 4).double(), "epsilon": 0.15},
            "six states with many ties",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "no ties",
            {"q": normal(2, 3, 6), "epsilon": 0.25},
            "three states without ties",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "greedy with a tie",
            _call(0.0, -3.0, -3.0, -7.0),
            "ε = 0 and two best actions, all negative",
            expected=_double(0.5, 0.5, 0.0),
            hidden=True,
        ),
        Case("out of range", _call(2.0, 0.0, 1.0), "ε = 2", raises=ValueError, hidden=True),
        Case("negative", _call(-1.0, 0.0, 1.0), "ε = −1", raises=ValueError, hidden=True),
        Case(
            "ends of the range",
            _call(1.0, 4.0, 4.0, 0.0, 0.0),
            "ε = 1 with a tie",
            expected=_double(0.25, 0.25, 0.25, 0.25),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the first of the best takes all",
            _first_argmax,
            "argmax returns the first of equal values. An agent that starts with zeros would then nearly always take "
            "action 0. Share the greedy part among all that tie.",
        ),
        Mistake(
            "the best action is left out of the random part",
            _others_only,
            "A random action may happen to be the best one: every action gets ε/A.",
        ),
        Mistake(
            "ε and 1 − ε exchanged",
            lambda q, epsilon: oracle(q, 1 - epsilon) if 0 <= epsilon <= 1 else oracle(q, epsilon),
            "ε is the probability of a random action, not of the greedy one.",
        ),
        Mistake(
            "every tie gets the whole share",
            _whole_share,
            "The probabilities sum to more than 1 where several actions are best. Divide by their number.",
        ),
        Mistake(
            "the worst action is preferred",
            lambda q, epsilon: oracle(-q, epsilon),
            "Action values are returns: the largest is the best.",
        ),
        Mistake(
            "an impossible ε passes",
            _unchecked,
            "An ε outside [0, 1] gives negative probabilities. Raise ValueError.",
        ),
    ),
    variants={"where": _where, "counting": oracle},
)
