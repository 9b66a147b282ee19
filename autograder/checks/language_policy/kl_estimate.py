"""Exercise 9.6: estimates of a KL divergence from samples."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import language_policy as probes

Formula = Callable[[Tensor], Tensor]


def family(k1: Formula, k2: Formula, k3: Formula, flip: bool = False) -> Callable[..., Tensor]:
    """Three formulas of log r, r = ref / policy; most mistakes get one wrong, or r the wrong way round."""
    formulas = {"k1": k1, "k2": k2, "k3": k3}

    def kl_estimate(log_probs: Tensor, ref_log_probs: Tensor, kind: str) -> Tensor:
        if kind not in formulas:
            raise ValueError(f"no kind {kind!r}")
        log_ratio = log_probs - ref_log_probs if flip else ref_log_probs - log_probs
        return formulas[kind](log_ratio)

    return kl_estimate


def _k1(x: Tensor) -> Tensor:
    return -x


def _k2(x: Tensor) -> Tensor:
    return x**2 / 2


def _k3(x: Tensor) -> Tensor:
    return x.exp() - 1 - x


def _rough_k3(x: Tensor) -> Tensor:
    """Right, and 0 in single precision where the policies nearly agree."""
    return (x.exp() - 1) - x


def oracle(log_probs: Tensor, ref_log_probs: Tensor, kind: str) -> Tensor:
    """One number at a time; k3 from a series where its terms nearly cancel."""

    def one(p: float, q: float) -> float:
        x = q - p
        if kind == "k1":
            return p - q
        if kind == "k2":
            return 0.5 * x * x
        if abs(x) < 0.01:
            return math.fsum(x**n / math.factorial(n) for n in range(2, 9))
        return math.exp(x) - 1.0 - x

    pairs = zip(log_probs.flatten().tolist(), ref_log_probs.flatten().tolist(), strict=True)
    found = torch.tensor([one(p, q) for p, q in pairs], dtype=log_probs.dtype)
    return found.reshape(log_probs.shape)


def _exact(seed: int, kind: str) -> Tensor:
    """KL(policy || reference) as the sum that defines it."""
    p, q = (x.exp().tolist() for x in probes.small_world(seed))
    total = math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return torch.tensor(total, dtype=torch.float64)


def _any_kind(log_probs: Tensor, ref_log_probs: Tensor, kind: str) -> Tensor:
    chosen = kind if kind in ("k1", "k2") else "k3"
    return family(_k1, _k2, _k3)(log_probs, ref_log_probs, chosen)


def _detached(log_probs: Tensor, ref_log_probs: Tensor, kind: str) -> Tensor:
    return family(_k1, _k2, _k3)(log_probs.detach(), ref_log_probs.detach(), kind)


def _mean(log_probs: Tensor, ref_log_probs: Tensor, kind: str) -> Tensor:
    return family(_k1, _k2, _k3)(log_probs, ref_log_probs, kind).mean()


def _weighted(log_probs: Tensor, ref_log_probs: Tensor, kind: str) -> Tensor:
    return log_probs.exp() * family(_k1, _k2, _k3)(log_probs, ref_log_probs, kind)


def _one_line(log_probs: Tensor, ref_log_probs: Tensor, kind: str) -> Tensor:
    """Another right way."""
    x = ref_log_probs - log_probs
    found = {"k1": -x, "k2": 0.5 * x * x, "k3": torch.expm1(x) - x}
    if kind not in found:
        raise ValueError(f"no kind {kind!r}")
    return found[kind]


def _pair(seed: int, kind: str, scale: float = 1.0) -> dict[str, object]:
    log_probs, change = -normal(seed, 2, 5).abs(), normal(seed + 1, 2, 5)
    return {"log_probs": log_probs, "ref_log_probs": log_probs + scale * change, "kind": kind}


def _case(name: str, seed: int, kind: str, message: str, hidden: bool = False) -> Case:
    return Case(
        name,
        _pair(seed, kind),
        message,
        oracle=oracle,
        gradients=("log_probs", "ref_log_probs"),
        hidden=hidden,
    )


HALVES = torch.tensor([0.5, 0.2], dtype=torch.float64).log()
OTHERS = torch.tensor([0.25, 0.4], dtype=torch.float64).log()

EXERCISE = ExerciseSpec(
    number="9.6",
    title="Three estimates of the KL",
    targets=("kl_estimate",),
    points=2,
    minutes=10,
    difficulty=1,
    section="How far from the reference",
    statement="""
