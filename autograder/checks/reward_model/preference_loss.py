"""Exercise 10.2: the loss of one pair after the other."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import reward_model as probes


def oracle(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    """log(1 + exp(-gap)), number by number."""
    gaps = (chosen - rejected - margin).tolist()
    each = [math.log1p(math.exp(-g)) if g > 0 else -g + math.log1p(math.exp(g)) for g in gaps]
    return torch.tensor(math.fsum(each) / len(each), dtype=chosen.dtype)


def _right(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return functional.softplus(rejected - chosen + margin).mean()


def _swapped(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return _right(rejected, chosen, margin)


def _underflow(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return -(chosen - rejected - margin).sigmoid().log().mean()


def _square(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return (1 - (chosen - rejected - margin)).square().mean()


def _sign(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return _right(chosen, rejected, -margin)


def _no_margin(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return _right(chosen, rejected)


def _sum(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return functional.softplus(rejected - chosen + margin).sum()


def _probability(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return -(chosen - rejected - margin).sigmoid().mean()


def _hinge(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return (rejected - chosen + margin).clamp(min=0).mean()


def _apart(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return (functional.softplus(margin - chosen) + functional.softplus(rejected)).mean()


def _half(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return _right(chosen, rejected.detach(), margin)


def _uphill(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    return -_right(chosen, rejected, margin)


def _classified(chosen: Tensor, rejected: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    """Another right way: softmax over the two, and the first is right."""
    both = torch.stack([chosen - margin, rejected.expand_as(chosen)], dim=1)
    return functional.cross_entropy(both, torch.zeros(len(both)).long())


def _double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


GAPS = _double(0.5, -1.0, 0.25, 2.0)

EXERCISE = ExerciseSpec(
    number="10.2",
    title="The loss of a comparison",
    targets=("preference_loss",),
    points=2,
    minutes=10,
    difficulty=2,
    section="From comparisons to a score",
    statement="""
Somebody preferred one response over another. Under the model of Bradley and Terry the probability of that is the
sigmoid of the difference of their scores. Return the mean of minus its logarithm, finite also where a model is wrong
with great conviction. A margin asks for a lead: the difference counts only as far as it exceeds the margin.
""",
    hints=(
        "The loss is the surprise at what people said. Which function of torch gives the "
        "logarithm of a sigmoid without taking "
        "the sigmoid first?",
        "The gap is chosen minus rejected minus margin; the loss of a pair is −log σ(gap); "
        "take the mean over the pairs.",
        "torch.nn.functional has logsigmoid. One line: minus the mean of it, at the gap.",
    ),
    checks=(
        Case(
            "hand value",
            {"chosen": _double(math.log(3.0), 1.0), "rejected": _double(0.0, 1.0)},
            "the odds are 3 to 1 in the first pair, even in the second: (−log ¾ − log ½) / 2",
            expected=torch.tensor(-(math.log(0.75) + math.log(0.5)) / 2, dtype=torch.float64),
        ),
        Case(
            "random scores",
            {"chosen": normal(0, 5), "rejected": normal(1, 5)},
            "five pairs, with gradients",
            oracle=oracle,
            gradients=("chosen", "rejected"),
        ),
        Case(
            "a margin",
            {"chosen": normal(2, 5), "rejected": normal(3, 5), "margin": 0.7},
            "the preferred response should lead by 0.7",
            oracle=oracle,
            gradients=("chosen", "rejected"),
        ),
        Case(
            "a margin for each pair",
            {"chosen": normal(4, 4), "rejected": normal(5, 4), "margin": GAPS},
            "margins of 0.5, −1, 0.25 and 2",
            oracle=oracle,
        ),
        Case(
            "large scores",
            {"chosen": _double(1e4, -1e4), "rejected": _double(-1e4, 1e4)},
            "scores of ±10,000: right and sure, wrong and sure",
            oracle=oracle,
            gradient_values={"chosen": _double(0.0, -0.25), "rejected": _double(0.0, 0.25)},
        ),
        Law(probes.only_differences_count, "the zero of the scale"),
        Law(probes.no_opinion_loses_the_logarithm_of_two, "equal scores"),
        Law(probes.either_answer_has_probability_one_in_all, "the two probabilities"),
        Case(
            "other scores",
            {"chosen": 2 * normal(6, 7), "rejected": normal(7, 7), "margin": 0.3},
            "seven pairs",
            oracle=oracle,
            gradients=("chosen", "rejected"),
            hidden=True,
        ),
        Case(
            "without a margin",
            {"chosen": normal(8, 3), "rejected": normal(9, 3)},
            "three pairs",
            oracle=oracle,
            gradients=("chosen", "rejected"),
            hidden=True,
        ),
        Case(
            "other large scores",
            {"chosen": _double(-5e3, 0.0), "rejected": _double(5e3, 0.0)},
            "wrong and sure",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "single precision",
            {
                "chosen": torch.tensor([1.0, 2.0]),
                "rejected": torch.tensor([0.5, 4.0]),
                "margin": torch.tensor([0.25, 0.0]),
            },
            "float32 in, float32 out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "swapped",
            _swapped,
            "The loss grows when the preferred response is ahead: the two are exchanged.",
        ),
        Mistake(
            "log of a sigmoid",
            _underflow,
            "The sigmoid of a large negative number is 0, and its logarithm −∞. Use logsigmoid.",
        ),
        Mistake(
            "a square",
            _square,
            "That is a regression of the difference on 1; people gave no such number.",
        ),
        Mistake(
            "sign of the margin",
            _sign,
            "A margin makes it harder to be right: it is subtracted from the lead.",
        ),
        Mistake("no margin", _no_margin, "The margin is not used."),
        Mistake(
            "a sum", _sum, "Take the mean over the pairs, so that the batch size does not matter."
        ),
        Mistake(
            "probability for its logarithm",
            _probability,
            "The surprise is the logarithm of the probability.",
        ),
        Mistake(
            "a hinge",
            _hinge,
            "That is a ranking hinge: pairs that are just right teach nothing, and it is no "
            "log-probability.",
        ),
        Mistake(
            "each response by itself",
            _apart,
            "That says that preferred responses are above 0 and others below. Only the "
            "difference of the two is known.",
        ),
        Mistake(
            "gradient into the preferred one only",
            _half,
            "Both scores come from the model, and both learn.",
        ),
        Mistake("uphill", _uphill, "A loss is minimized: minus the mean log-probability."),
    ),
    variants={"softplus": _right, "classified": _classified},
)
