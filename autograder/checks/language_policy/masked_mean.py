"""Exercise 9.3: means over ragged rows."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import language_policy as probes


def oracle(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """Lists of what counts, and their means."""

    def mean(values: Tensor, flags: Tensor) -> float:
        kept = [v for v, m in zip(values.tolist(), flags.tolist(), strict=True) if m]
        return math.fsum(kept) / len(kept) if kept else 0.0

    if dim is None:
        return torch.tensor(mean(x.flatten(), mask.flatten()), dtype=x.dtype)
    rows, flags = x.movedim(dim, -1), mask.movedim(dim, -1)
    size = rows.shape[-1]
    found = map(mean, rows.reshape(-1, size), flags.reshape(-1, size))
    return torch.tensor(list(found), dtype=x.dtype).reshape(rows.shape[:-1])


def _sum(x: Tensor, dim: int | None) -> Tensor:
    return x.sum() if dim is None else x.sum(dim=dim)


def _right(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    kept = x.masked_fill(mask == 0, 0.0)
    return _sum(kept, dim) / _sum((mask != 0).to(x.dtype), dim).clamp(min=1)


def _plain(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    return x.mean() if dim is None else x.mean(dim=dim)


def _all_below(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    kept = x.masked_fill(mask == 0, 0.0)
    return kept.mean() if dim is None else kept.mean(dim=dim)


def _product(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    weights = mask.to(x.dtype)
    return _sum(x * weights, dim) / _sum(weights, dim).clamp(min=1)


def _nan(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    return _sum(x.masked_fill(mask == 0, 0.0), dim) / _sum(mask.to(x.dtype), dim)


def _cleaned(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """NaN is replaced, infinity is not."""
    weights = mask.to(x.dtype)
    clean = torch.where(x.isnan(), 0.0, x)
    return _sum(clean * weights, dim) / _sum(weights, dim).clamp(min=1)


def _total(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    return _sum(x.masked_fill(mask == 0, 0.0), dim)


def _mean_of_rows(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    if dim is not None or x.dim() < 2:
        return _right(x, mask, dim)
    return _right(x, mask, -1).mean()


def _ignores_dim(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    return _right(x, mask)


def _epsilon(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    kept = x.masked_fill(mask == 0, 0.0)
    return _sum(kept, dim) / (_sum((mask != 0).to(x.dtype), dim) + 1e-3)


def _selected(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """Another right way, for one mean: only what counts is looked at."""
    if dim is not None:
        return torch.nan_to_num(x.masked_fill(mask == 0, torch.nan).nanmean(dim=dim), nan=0.0)
    kept = x[mask > 0]
    return kept.mean() if kept.numel() else x.new_zeros(())


def _gradient(x: Tensor, mask: Tensor) -> Tensor:
    """1 over the number of entries that count in the row."""
    counted = (mask > 0).to(x.dtype)
    return counted / counted.sum(dim=1, keepdim=True).clamp(min=1)


def _double(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


NAN, INF = math.nan, math.inf
STAIRS = _double([1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0])

EXERCISE = ExerciseSpec(
    number="9.3",
    title="A mean over what counts",
    targets=("masked_mean",),
    points=2,
    minutes=10,
    difficulty=2,
    section="Means over ragged rows",
    statement="""