How far has the policy moved from its reference? Nobody can add up all texts, so the KL divergence is estimated from
those that the policy wrote. Write the three usual estimates, one number a sample. The samples come from the policy,
not from the reference: the direction of the ratio matters.
""",
    hints=(
        "Everything is a function of one number a sample: the difference of the two log-probabilities.",
        "log r = ref_log_probs − log_probs. k1 = −log r, k2 = (log r)²/2, k3 = r − 1 − log r. torch.expm1(x) is "
        "exp(x) − 1, exact also for tiny x.",
        "Compute log_ratio; three ifs, one a kind, each with its formula; at the end raise ValueError.",
    ),
    checks=(
        Case(
            "k1 by hand",
            {"log_probs": HALVES, "ref_log_probs": OTHERS, "kind": "k1"},
            "½ against ¼, and ⅕ against ⅖: log 2 and −log 2",
            expected=torch.tensor([math.log(2), -math.log(2)], dtype=torch.float64),
        ),
        Case(
            "k3 by hand",
            {"log_probs": HALVES, "ref_log_probs": OTHERS, "kind": "k3"},
            "r is ½ and 2: ½ − 1 + log 2, and 2 − 1 − log 2",
            expected=torch.tensor([math.log(2) - 0.5, 1 - math.log(2)], dtype=torch.float64),
        ),
        _case("k1", 0, "k1", "ten samples"),
        _case("k2", 2, "k2", "ten samples"),
        _case("k3", 4, "k3", "ten samples"),
        Case(
            "mean of k1",
            {"seed": 6, "kind": "k1"},
            "averaged over all outcomes, k1 is the KL",
            probe=probes.exact_mean,
            oracle=_exact,
        ),
        Case(
            "mean of k3",
            {"seed": 8, "kind": "k3"},
            "averaged over all outcomes, k3 is the KL too",
            probe=probes.exact_mean,
            oracle=_exact,
        ),
        Law(probes.equal_policies_are_no_distance_apart, "equal policies"),
        Law(probes.k2_and_k3_are_never_negative, "squares and Bregman distances"),
        Case(
            "nearly equal",
            _pair(10, "k3", 1e-4),
            "policies that nearly agree",
            oracle=oracle,
        ),
        Case(
            "an unknown kind",
            _pair(12, "k4"),
            "there is no k4",
            raises=ValueError,
        ),
        _case("k1 again", 20, "k1", "other samples", hidden=True),
        _case("k2 again", 22, "k2", "other samples", hidden=True),
        _case("k3 again", 24, "k3", "other samples", hidden=True),
        Case(
            "mean of k3 again",
            {"seed": 26, "kind": "k3"},
            "another world",
            probe=probes.exact_mean,
            oracle=_exact,
            hidden=True,
        ),
        Case(
            "another unknown kind",
            _pair(28, "K1"),
            "kinds are written small",
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "inverted",
            family(_k1, _k2, _k3, flip=True),
            "The samples come from the policy, so r is the reference over the policy. Its logarithm "
            "has the other sign.",
        ),
        Mistake(
            "−1 missing",
            family(_k1, _k2, lambda x: x.exp() - x),
            "Equal policies give r = 1: then k3 must be 0.",
        ),
        Mistake(
            "absolute value",
            family(lambda x: x.abs(), _k2, _k3),
            "Single samples of k1 may be negative; that is what makes their mean right.",
        ),
        Mistake(
            "½ missing",
            family(_k1, lambda x: x**2, _k3),
            "k2 is half the square: only then does it match the KL where policies are near.",
        ),
        Mistake(
            "k3 with the other sign of log r",
            family(_k1, _k2, lambda x: x.exp() - 1 + x),
            "k3 = r − 1 − log r is never negative: the line r − 1 lies above the logarithm.",
        ),
        Mistake(
            "k3 for any kind",
            _any_kind,
            "A kind that does not exist, a typing mistake for instance, must raise a ValueError.",
        ),
        Mistake("detached", _detached, "The estimates must be differentiable."),
        Mistake("averaged", _mean, "One number for each sample, not one for all."),
        Mistake(
            "weighted with the probability",
            _weighted,
            "The samples were drawn from the policy: likely ones come up more often by themselves.",
        ),
    ),
    variants={"dictionary": _one_line, "exponential": family(_k1, _k2, _rough_k3)},
)
