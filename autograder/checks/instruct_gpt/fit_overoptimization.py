"""Exercise 11.8: the law of over-optimization."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import instruct_gpt as probes

Fit = tuple[float, float]


def _refuse(kl: Tensor) -> None:
    if bool((kl < 0).any()) or len({float(x) for x in kl if x > 0}) < 2:
        raise ValueError("too few")


def _solve(columns: list[list[float]], gold: list[float]) -> Fit:
    """Normal equations of two columns, by Cramer's rule."""
    (a, b), y = columns, gold
    aa, ab, bb = (
        math.fsum(p * q for p, q in zip(u, v, strict=True)) for u, v in ((a, a), (a, b), (b, b))
    )
    ay, by = (math.fsum(p * q for p, q in zip(u, y, strict=True)) for u in (a, b))
    det = aa * bb - ab * ab
    return (ay * bb - by * ab) / det, (aa * by - ab * ay) / det


def oracle(kl: Tensor, gold: Tensor) -> Fit:
    _refuse(kl)
    d = [math.sqrt(x) for x in kl.tolist()]
    return _solve([d, [-x * x for x in d]], gold.tolist())


def _named(body: Callable[[Tensor, Tensor], Fit]) -> Callable[..., Fit]:
    def fit_overoptimization(kl: Tensor, gold: Tensor) -> Fit:
        _refuse(kl)
        return body(kl.double(), gold.double())

    return fit_overoptimization


def _kl_for_d(kl: Tensor, gold: Tensor) -> Fit:
    return _solve([kl.tolist(), (-kl * kl).tolist()], gold.tolist())


def _intercept(kl: Tensor, gold: Tensor) -> Fit:
    d = kl.sqrt()
    columns = torch.stack([torch.ones_like(d), d, -d * d], 1)
    _, alpha, beta = torch.linalg.pinv(columns) @ gold
    return float(alpha), float(beta)


def _plus(kl: Tensor, gold: Tensor) -> Fit:
    alpha, beta = oracle(kl, gold)
    return alpha, -beta


def _swapped(kl: Tensor, gold: Tensor) -> Fit:
    alpha, beta = oracle(kl, gold)
    return beta, alpha


def _log(kl: Tensor, gold: Tensor) -> Fit:
    d = kl.sqrt()
    return _solve([d.tolist(), torch.where(d > 0, -d * d.log(), 0.0).tolist()], gold.tolist())


def _divided(kl: Tensor, gold: Tensor) -> Fit:
    """A straight line through gain over distance: other weights."""
    keep = kl > 0
    d = kl[keep].sqrt()
    ones = [1.0] * len(d)
    return _solve([ones, (-d).tolist()], (gold[keep] / d).tolist())


def _from_first(kl: Tensor, gold: Tensor) -> Fit:
    return oracle(kl, gold - gold[0])


def _accepts(kl: Tensor, gold: Tensor) -> Fit:
    d = kl.double().clamp(min=0).sqrt()
    columns = torch.stack([d, -d * d], 1)
    alpha, beta = torch.linalg.pinv(columns) @ gold.double()
    return float(alpha), float(beta)


def _right(kl: Tensor, gold: Tensor) -> Fit:
    return oracle(kl, gold)


def _qr(kl: Tensor, gold: Tensor) -> Fit:
    """Another right way."""
    d = kl.sqrt()
    q, r = torch.linalg.qr(torch.stack([d, -d * d], 1))
    alpha, beta = torch.linalg.solve(r, q.T @ gold).tolist()
    return alpha, beta


def _double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _noisy(seed: int, size: int) -> dict[str, Tensor]:
    kl = 0.3 + 10 * normal(seed, size).abs()
    d = kl.sqrt()
    return {"kl": kl, "gold": d * (1.4 - 0.2 * d) + 0.3 * normal(seed + 1, size)}


EXERCISE = ExerciseSpec(
    number="11.8",
    title="The law of over-optimization",
    targets=("fit_overoptimization",),
    points=2,
    minutes=15,
    difficulty=2,
    section="Over-optimization",
    statement="""
Optimize against a proxy, and the true reward first rises, then falls. Gao and others found that for best-of-n it goes
like $d(\\alpha - \\beta d)$ with $d = \\sqrt{\\mathrm{KL}}$. Fit the two numbers by least squares. There is no
constant: at KL 0 nothing has been gained.
""",
    hints=(
        "The law is not linear in d, but it is linear in α and β.",
        "Two columns: d, and −d². torch.linalg.lstsq does the rest.",
        "Raise as the docstring says; d = sqrt of kl in float64; stack the columns, (N, 2); lstsq; two plain floats.",
    ),
    checks=(
        Case(
            "hand value",
            {"kl": _double(1, 4, 9), "gold": _double(1.5, 2.0, 1.5)},
            "d = 1, 2, 3 and gains 1½, 2, 1½: α = 2, β = ½ fit exactly",
            expected=(2.0, 0.5),
        ),
        Case("noisy gains", _noisy(0, 12), "twelve noisy gains", oracle=oracle),
        Case(
            "with the start",
            {"kl": _double(0, 1, 2, 6), "gold": _double(0.3, 0.9, 1.1, 0.8)},
            "a point at KL 0, whose gain is noise",
            oracle=oracle,
        ),
        Case(
            "two points near the start",
            {"kl": _double(0.25, 0.64), "gold": _double(0.4, 0.5)},
            "two points: the law goes through both",
            oracle=oracle,
        ),
        Case(
            "one distance",
            {"kl": _double(0, 2, 2), "gold": _double(0, 1, 1.2)},
            "two points at the same KL, one at 0: many laws fit",
            raises=ValueError,
        ),
        Case(
            "a negative divergence",
            {"kl": _double(-0.1, 1, 2), "gold": _double(0, 1, 1.2)},
            "no divergence is negative",
            raises=ValueError,
        ),
        Law(probes.twice_the_gain_is_twice_the_law, "gains in another unit"),
        Law(probes.an_exact_law_is_found, "points of a law"),
        Case("other noisy gains", _noisy(2, 9), "nine noisy gains", oracle=oracle, hidden=True),
        Case(
            "with another start",
            {"kl": _double(0, 0.5, 3, 8, 12), "gold": _double(-0.4, 0.6, 1.3, 1.0, 0.2)},
            "a point at KL 0",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "one point",
            {"kl": _double(3), "gold": _double(1)},
            "one point",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "single precision",
            {k: v.float() for k, v in _noisy(4, 8).items()},
            "plain floats come out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake("d = KL", _named(_kl_for_d), "d is the *square root* of the divergence."),
        Mistake(
            "with a constant",
            _named(_intercept),
            "A constant says that something is gained before anything has changed. Leave it out.",
        ),
        Mistake(
            "sign of β",
            _named(_plus),
            "The law is α d *minus* β d²; β is positive where the gain turns over.",
        ),
        Mistake("exchanged", _named(_swapped), "α first, then β."),
        Mistake(
            "the law of PPO",
            _named(_log),
            "d(α − β log d) is their law for reinforcement learning; asked for is that of best-of-n.",
        ),
        Mistake(
            "gain over distance",
            _named(_divided),
            "A line through gain/d gives small distances far too much weight: least squares of the gains themselves.",
        ),
        Mistake(
            "first point subtracted",
            _named(_from_first),
            "gold is a gain already; the first point is a measurement like the others.",
        ),
        Mistake(
            "anything accepted",
            _accepts,
            "A negative divergence, or fewer than two distances: raise a ValueError.",
        ),
    ),
    variants={"normal equations": _named(_right), "QR": _named(_qr)},
)
