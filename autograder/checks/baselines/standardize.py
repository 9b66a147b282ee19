"""Exercise 3.6: mean 0 and deviation 1, over what counts."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import baselines as probes


def oracle(x: Tensor, mask: Tensor, eps: float) -> Tensor:
    """A list of what counts, and exactly rounded sums."""
    kept = x[mask > 0].tolist()
    result = torch.zeros_like(x)
    if kept:
        mean = math.fsum(kept) / len(kept)
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in kept) / len(kept))
        result[mask > 0] = torch.tensor(
            [(value - mean) / (deviation + eps) for value in kept], dtype=x.dtype
        )
    return result


def _filled(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask > 0, x, 0.0)


def _selected(x: Tensor, mask: Tensor, eps: float = 1e-8) -> Tensor:
    """Another right way: select, standardize, put back."""
    counts, result = mask > 0, torch.zeros_like(x)
    kept = x[counts]
    if len(kept):
        result[counts] = (kept - kept.mean()) / (kept.std(correction=0) + eps)
    return result


def _two_moments(x: Tensor, mask: Tensor, eps: float = 1e-8) -> Tensor:
    """Another right way: every sum with the mask as weight."""
    count = mask.sum().clamp(min=1)
    clean = _filled(x, mask)
    centred = (clean - clean.sum() / count) * mask
    return centred / ((centred * centred).sum().div(count).sqrt() + eps)


def _pads_counted(x: Tensor, mask: Tensor, eps: float = 1e-8) -> Tensor:
    clean = _filled(x, mask)
    return mask * (clean - clean.mean()) / (clean.std(correction=0) + eps)


def _along(x: Tensor, mask: Tensor, eps: float, dim: int) -> Tensor:
    """Standardized along one dimension only."""
    count = mask.sum(dim, keepdim=True).clamp(min=1)
    centred = mask * (_filled(x, mask) - _filled(x, mask).sum(dim, keepdim=True) / count)
    deviation = (centred.square().sum(dim, keepdim=True) / count).sqrt()
    return centred / (deviation + eps)


def _pads_shifted(x: Tensor, mask: Tensor, eps: float = 1e-8) -> Tensor:
    """Right where it counts, but padding is shifted along."""
    kept = x[mask > 0]
    if not len(kept):
        return torch.zeros_like(x)
    return (x - kept.mean()) / (kept.std(correction=0) + eps)


def _by_variance(x: Tensor, mask: Tensor, eps: float = 1e-8) -> Tensor:
    count = mask.sum().clamp(min=1)
    centred = mask * (_filled(x, mask) - _filled(x, mask).sum() / count)
    return centred / (centred.square().sum() / count + eps)


def _sample_deviation(x: Tensor, mask: Tensor, eps: float = 1e-8) -> Tensor:
    count = mask.sum().clamp(min=1)
    centred = mask * (_filled(x, mask) - _filled(x, mask).sum() / count)
    return centred / ((centred.square().sum() / (count - 1)).sqrt() + eps)


def _not_centred(x: Tensor, mask: Tensor, eps: float = 1e-8) -> Tensor:
    kept = _filled(x, mask)[mask > 0]
    deviation = kept.std(correction=0) if len(kept) else torch.zeros((), dtype=x.dtype)
    return _filled(x, mask) / (deviation + eps)


def _times_mask(x: Tensor, mask: Tensor, eps: float = 1e-8) -> Tensor:
    """Multiplies by the mask: NaN times 0 is NaN."""
    count = mask.sum().clamp(min=1)
    centred = mask * (x - (mask * x).sum() / count)
    return centred / ((centred.square().sum() / count).sqrt() + eps)


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


RAGGED = _double([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0]])
OTHER = _double([[1, 1, 0], [1, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0]])
NAN = float("nan")

EXERCISE = ExerciseSpec(
    number="3.6",
    title="Standardize",
    targets=("standardize",),
    points=3,
    minutes=20,
    difficulty=2,
    section="Standardized advantages",
    statement="""
