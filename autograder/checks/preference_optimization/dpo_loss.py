"""Exercise 13.3: comparisons train the policy itself."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import preference_optimization as probes


def oracle(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, beta: float
) -> Tensor:
    """log(1 + exp(-gap)), pair by pair."""
    each = []
    for a, b, c, d in zip(
        chosen.tolist(), rejected.tolist(), ref_chosen.tolist(), ref_rejected.tolist(), strict=True
    ):
        gap = beta * ((a - c) - (b - d))
        each.append(math.log1p(math.exp(-gap)) if gap > 0 else -gap + math.log1p(math.exp(gap)))
    return torch.tensor(math.fsum(each) / len(each), dtype=chosen.dtype)


def closed_form(odds: Sequence[int], ref_log_probs: Tensor, beta: float) -> Tensor:
    """The optimum of E[r] - beta KL for r = log odds: proportional to ref · odds^(1/beta)."""
    weights = [
        math.exp(log_prob) * odd ** (1 / beta)
        for log_prob, odd in zip(ref_log_probs.tolist(), odds, strict=True)
    ]
    return torch.tensor([w / math.fsum(weights) for w in weights], dtype=torch.float64)


def _checked(beta: float) -> None:
    if not beta > 0:
        raise ValueError("beta must be positive")


def _right(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    """Another right way: how much each response's ratio has grown, compared by softmax."""
    _checked(beta)
    rewards = beta * torch.stack([a - c.detach(), b - d.detach()], dim=1)
    return torch.nn.functional.cross_entropy(rewards, torch.zeros(len(a)).long())


