"""Exercise 11.7: who wins, and how sure that is."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import instruct_gpt as probes

Interval = tuple[float, float, float]
Marks = Callable[[Tensor, Tensor], list[float]]


def _refuse(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or len(a) < 2:
        raise ValueError("too few")


def marks(a: Tensor, b: Tensor) -> list[float]:
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    return [1.0 if x > y else 0.5 if x == y else 0.0 for x, y in pairs]


def _spread(w: list[float], divisor: int) -> float:
    mean = math.fsum(w) / len(w)
    return math.sqrt(math.fsum((x - mean) ** 2 for x in w) / divisor)


def interval(w: list[float], z: float, error: float) -> Interval:
    rate = math.fsum(w) / len(w)
    return rate, max(0.0, rate - z * error), min(1.0, rate + z * error)


def oracle(scores_a: Tensor, scores_b: Tensor, z: float = 1.96) -> Interval:
    """Count wins, then the error of their mean."""
    w = marks(scores_a, scores_b)
    return interval(w, z, _spread(w, len(w) - 1) / math.sqrt(len(w)))


def _named(body: Callable[[Tensor, Tensor, float], Interval]) -> Callable[..., Interval]:
    def win_rate(scores_a: Tensor, scores_b: Tensor, z: float = 1.96) -> Interval:
        _refuse(scores_a, scores_b)
        return body(scores_a, scores_b, z)

    return win_rate


def _no_ties(a: Tensor, b: Tensor, z: float) -> Interval:
    keep = a != b
    w = marks(a[keep], b[keep])
    return interval(w, z, _spread(w, len(w) - 1) / math.sqrt(len(w)))


def _ties_lose(a: Tensor, b: Tensor, z: float) -> Interval:
    w = [float(x > 0.5) for x in marks(a, b)]
    return interval(w, z, _spread(w, len(w) - 1) / math.sqrt(len(w)))


def _ties_win(a: Tensor, b: Tensor, z: float) -> Interval:
    w = [float(x > 0) for x in marks(a, b)]
    return interval(w, z, _spread(w, len(w) - 1) / math.sqrt(len(w)))


def _unpaired(a: Tensor, b: Tensor, z: float) -> Interval:
    w = [mark for other in b for mark in marks(a, other.expand_as(a))]
    return interval(w, z, _spread(w, len(w) - 1) / math.sqrt(len(a)))


def _other_way(a: Tensor, b: Tensor, z: float) -> Interval:
    return oracle(b, a, z)


def _biased(a: Tensor, b: Tensor, z: float) -> Interval:
    w = marks(a, b)
    return interval(w, z, _spread(w, len(w)) / math.sqrt(len(w)))


def _coin(a: Tensor, b: Tensor, z: float) -> Interval:
    """As if there were no ties."""
    w = marks(a, b)
    rate = sum(w) / len(w)
    return interval(w, z, math.sqrt(rate * (1 - rate) / len(w)))


def _deviation(a: Tensor, b: Tensor, z: float) -> Interval:
    w = marks(a, b)
    return interval(w, z, _spread(w, len(w) - 1))


def _fixed(a: Tensor, b: Tensor, z: float) -> Interval:
    return oracle(a, b)


def _uncut(a: Tensor, b: Tensor, z: float) -> Interval:
    w = marks(a, b)
    rate, error = math.fsum(w) / len(w), _spread(w, len(w) - 1) / math.sqrt(len(w))
    return rate, rate - z * error, rate + z * error


def _gap(a: Tensor, b: Tensor, z: float) -> Interval:
    """The mean gap of the scores, through a sigmoid."""
    w = (a - b).double().sigmoid().tolist()
    return interval(w, z, _spread(w, len(w) - 1) / math.sqrt(len(w)))


def _accepts(scores_a: Tensor, scores_b: Tensor, z: float = 1.96) -> Interval:
    size = min(len(scores_a), len(scores_b))
    w = marks(scores_a[:size], scores_b[:size])
    return interval(w, z, _spread(w, max(len(w) - 1, 1)) / math.sqrt(len(w)))


def _counts(a: Tensor, b: Tensor, z: float) -> Interval:
    """Another right way: from the three counts."""
    n, wins, ties = len(a), int((a > b).sum()), int((a == b).sum())
    rate = (wins + ties / 2) / n
    squares = wins * (1 - rate) ** 2 + ties * (0.5 - rate) ** 2 + (n - wins - ties) * rate**2
    error = math.sqrt(squares / (n - 1) / n)
    return rate, max(0.0, rate - z * error), min(1.0, rate + z * error)


def _right(a: Tensor, b: Tensor, z: float) -> Interval:
    return oracle(a, b, z)


def _inputs(seed: int, size: int, levels: int, z: float) -> dict[str, object]:
    """Whole numbers, so that there are ties; A is a little better, and prompts are easy or hard for both."""
    easy = integers(seed, 4, size)
    a = (easy + integers(seed + 1, levels, size) + integers(seed + 3, 2, size)).double()
    return {"scores_a": a, "scores_b": (easy + integers(seed + 2, levels, size)).double(), "z": z}


def _double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


FEW = {"scores_a": _double(3, 1, 2, 9, 5), "scores_b": _double(1, 0, 2, 4, 1), "z": 1.96}
ONE = {"scores_a": _double(1), "scores_b": _double(0), "z": 1.96}
TWO = {"scores_a": _double(1, 3), "scores_b": _double(0, 3), "z": 0.5}
UNLIKE = {"scores_a": _double(1, 2, 3), "scores_b": _double(0, 5), "z": 1.96}

EXERCISE = ExerciseSpec(
    number="11.7",
    title="A win rate with an interval",
    targets=("win_rate",),
    points=2,
    minutes=15,
    difficulty=2,
    section="Evaluation: who wins",
    statement="""