Bring the numbers that count to mean 0 and deviation 1: all of them together, whatever their trajectory or step.
Padding takes no part in either, and comes out as 0. Divide by the number of those that count, not by one less,
so that the deviation is 1 exactly.
""",
    hints=(
        "Count with the mask, not with the shape. First the mean, then the deviation from it, then divide.",
        "Sums over everything, divided by mask.sum(), which may be 0. Padding may hold NaN, and 0 · NaN is NaN: "
        "torch.where leaves it out, a product does not.",
        "count = mask.sum().clamp(min=1); mean from torch.where(mask > 0, x, 0.0); centred = "
        "torch.where(mask > 0, x − mean, "
        "0.0); deviation = root of the sum of its squares over count; return centred / (deviation + eps).",
    ),
    checks=(
        Case(
            "hand value",
            {
                "x": _double([[1.0, 5.0], [3.0, 100.0]]),
                "mask": _double([[1, 1], [1, 0]]),
                "eps": 0.5,
            },
            "1, 5 and 3 count, 100 is padding: mean 3, deviation √(8/3), to which 0.5 is added",
            expected=_double([[-1.0, 1.0], [0.0, 0.0]]) * (2.0 / (math.sqrt(8.0 / 3.0) + 0.5)),
        ),
        Case(
            "ragged rows",
            {"x": 5.0 + normal(0, 3, 4), "mask": RAGGED, "eps": 1e-8},
            "three trajectories of different length, compared with a list of what counts",
            oracle=oracle,
        ),
        Law(probes.shift_and_scale_are_forgotten, "unit and offset of the returns do not matter"),
        Law(probes.a_wider_batch_changes_nothing, "the width of the batch is an accident"),
        Case(
            "equal numbers",
            {"x": torch.full((2, 3), 7.0).double(), "mask": torch.ones(2, 3).double(), "eps": 1e-8},
            "six equal numbers: deviation 0, so all come out 0",
            expected=torch.zeros(2, 3, dtype=torch.float64),
        ),
        Case(
            "nothing counts",
            {"x": normal(1, 2, 2), "mask": torch.zeros(2, 2).double(), "eps": 1e-8},
            "a mask of zeros: all come out 0",
            expected=torch.zeros(2, 2, dtype=torch.float64),
        ),
        Case(
            "NaN on the padding",
            {"x": _double([[2.0, NAN], [4.0, 6.0]]), "mask": _double([[1, 0], [1, 1]]), "eps": 0.0},
            "padding that holds NaN must not leak",
            oracle=oracle,
        ),
        Case(
            "a flat batch in single precision",
            {
                "x": torch.tensor([1e4, -1e4, 1e4, -1e4]),
                "mask": torch.ones(4),
                "eps": 1e-8,
            },
            "float32 in, float32 out; four numbers without a time axis, of ±10,000",
            expected=torch.tensor([1.0, -1.0, 1.0, -1.0]),
        ),
        Case(
            "other rows",
            {"x": normal(2, 5, 3) - 3.0, "mask": OTHER, "eps": 0.1},
            "five trajectories, one of them all padding",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "one number",
            {"x": _double([[3.0, 8.0]]), "mask": _double([[1, 0]]), "eps": 1e-8},
            "a single number counts",
            expected=torch.zeros(1, 2, dtype=torch.float64),
            hidden=True,
        ),
        Case(
            "other padding",
            {
                "x": _double([[NAN, 1.0, NAN], [4.0, 1.0, 0.0]]),
                "mask": _double([[0, 1, 0], [1, 1, 1]]),
                "eps": 1e-8,
            },
            "NaN on the padding",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "nothing counts in a flat batch",
            {"x": normal(3, 3), "mask": torch.zeros(3).double(), "eps": 1e-8},
            "a mask of zeros",
            expected=torch.zeros(3, dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "padding counted",
            _pads_counted,
            "Padding pulls the mean towards 0 and makes the deviation smaller. Divide by mask.sum(), not by the "
            "shape.",
        ),
        Mistake(
            "no eps",
            lambda x, mask, eps=1e-8: _selected(x, mask, 0.0),
            "Equal numbers have deviation 0, and 0/0 is NaN. Add eps to the deviation.",
        ),
        Mistake(
            "per step",
            lambda x, mask, eps=1e-8: _along(x, mask, eps, 0),
            "Each column got a mean of its own. There is one mean and one deviation for everything that counts.",
        ),
        Mistake(
            "per trajectory",
            lambda x, mask, eps=1e-8: _along(x, mask, eps, -1),
            "Each row got a mean of its own: within a trajectory that forgets whether it went well.",
        ),
        Mistake(
            "padding not zeroed",
            _pads_shifted,
            "Where the mask is 0 the result must be 0, or the padding enters the loss.",
        ),
        Mistake(
            "divided by the variance",
            _by_variance,
            "The variance has the unit squared. Take its root.",
        ),
        Mistake(
            "divided by n − 1",
            _sample_deviation,
            "Here the deviation is meant to be 1 exactly, so divide by the count itself; with one number, n − 1 "
            "is 0.",
        ),
        Mistake(
            "only scaled",
            _not_centred,
            "The mean was not subtracted: what is below average must come out negative.",
        ),
        Mistake(
            "NaN times zero",
            _times_mask,
            "0 · NaN is NaN. Use torch.where to leave padding out.",
        ),
    ),
    variants={"select and put back": _selected, "sums with the mask": _two_moments},
)