Responses have different lengths, tensors do not. Average over the entries that count, of everything or along one
dimension. Padding may hold *anything*, also NaN: it must show neither in the value nor in the gradient. Where nothing
counts, the mean is 0.
""",
    hints=(
        "What is 0 × NaN? A product cannot remove what is no number; a choice between two values can.",
        "torch.where(mask > 0, x, 0.0) keeps what counts. Divide its sum by how many count, but never by 0.",
        "Two cases, with and without dim. In both: the sum of what is kept, divided by the sum of "
        "(mask > 0), at least 1.",
    ),
    checks=(
        Case(
            "hand value",
            {"x": _double([2.0, 4.0, 9.0], [6.0, 9.0, 9.0]), "mask": _double([1, 1, 0], [1, 0, 0])},
            "2, 4 and 6 count: their mean is 4",
            expected=torch.tensor(4.0, dtype=torch.float64),
        ),
        Case(
            "a mean for each row",
            {
                "x": _double([2.0, 4.0, 9.0], [6.0, 9.0, 9.0]),
                "mask": _double([1, 1, 0], [1, 0, 0]),
                "dim": 1,
            },
            "2 and 4 in the first row, 6 in the second",
            expected=torch.tensor([3.0, 6.0], dtype=torch.float64),
        ),
        Case(
            "everything",
            {"x": normal(0, 3, 4), "mask": STAIRS, "dim": None},
            "one mean, with its gradient",
            oracle=oracle,
            gradients=("x",),
        ),
        Case(
            "the other dimension",
            {"x": normal(1, 3, 4), "mask": STAIRS, "dim": 0},
            "dim = 0; in the last columns only one entry counts",
            oracle=oracle,
            gradients=("x",),
        ),
        Case(
            "padding that is no number",
            {
                "x": _double([1.0, NAN, INF], [-INF, 3.0, NAN]),
                "mask": _double([1, 0, 0], [0, 1, 0]),
            },
            "NaN and ±∞ where nothing counts",
            expected=torch.tensor(2.0, dtype=torch.float64),
        ),
        Case(
            "padding that is NaN",
            {"x": _double([1.0, NAN], [5.0, 9.0]), "mask": _double([1, 0], [1, 0])},
            "NaN where nothing counts",
            expected=torch.tensor(3.0, dtype=torch.float64),
        ),
        Case(
            "one entry counts",
            {"x": _double([1.0, 4.0], [5.0, 9.0]), "mask": _double([0, 1], [0, 0])},
            "the mean of one number is that number",
            expected=torch.tensor(4.0, dtype=torch.float64),
        ),
        Case(
            "gradients beside what is no number",
            {
                "x": _double([1.0, NAN, 5.0], [2.0, -INF, NAN]),
                "mask": _double([1, 0, 1], [1, 0, 0]),
            },
            "the gradient of two row means, where padding holds NaN and −∞",
            probe=probes.gradient_of_mean,
            oracle=_gradient,
        ),
        Case(
            "nothing counts",
            {"x": normal(2, 2, 3), "mask": _double([0, 0, 0], [0, 1, 1]), "dim": 1},
            "an empty row has mean 0, not NaN",
            oracle=oracle,
        ),
        Law(probes.any_type_of_mask_will_do, "masks of every type"),
        Law(probes.all_ones_are_the_plain_mean, "where everything counts"),
        Case(
            "single precision",
            {"x": torch.tensor([[1.0, 2.0, 6.0]]), "mask": torch.tensor([[True, True, False]])},
            "float32 in, float32 out; a bool mask",
            expected=torch.tensor(1.5),
        ),
        Case(
            "nothing at all counts",
            {"x": _double([NAN, 1.0]), "mask": torch.zeros(1, 2)},
            "an empty mask, and NaN",
            expected=torch.zeros((), dtype=torch.float64),
            hidden=True,
        ),
        Case(
            "again one entry counts",
            {"x": normal(7, 3, 2), "mask": _double([0, 0], [0, 0], [1, 0]), "dim": None},
            "the mean of one number",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "three dimensions",
            {"x": normal(3, 2, 3, 4), "mask": (normal(4, 2, 3, 4) > 0).double(), "dim": 1},
            "a mask of another shape",
            oracle=oracle,
            gradients=("x",),
            hidden=True,
        ),
        Case(
            "everything in three dimensions",
            {"x": normal(5, 2, 3, 4), "mask": normal(6, 2, 3, 4) > 0.5, "dim": None},
            "one mean",
            oracle=oracle,
            gradients=("x",),
            hidden=True,
        ),
        Case(
            "other padding that is no number",
            {"x": _double([INF, 7.0], [NAN, 8.0]), "mask": _double([0, 1], [0, 0]), "dim": 0},
            "NaN and ∞ once more, along dim 0, where a column is empty",
            expected=torch.tensor([0.0, 7.0], dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "plain mean", _plain, "The mask was not used: padding counts like everything else."
        ),
        Mistake(
            "padding counted below the line",
            _all_below,
            "Padding adds nothing above the fraction line, but is counted below it. Divide by how many count.",
        ),
        Mistake(
            "0 times NaN",
            _product,
            "0 × NaN is NaN. Choose with torch.where or masked_fill instead of multiplying.",
        ),
        Mistake(
            "0 divided by 0", _nan, "Where nothing counts the mean is 0: divide by at least 1."
        ),
        Mistake(
            "NaN removed, infinity kept",
            _cleaned,
            "0 × ∞ is NaN too, and a NaN that *counts* should show. Choose by the mask, not by the value.",
        ),
        Mistake(
            "a sum", _total, "That is the sum of what counts. Divide it by how many there are."
        ),
        Mistake(
            "mean of the rows' means",
            _mean_of_rows,
            "Without dim every entry has the same weight; here those of short rows weigh more.",
        ),
        Mistake(
            "dim ignored", _ignores_dim, "With dim there is one mean for each of the other entries."
        ),
        Mistake(
            "a small number added below the line",
            _epsilon,
            "An epsilon in the denominator avoids 0/0 and makes every other mean a little wrong. Use clamp(min=1).",
        ),
    ),
    variants={"masked fill": _right, "selected": _selected},
)
