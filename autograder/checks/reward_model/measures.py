"""Exercise 10.5: how often a reward model is right, and whether it knows how often."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import reward_model as probes

ACCURACY, CALIBRATION = "preference_accuracy", "calibration_error"


def accuracy_oracle(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Count, pair by pair."""
    pairs = zip(chosen.tolist(), rejected.tolist(), strict=True)
    marks = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs]
    return torch.tensor(math.fsum(marks) / len(marks), dtype=chosen.dtype)


def parts(probs: Tensor, outcomes: Tensor, bins: int) -> list[list[tuple[float, float]]]:
    """The pairs of each part: probability and outcome."""
    if bins < 1:
        raise ValueError("no part")
    found: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for p, happened in zip(probs.tolist(), outcomes.tolist(), strict=True):
        found[min(int(p * bins), bins - 1)].append((p, happened))
    return found


def calibration_oracle(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
    """Part by part: its share times the distance of its two means."""
    total = 0.0
    for part in parts(probs, outcomes, bins):
        if part:
            stated, happened = (math.fsum(column) / len(part) for column in zip(*part, strict=True))
            total += len(part) / len(probs) * abs(happened - stated)
    return torch.tensor(total, dtype=probs.dtype)


def _share(mark: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def preference_accuracy(chosen: Tensor, rejected: Tensor) -> Tensor:
        return mark(chosen, rejected).to(chosen.dtype).mean()

    return preference_accuracy


def _without_ties(chosen: Tensor, rejected: Tensor) -> Tensor:
    decided = chosen != rejected
    return ((chosen > rejected) & decided).to(chosen.dtype).sum() / decided.sum()


def _count(chosen: Tensor, rejected: Tensor) -> Tensor:
    return ((chosen - rejected).sign() / 2 + 0.5).sum()


Gap = Callable[[list[float], list[float]], float]


def _by_parts(
    gap: Gap, combine: Callable[[list[float], list[int]], float]
) -> Callable[..., Tensor]:
    """Made of the gap of each part that is not empty, and of how gaps and sizes combine."""

    def calibration_error(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
        full = [part for part in parts(probs, outcomes, bins) if part]
        columns = [tuple(map(list, zip(*part, strict=True))) for part in full]
        gaps = [gap(stated, happened) for stated, happened in columns]
        return torch.tensor(combine(gaps, [len(part) for part in full]), dtype=probs.dtype)

    return calibration_error


def _mean(x: list[float]) -> float:
    return math.fsum(x) / len(x)


def _distance(stated: list[float], happened: list[float]) -> float:
    return abs(_mean(happened) - _mean(stated))


def _weighted(gaps: list[float], sizes: list[int]) -> float:
    return math.fsum(g * n for g, n in zip(gaps, sizes, strict=True)) / sum(sizes)


def _unweighted(gaps: list[float], sizes: list[int]) -> float:
    return _mean(gaps)


def _middle(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
    total = 0.0
    for k, part in enumerate(parts(probs, outcomes, bins)):
        if part:
            total += len(part) * abs(_mean([o for _, o in part]) - (k + 0.5) / bins)
    return torch.tensor(total / len(probs), dtype=probs.dtype)


def _one_by_one(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
    if bins < 1:
        raise ValueError("no part")
    return (outcomes.to(probs.dtype) - probs).abs().mean()


def _sure_ones_lost(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
    keep = probs < 1
    kept = calibration_oracle(probs[keep], outcomes[keep], bins)
    return kept * keep.sum() / len(probs)


def _own_part(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
    """A part of its own for what is stated for sure."""
    keep = probs < 1
    rest = (outcomes.to(probs.dtype) - probs)[~keep].sum().abs() / len(probs)
    return _sure_ones_lost(probs, outcomes, bins) + rest


def _empty_parts(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
    found = calibration_oracle(probs, outcomes, bins)
    empty = sum(not part for part in parts(probs, outcomes, bins))
    return found * torch.nan if empty else found


def _accepts(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
    return calibration_oracle(probs, outcomes, max(bins, 1))


def _bool_outcomes(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
    return calibration_oracle(probs, (outcomes > 0).double(), bins)


def _loop(probs: Tensor, outcomes: Tensor, bins: int) -> Tensor:
    """Another right way."""
    if bins < 1:
        raise ValueError("no part")
    place = (probs * bins).floor().clamp(max=bins - 1)
    total = probs.new_zeros(())
    for k in range(bins):
        inside = place == k
        if bool(inside.any()):
            gap = outcomes[inside].to(probs.dtype).mean() - probs[inside].mean()
            total = total + gap.abs() * inside.sum() / len(probs)
    return total


def _double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


STATED = _double(0.1, 0.2, 0.3, 0.6, 0.7, 0.95, 1.0, 1.0, 0.55, 0.45)
HAPPENED = _double(0, 0, 1, 1, 0.5, 1, 1, 0, 1, 1)
TIED = _double(1.0, 2.0, 2.0, 0.0)
ACROSS = _double(0.1, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0, 0.05, 0.35, 1.0)
SEEN = _double(1, 0, 0, 0, 1, 1, 1, 0, 0, 0.5, 0)

EXERCISE = ExerciseSpec(
    number="10.5",
    title="How often right, and how sure",
    targets=(ACCURACY, CALIBRATION),
    points=3,
    minutes=25,
    difficulty=3,
    section="How sure may it be",
    statement="""
Two measures of a reward model. **Accuracy**: how often does it agree with people? Equal scores are half right, or a
model that gives everything the same score would look perfect, or hopeless. **Calibration**: where it says 80 %, are
people of its opinion in 80 % of the cases? Cut [0, 1] into equal parts, compare stated and seen in each, and weigh each
part by how many pairs it has.
""",
    hints=(
        "Accuracy is a mean of 1, ½ and 0. For calibration ask which part a probability "
        "belongs to, and mind the one that is exactly 1.",
        "The part of p is the whole number in p times bins, at most bins − 1. Share times "
        "distance of the means is the distance of the sums, divided by N.",
        "place = whole part of probs * bins, clamped to bins − 1; add up outcome minus probability "
        "in each place with index_add; sum of the absolute values over N.",
    ),
    checks=(
        Case(
            "hand value",
            {"chosen": TIED, "rejected": _double(0.0, 3.0, 2.0, -1.0)},
            "right, wrong, tied, right: 2½ of 4",
            expected=torch.tensor(0.625, dtype=torch.float64),
            target=ACCURACY,
        ),
        Case(
            "random scores",
            {"chosen": normal(0, 9).round(decimals=0), "rejected": normal(1, 9).round(decimals=0)},
            "nine pairs of whole numbers, some of them equal",
            oracle=accuracy_oracle,
            target=ACCURACY,
        ),
        Law(probes.a_coin_is_half_right, "both sides together", target=ACCURACY),
        Law(probes.scale_and_shift_change_nothing, "scale and shift", target=ACCURACY),
        Case(
            "hand value of calibration",
            {
                "probs": _double(0.25, 0.125, 0.75, 0.875),
                "outcomes": _double(0, 1, 1, 1),
                "bins": 2,
            },
            "below a half: 0.5 seen, 0.1875 stated; above: 1 seen, 0.8125 stated; two pairs each",
            expected=torch.tensor(0.25, dtype=torch.float64),
            target=CALIBRATION,
        ),
        Case(
            "ten probabilities",
            {"probs": STATED, "outcomes": HAPPENED, "bins": 4},
            "four parts of different size, two probabilities of exactly 1, a tie",
            oracle=calibration_oracle,
            target=CALIBRATION,
        ),
        Case(
            "empty parts",
            {"probs": STATED, "outcomes": HAPPENED, "bins": 30},
            "thirty parts, most of them empty",
            oracle=calibration_oracle,
            target=CALIBRATION,
        ),
        Case(
            "certain and always right",
            {"probs": _double(1.0, 0.0, 0.5), "outcomes": _double(1, 0, 0.5), "bins": 2},
            "1, 0 and a tie at ½: nothing is off",
            expected=torch.tensor(0.0, dtype=torch.float64),
            target=CALIBRATION,
        ),
        Case(
            "no part",
            {"probs": STATED, "outcomes": HAPPENED, "bins": 0},
            "bins = 0",
            raises=ValueError,
            target=CALIBRATION,
        ),
        Law(probes.the_order_of_the_pairs_does_not_matter, "order", target=CALIBRATION),
        Law(probes.one_part_compares_the_two_means, "one part", target=CALIBRATION),
        Case(
            "other scores",
            {
                "chosen": _double(1.0, 1.0, 5.0, 2.0, 0.0),
                "rejected": _double(1.0, 3.0, 2.0, 2.0, -4.0),
            },
            "two ties in five",
            oracle=accuracy_oracle,
            target=ACCURACY,
            hidden=True,
        ),
        Case(
            "single precision",
            {"chosen": torch.tensor([1.0, 2.0, 3.0]), "rejected": torch.tensor([1.0, 0.0, 4.0])},
            "float32 in, float32 out",
            oracle=accuracy_oracle,
            target=ACCURACY,
            hidden=True,
        ),
        Case(
            "other probabilities",
            {"probs": ACROSS, "outcomes": SEEN, "bins": 4},
            "eleven probabilities in four parts",
            oracle=calibration_oracle,
            target=CALIBRATION,
            hidden=True,
        ),
        Case(
            "other empty parts",
            {"probs": ACROSS, "outcomes": SEEN, "bins": 17},
            "seventeen parts",
            oracle=calibration_oracle,
            target=CALIBRATION,
            hidden=True,
        ),
        Case(
            "calibration in single precision",
            {
                "probs": torch.tensor([0.25, 0.75, 1.0]),
                "outcomes": torch.tensor([0, 1, 1]),
                "bins": 2,
            },
            "float32 probabilities, whole numbers as outcomes",
            oracle=calibration_oracle,
            target=CALIBRATION,
            hidden=True,
        ),
        Case(
            "less than no part",
            {"probs": ACROSS, "outcomes": SEEN, "bins": -3},
            "bins = −3",
            raises=ValueError,
            target=CALIBRATION,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "ties right",
            _share(lambda a, b: a >= b),
            "A model that gives everything the same score would be always right. A tie is "
            "half right.",
            target=ACCURACY,
        ),
        Mistake(
            "ties wrong",
            _share(lambda a, b: a > b),
            "A coin would be right half of the time; so is a tie.",
            target=ACCURACY,
        ),
        Mistake("ties dropped", _without_ties, "Ties count too, as a half.", target=ACCURACY),
        Mistake(
            "swapped",
            _share(lambda a, b: (b - a).sign() / 2 + 0.5),
            "The model is right where the preferred response has the higher score.",
            target=ACCURACY,
        ),
        Mistake(
            "a number of pairs", _count, "A share was asked for: take the mean.", target=ACCURACY
        ),
        Mistake(
            "mean probability",
            _share(lambda a, b: (a - b).sigmoid()),
            "That is how sure the model is on average. Accuracy asks only who is ahead.",
            target=ACCURACY,
        ),
        Mistake(
            "parts not weighted",
            _by_parts(_distance, _unweighted),
            "A part with one pair weighs as much as one with a thousand. Weigh each by its "
            "share of the pairs.",
            target=CALIBRATION,
        ),
        Mistake(
            "squares",
            _by_parts(lambda s, h: _distance(s, h) ** 2, _weighted),
            "The absolute difference was asked for, not its square.",
            target=CALIBRATION,
        ),
        Mistake(
            "signed",
            _by_parts(lambda s, h: _mean(h) - _mean(s), _weighted),
            "Too sure in one part and too modest in another must not cancel: take absolute values.",
            target=CALIBRATION,
        ),
        Mistake(
            "the largest gap",
            _by_parts(_distance, lambda gaps, sizes: max(gaps)),
            "That is the maximum calibration error; the mean over the pairs was asked for.",
            target=CALIBRATION,
        ),
        Mistake(
            "the middle of a part",
            _middle,
            "Compare with the mean of what was stated in the part, not with its middle.",
            target=CALIBRATION,
        ),
        Mistake(
            "no parts",
            _one_by_one,
            "A single outcome is 0 or 1 and never equals its probability. Compare means over "
            "the parts.",
            target=CALIBRATION,
        ),
        Mistake(
            "a probability of 1 lost",
            _sure_ones_lost,
            "1 times bins is bins, one part too far: the last part includes 1.",
            target=CALIBRATION,
        ),
        Mistake(
            "a part of its own for 1",
            _own_part,
            "1 times bins is bins, one part too far: the last part includes 1.",
            target=CALIBRATION,
        ),
        Mistake(
            "NaN from empty parts", _empty_parts, "An empty part adds nothing.", target=CALIBRATION
        ),
        Mistake(
            "ties as successes",
            _bool_outcomes,
            "An outcome of ½ is a tie: it counts as a half.",
            target=CALIBRATION,
        ),
        Mistake(
            "no parts accepted",
            _accepts,
            "Without a part there is nothing to compare: raise a ValueError.",
            target=CALIBRATION,
        ),
    ),
    variants={
        f"{ACCURACY}.signs": _share(lambda a, b: (a - b).sign() / 2 + 0.5),
        f"{ACCURACY}.counted": accuracy_oracle,
        f"{CALIBRATION}.part by part": _loop,
        f"{CALIBRATION}.numbers": calibration_oracle,
    },
)