def _softplus(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    """Another right way: the policy's lead against the reference's lead."""
    _checked(beta)
    return torch.nn.functional.softplus(-beta * ((a - b) - (c - d).detach())).mean()


def _no_reference(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    _checked(beta)
    return -logsigmoid(beta * (a - b)).mean()


def _swapped(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    return _softplus(b, a, d, c, beta)


def _reference_added(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    return _softplus(a, b, d, c, beta)


def _divided(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    _checked(beta)
    return _softplus(a, b, c, d, 1 / beta)


def _beta_outside(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    _checked(beta)
    return beta * _softplus(a, b, c, d, 1.0)


def _no_beta(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    _checked(beta)
    return _softplus(a, b, c, d, 1.0)


def _underflow(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    _checked(beta)
    return -(beta * ((a - c.detach()) - (b - d.detach()))).sigmoid().log().mean()


def _ratios(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    _checked(beta)
    return -logsigmoid(beta * ((a - c.detach()).exp() - (b - d.detach()).exp())).mean()


def _live(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    _checked(beta)
    return -logsigmoid(beta * ((a - c) - (b - d))).mean()


def _half(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    return _softplus(a, b.detach(), c, d, beta)


def _detached(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    return _softplus(a, b, c, d, beta).detach()


def _sum(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    return _softplus(a, b, c, d, beta) * len(a)


def _uphill(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    return -_softplus(a, b, c, d, beta)


def _square(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    _checked(beta)
    return ((a - c.detach()) - (b - d.detach()) - 1 / (2 * beta)).square().mean()


def _hinge(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    _checked(beta)
    return (1 - beta * ((a - c.detach()) - (b - d.detach()))).clamp(min=0).mean()


def _probability(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    _checked(beta)
    return -(beta * ((a - c.detach()) - (b - d.detach()))).sigmoid().mean()


def _any_beta(a: Tensor, b: Tensor, c: Tensor, d: Tensor, beta: float) -> Tensor:
    return -logsigmoid(beta * ((a - b) - (c - d).detach())).mean()


def _double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _pairs(seed: int, count: int, beta: float) -> dict[str, Tensor | float]:
    names = ("chosen", "rejected", "ref_chosen", "ref_rejected")
    found: dict[str, Tensor | float] = {
        name: -3 - normal(seed + k, count) for k, name in enumerate(names)
    }
    return found | {"beta": beta}


def _random(seed: int, count: int, beta: float, hidden: bool = False) -> Case:
    return Case(
        f"{count} pairs, beta {beta}",
        _pairs(seed, count, beta),
        "random log-probabilities; gradients flow into the policy's and into no others",
        oracle=oracle,
        gradients=("chosen", "rejected"),
        detached=("ref_chosen", "ref_rejected"),
        hidden=hidden,
    )


def _optimum(
    odds: tuple[int, ...], ref: tuple[float, ...], beta: float, hidden: bool = False
) -> Case:
    return Case(
        f"the policy that it likes best, beta {beta}",
        {"odds": odds, "ref_log_probs": _double(*ref).log(), "beta": beta},
        f"{len(odds)} responses, people prefer them with odds {odds}: the minimizer is proportional to "
        "the reference times exp(reward / beta), the optimum that RL with a KL penalty seeks",
        probe=probes.minimizer,
        oracle=closed_form,
        hidden=hidden,
    )


HAND = {
    "chosen": _double(-1.0, -2.0),
    "rejected": _double(-1.0, -2.0),
    "ref_chosen": _double(-1.0 - math.log(3.0), -5.0),
    "ref_rejected": _double(-1.0, -5.0),
}
"""The first policy has made its preferred response three times as likely; the second both equally."""

EXERCISE = ExerciseSpec(
    number="13.3",
    title="Comparisons train the policy itself",
    targets=("dpo_loss",),
    points=3,
    minutes=20,
    difficulty=2,
    section="Preferences without a reward model",
    statement="""
Put the reward that belongs to a policy, β log π/π_ref, into the loss of exercise 10.2. What comes out needs neither a
reward model nor samples from the policy, only log-probabilities of both responses of each pair, under the policy and
under its frozen reference. The checks let your loss loose on a small world and see where it ends: at the optimum of
expected reward minus β times KL.
""",
    hints=(
        "By how many nats has the policy raised the preferred response above its reference? And the other?",
        "The lead is (chosen − ref_chosen) − (rejected − ref_rejected); the loss of a pair is −log σ(β · lead).",
        "Refuse a beta that is not positive; detach both ref_ arguments; logsigmoid; minus the mean.",
    ),
    checks=(
        Case(
            "hand value",
            HAND | {"beta": 1.0},
            "odds of 3 to 1 in the first pair, even in the second: (−log ¾ − log ½) / 2",
            expected=torch.tensor(-(math.log(0.75) + math.log(0.5)) / 2, dtype=torch.float64),
        ),
        Case(
            "hand value, beta 2",
            HAND | {"beta": 2.0},
            "with beta 2 the odds of the first pair are 9 to 1",
            expected=torch.tensor(-(math.log(0.9) + math.log(0.5)) / 2, dtype=torch.float64),
        ),
        _random(0, 5, 0.1),
        _random(10, 4, 1.7),
        _optimum((1, 2, 3), (0.5, 0.3, 0.2), 1.0),
        _optimum((3, 1, 2, 2), (0.1, 0.4, 0.3, 0.2), 0.5),
        Case(
            "large log-probabilities",
            {
                "chosen": _double(-1e4, -1e4),
                "rejected": _double(-2e4, 0.0),
                "ref_chosen": _double(-2e4, 0.0),
                "ref_rejected": _double(-1e4, -1e4),
                "beta": 1.0,
            },
            "leads of ±20,000 nats: right and sure, wrong and sure",
            oracle=oracle,
            gradient_values={"chosen": _double(0.0, -0.25), "rejected": _double(0.0, 0.25)},
        ),
        Case(
            "beta 0",
            _pairs(30, 3, 0.0),
            "without a price there is no such optimum",
            raises=ValueError,
        ),
        Case("negative beta", _pairs(30, 3, -0.1), "the price must be positive", raises=ValueError),
        Law(probes.at_the_reference_nothing_is_known, "the first step"),
        Law(probes.the_prompt_cancels, "what both responses have in common"),
        Law(probes.either_answer_has_probability_one_in_all, "the two probabilities"),
        _random(40, 6, 0.3, hidden=True),
        _random(50, 3, 2.5, hidden=True),
        _optimum((2, 1, 4), (0.2, 0.2, 0.6), 1.5, hidden=True),
        Case(
            "other large log-probabilities",
            {
                "chosen": _double(-9e3, -5.0),
                "rejected": _double(0.0, -5.0),
                "ref_chosen": _double(0.0, -6.0),
                "ref_rejected": _double(-9e3, -6.0),
                "beta": 0.5,
            },
            "wrong and sure",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "beta 0 again",
            _pairs(60, 2, 0.0),
            "the price must be positive",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "negative beta again",
            _pairs(60, 2, -1.0),
            "the price must be positive",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "single precision",
            {name: x.float() for name, x in HAND.items()} | {"beta": 0.7},
            "float32 in, float32 out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "no reference",
            _no_reference,
            "Nothing holds the policy near its reference: compare how much each response has grown since.",
        ),
        Mistake(
            "swapped",
            _swapped,
            "The loss grows when the preferred response grows: the two are exchanged.",
        ),
        Mistake(
            "reference on the wrong side",
            _reference_added,
            "The reference's log-probabilities are subtracted from those of the policy.",
        ),
        Mistake(
            "divided by beta",
            _divided,
            "beta multiplies the log-ratio: the reward of a policy is β log π/π_ref.",
        ),
        Mistake(
            "beta outside",
            _beta_outside,
            "beta belongs inside the sigmoid; outside it only changes the size of the step.",
        ),
        Mistake("no beta", _no_beta, "beta is not used."),
        Mistake(
            "log of a sigmoid",
            _underflow,
            "The sigmoid of a large negative number is 0, and its logarithm −∞. Use logsigmoid.",
        ),
        Mistake(
            "ratios for log-ratios",
            _ratios,
            "The reward is the logarithm of the ratio, not the ratio.",
        ),
        Mistake(
            "gradient into the reference",
            _live,
            "The reference is frozen: detach its log-probabilities.",
        ),
        Mistake(
            "only the preferred response learns",
            _half,
            "Both log-probabilities come from the policy, and both learn.",
        ),
        Mistake("no gradient", _detached, "No gradient reaches the policy."),
        Mistake(
            "a sum", _sum, "Take the mean over the pairs, so that the batch size does not matter."
        ),
        Mistake("uphill", _uphill, "A loss is minimized: minus the mean log-probability."),
        Mistake(
            "a square",
            _square,
            "That is IPO, which seeks another optimum. Here it is the logistic loss.",
        ),
        Mistake(
            "a hinge",
            _hinge,
            "That is a hinge: pairs that are far enough ahead teach nothing. It is no log-probability.",
        ),
        Mistake(
            "probability for its logarithm",
            _probability,
            "The surprise is the logarithm of the probability.",
        ),
        Mistake(
            "any beta will do", _any_beta, "A beta that is not positive should raise ValueError."
        ),
    ),
    variants={"classified": _right, "softplus": _softplus},
)
