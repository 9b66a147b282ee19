"""Exercise 11.5: what KL-regularized optimization is after."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import instruct_gpt as probes


def oracle(ref_log_probs: Tensor, rewards: Tensor, kl_coef: float) -> Tensor:
    """Weights relative to the best response, with exactly rounded sums."""
    tilted = [float(p) + float(r) / kl_coef for p, r in zip(ref_log_probs, rewards, strict=True)]
    top = max(tilted)
    total = math.fsum(math.exp(x - top) for x in tilted)
    return torch.tensor([x - top - math.log(total) for x in tilted], dtype=ref_log_probs.dtype)


def _named(body: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def kl_regularized_optimum(ref_log_probs: Tensor, rewards: Tensor, kl_coef: float) -> Tensor:
        if kl_coef <= 0:
            raise ValueError("not positive")
        return body(ref_log_probs, rewards, kl_coef)

    return kl_regularized_optimum


def _multiplies(p: Tensor, r: Tensor, beta: float) -> Tensor:
    return (p + r * beta).log_softmax(-1)


def _unnormalized(p: Tensor, r: Tensor, beta: float) -> Tensor:
    return p + r / beta


def _overflow(p: Tensor, r: Tensor, beta: float) -> Tensor:
    weights = p.exp() * (r / beta).exp()
    return (weights / weights.sum()).log()


def _no_reference(p: Tensor, r: Tensor, beta: float) -> Tensor:
    return (r / beta).log_softmax(-1)


def _probabilities(p: Tensor, r: Tensor, beta: float) -> Tensor:
    return (p + r / beta).softmax(-1)


def _minus(p: Tensor, r: Tensor, beta: float) -> Tensor:
    return (p - r / beta).log_softmax(-1)


def _linear(p: Tensor, r: Tensor, beta: float) -> Tensor:
    return (p.exp() + r / beta).log_softmax(-1)


def _reference_too(p: Tensor, r: Tensor, beta: float) -> Tensor:
    return ((p + r) / beta).log_softmax(-1)


def _accepts(ref_log_probs: Tensor, rewards: Tensor, kl_coef: float) -> Tensor:
    return (ref_log_probs + rewards / kl_coef).log_softmax(-1)


def _logsumexp(p: Tensor, r: Tensor, beta: float) -> Tensor:
    tilted = p + r / beta
    return tilted - tilted.logsumexp(0)


def _shifted(p: Tensor, r: Tensor, beta: float) -> Tensor:
    tilted = p + r / beta
    below = tilted - tilted.max()
    return below - below.exp().sum().log()


def _inputs(seed: int, size: int, beta: float, scale: float = 1.0) -> dict[str, object]:
    reference = normal(seed, size).log_softmax(0)
    return {"ref_log_probs": reference, "rewards": scale * normal(seed + 1, size), "kl_coef": beta}


def _half(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


NEVER = _half(math.log(0.5), -math.inf, math.log(0.5))

EXERCISE = ExerciseSpec(
    number="11.5",
    title="The best policy on a leash",
    targets=("kl_regularized_optimum",),
    points=2,
    minutes=12,
    difficulty=2,
    section="What is the best one could do",
    statement="""
If all responses could be listed, no gradient would be needed: the policy that maximizes $\\mathbb E[r] - \\beta\\,
\\mathrm{KL}$ has a closed form. It is the reference, tilted by $e^{r/\\beta}$ and normalized. Compute its
log-probabilities, for rewards of any size.
""",
    hints=(
        "Take the logarithm of the formula first; what is left of the denominator?",
        "log π* = log π_ref + r/β − log Σ exp(…): a softmax of logits that you know.",
        "Raise for a coefficient that is not positive; a log_softmax of one sum.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "ref_log_probs": _half(0.5, 0.5).log(),
                "rewards": _half(0.0, 2 * math.log(3)),
                "kl_coef": 2.0,
            },
            "two responses, equally likely; β = 2, the second is worth 2 log 3: it becomes three times as likely",
            expected=_half(0.25, 0.75).log(),
        ),
        Case("random", _inputs(0, 6, 0.5), "six responses", oracle=oracle, gradients=("rewards",)),
        Case(
            "large rewards",
            _inputs(2, 5, 0.1, 1e3),
            "rewards of a thousand, β = 0.1: exponents of ten thousand",
            oracle=oracle,
        ),
        Case(
            "never said",
            {"ref_log_probs": NEVER, "rewards": _half(0.0, 100.0, 1.0), "kl_coef": 1.0},
            "the reference never says the second response, however good",
            expected=_half(-math.log1p(math.e), -math.inf, 1 - math.log1p(math.e)),
        ),
        Case("no leash", _inputs(4, 3, 0.0), "β = 0", raises=ValueError),
        Case("a negative leash", _inputs(4, 3, -1.0), "β < 0", raises=ValueError),
        Law(probes.nothing_near_it_is_better, "the objective, all around"),
        Law(probes.a_tight_leash_gives_the_reference, "β → ∞"),
        Law(probes.only_differences_of_rewards_count, "a constant added to all rewards"),
        Case("other ones", _inputs(6, 9, 1.7), "nine responses", oracle=oracle, hidden=True),
        Case(
            "other large rewards",
            _inputs(8, 4, 0.05, 1e3),
            "exponents of twenty thousand",
            oracle=oracle,
            hidden=True,
        ),
        Case("no leash at all", _inputs(10, 2, 0.0), "β = 0", raises=ValueError, hidden=True),
        Case(
            "single precision",
            {k: v.float() if isinstance(v, Tensor) else v for k, v in _inputs(12, 5, 0.3).items()},
            "float32 in, float32 out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "β multiplies",
            _named(_multiplies),
            "A small β is a long leash: rewards must count more, not less. Divide by it.",
        ),
        Mistake("unnormalized", _named(_unnormalized), "The probabilities must sum to 1."),
        Mistake(
            "overflow",
            _named(_overflow),
            "exp of a large reward overflows. Stay with logarithms: log_softmax.",
        ),
        Mistake(
            "the reference left out",
            _named(_no_reference),
            "The tilt multiplies the reference's probabilities; without them rare nonsense counts as much as speech.",
        ),
        Mistake("probabilities", _named(_probabilities), "Return log-probabilities."),
        Mistake("sign", _named(_minus), "Good responses must become likelier."),
        Mistake(
            "probability for log-probability",
            _named(_linear),
            "ref_log_probs are logarithms already; rewards are added to them, not to probabilities.",
        ),
        Mistake(
            "the reference tilted too",
            _named(_reference_too),
            "Only the reward is divided by β; the reference counts as it is.",
        ),
        Mistake(
            "no leash accepted", _accepts, "For β ≤ 0 there is no such policy: raise a ValueError."
        ),
    ),
    variants={"logsumexp": _named(_logsumexp), "relative to the best": _named(_shifted)},
)