Two policies answer the same prompts; a judge scores both. How often does A win, prompt by prompt, and how sure is that
number? A tie is half a win. Since both answered the *same* prompts, the comparison is paired: what makes a prompt easy
for both cancels.
""",
    hints=(
        "For each prompt 1, ½ or 0; the rate is their mean.",
        "The sign of the difference is 1, 0 or −1; add 1 and halve. The error of a mean of N numbers is their standard "
        "deviation over √N.",
        "Raise for fewer than two prompts or unequal lengths; wins from the sign, in float64; mean and std; "
        "low = max(0, …), high = min(1, …); plain floats.",
    ),
    checks=(
        Case(
            "hand value",
            {"scores_a": _double(2, 0, 1, 1), "scores_b": _double(1, 1, 1, 0), "z": 1.0},
            "win, loss, tie, win: 2½ of 4; their deviation is √(11/48), the error of the mean half of that",
            expected=(
                0.625,
                0.625 - math.sqrt(0.6875 / 3) / 2,
                0.625 + math.sqrt(0.6875 / 3) / 2,
            ),
        ),
        Case("with ties", _inputs(0, 30, 4, 1.96), "30 prompts, some ties", oracle=oracle),
        Case("another width", _inputs(4, 30, 4, 1.0), "one standard error", oracle=oracle),
        Case(
            "cut at 1",
            FEW,
            "four wins and a tie of five: nobody wins more than always",
            oracle=oracle,
        ),
        Case("two prompts", TWO, "a win and a tie: two are enough", oracle=oracle),
        Case("one prompt", ONE, "one prompt has no deviation", raises=ValueError),
        Case("unlike many", UNLIKE, "three scores against two", raises=ValueError),
        Law(probes.what_one_wins_the_other_loses, "exchange of A and B"),
        Law(probes.only_who_is_ahead_counts, "any increasing change of the judge's scale"),
        Law(probes.the_usual_width_is_95_percent, "z left out"),
        Case("with other ties", _inputs(8, 25, 3, 1.64), "25 prompts", oracle=oracle, hidden=True),
        Case(
            "cut at 0",
            {"scores_a": FEW["scores_b"], "scores_b": FEW["scores_a"], "z": 2.5},
            "four losses and a tie",
            oracle=oracle,
            hidden=True,
        ),
        Case("one prompt only", ONE, "no deviation", raises=ValueError, hidden=True),
        Case(
            "single precision",
            {"scores_a": normal(12, 9).float(), "scores_b": normal(13, 9).float(), "z": 1.96},
            "plain floats come out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "ties dropped",
            _named(_no_ties),
            "A tie is half a win for each side; dropping it makes the rate bolder.",
        ),
        Mistake("ties lost", _named(_ties_lose), "A tie is half a win, not a loss."),
        Mistake("ties won", _named(_ties_win), "A tie is half a win, not a whole one."),
        Mistake(
            "unpaired",
            _named(_unpaired),
            "Compare the two responses to the *same* prompt; everybody against everybody mixes easy with hard.",
        ),
        Mistake("the other side", _named(_other_way), "The rate is that of A."),
        Mistake("divisor N", _named(_biased), "The deviation of a sample has the divisor N − 1."),
        Mistake(
            "as if there were no ties",
            _named(_coin),
            "√(p(1 − p)/N) belongs to wins and losses only; ties make outcomes less spread.",
        ),
        Mistake(
            "not divided by √N",
            _named(_deviation),
            "That is the deviation of one outcome, not of their mean.",
        ),
        Mistake("always 95 %", _named(_fixed), "The width is z standard errors."),
        Mistake("not cut", _named(_uncut), "A rate lies between 0 and 1, and so do its bounds."),
        Mistake("mean of sigmoids", _named(_gap), "Who is ahead counts, not by how much."),
        Mistake(
            "too few prompts accepted",
            _accepts,
            "Fewer than two prompts, or unlike many scores: raise a ValueError.",
        ),
    ),
    variants={"marks": _named(_right), "counts": _named(_counts)},
)
