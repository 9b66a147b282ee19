"""Exercise 8.3: the clipped loss of the critic."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import ppo as probes

Errors = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def oracle(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    """Step by step, in Python floats."""
    total, count = 0.0, 0
    for value, old, target, counts in zip(
        *(x.reshape(-1).tolist() for x in (values, old_values, returns, mask)), strict=True
    ):
        near = min(max(value, old - clip_eps), old + clip_eps)
        if counts:
            total, count = total + max((value - target) ** 2, (near - target) ** 2), count + 1
    return torch.tensor(total / 2 / max(count, 1), dtype=torch.float64)


def near(values: Tensor, old: Tensor, eps: float) -> Tensor:
    return old + (values - old).clamp(-eps, eps)


def larger(v: Tensor, old: Tensor, g: Tensor, eps: float) -> Tensor:
    return torch.maximum((v - g).square(), (near(v, old, eps) - g).square())


def between(v: Tensor, old: Tensor, g: Tensor, eps: float) -> Tensor:
    """Another right way: clamp between two ends."""
    clipped = torch.minimum(torch.maximum(v, old - eps), old + eps)
    return torch.stack([(v - g) ** 2, (clipped - g) ** 2]).amax(0)


def _unclipped(v: Tensor, old: Tensor, g: Tensor, eps: float) -> Tensor:
    return (v - g).square()


def of(
    errors: Errors,
    divisor: Callable[[Tensor], Tensor] | None = None,
    live: tuple[str, ...] = (),
    factor: float = 0.5,
) -> Callable[..., Tensor]:
    def loss(
        values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip_eps: float
    ) -> Tensor:
        old = old_values if "old_values" in live else old_values.detach()
        targets = returns if "returns" in live else returns.detach()
        terms = mask * errors(values, old, targets, clip_eps)
        return factor * terms.sum() / (divisor(mask) if divisor else mask.sum().clamp(min=1))

    return loss


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _batch(seed: int, mask: list[list[float]], eps: float = 0.4) -> dict[str, object]:
    shape = torch.tensor(mask).shape
    names = ("values", "old_values", "returns")
    tensors = {name: normal(seed + index, *shape) for index, name in enumerate(names)}
    return {**tensors, "mask": _double(mask), "clip_eps": eps}


EXERCISE = ExerciseSpec(
    number="8.3",
    title="The critic's clipped loss",
    targets=("clipped_value_loss",),
    points=2,
    minutes=15,
    difficulty=2,
    section="What the paper does not say",
    statement="""
The critic's squared error, made pessimistic like the actor's objective: the larger of two errors, one of the value
as it
is, one of the value held within $\\epsilon$ of what the critic said before the update. An infinite $\\epsilon$ gives
the
plain squared error back.
""",
    hints=(
        "The same idea as in 8.1: two versions of one number, and the worse one counts. For a loss, worse is larger.",
        "V_clip = V_old + clip(V − V_old, −ε, ε). Then ½ · mean of max((V − G)², (V_clip − G)²).",
        "Clamp the difference to the old value and add the old value again; two squares against the same target; "
        "torch.maximum; mask, sum, divide, half. Old values and returns are constants.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "values": _double([[1.0, 2.0, 0.0, 5.0]]),
                "old_values": _double([[1.0, 1.0, 1.0, 0.0]]),
                "returns": _double([[3.0, 3.0, 0.0, 0.0]]),
                "mask": _double([[1, 1, 1, 0]]),
                "clip_eps": 0.5,
            },
            "clipped values 1, 1.5, 0.5: ½ (4 + 2.25 + 0.25) / 3",
            expected=torch.tensor(6.5 / 6.0, dtype=torch.float64),
        ),
        Case(
            "value and gradient",
            _batch(0, [[1, 1, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]]),
            "three rows, compared with a loop; gradient by finite differences",
            oracle=oracle,
            gradients=("values",),
            detached=("old_values", "returns"),
        ),
        Law(probes.an_infinite_clip_is_a_squared_error, "without the clip it is the plain loss"),
        Law(probes.everything_may_be_shifted, "only differences count"),
        Law(probes.a_bool_mask_will_do, "masks of both kinds"),
        Law(probes.a_batch_twice_is_as_good_as_once, "a mean over steps"),
        Case(
            "a single step",
            _batch(12, [[0, 0, 1], [0, 0, 0]]),
            "only one step counts",
            oracle=oracle,
            gradients=("values",),
        ),
        Case(
            "empty mask",
            _batch(3, [[0, 0], [0, 0]]),
            "no step counts: 0, not NaN",
            expected=torch.tensor(0.0, dtype=torch.float64),
        ),
        Case(
            "single precision",
            {
                "values": torch.ones(1, 2),
                "old_values": torch.ones(1, 2),
                "returns": torch.zeros(1, 2),
                "mask": torch.ones(1, 2),
                "clip_eps": 0.2,
            },
            "float32 in, float32 out",
            expected=torch.tensor(0.5),
        ),
        Case(
            "another batch",
            _batch(6, [[1, 1, 1, 0], [1, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]], eps=0.7),
            "four rows, another clip",
            oracle=oracle,
            gradients=("values",),
            detached=("old_values", "returns"),
            hidden=True,
        ),
        Case(
            "nothing counts",
            _batch(9, [[0, 0, 0]]),
            "an empty row",
            expected=torch.tensor(0.0, dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the smaller error",
            of(lambda v, o, g, e: torch.minimum((v - g).square(), (near(v, o, e) - g).square())),
            "The smaller error lets the critic off. Pessimistic about a loss means the larger one.",
        ),
        Mistake(
            "the return is clipped",
            of(lambda v, o, g, e: torch.maximum((v - g).square(), (v - near(g, o, e)).square())),
            "The target is data and stays as it is; it is the new value that is held back.",
        ),
        Mistake(
            "the old value is not added again",
            of(
                lambda v, o, g, e: torch.maximum(
                    (v - g).square(), ((v - o).clamp(-e, e) - g).square()
                )
            ),
            "The clamped difference is a step away from the old value. Add the old value.",
        ),
        Mistake(
            "only the clipped error",
            of(lambda v, o, g, e: (near(v, o, e) - g).square()),
            "Where the clip holds there is no gradient: a critic that overshot would never come back. Take "
            "the max of both.",
        ),
        Mistake(
            "no clip",
            of(_unclipped),
            "Where does clip_eps come in? (Held near the return, instead of near the old value, it never acts either.)",
        ),
        Mistake(
            "the old values are trained too",
            of(larger, live=("old_values",)),
            "What the critic said before the update is a constant.",
        ),
        Mistake(
            "the returns carry gradient",
            of(larger, live=("returns",)),
            "The target does not come towards the critic. Detach it.",
        ),
        Mistake(
            "the half is missing", of(larger, factor=1.0), "Half the squared error, as in 6.4."
        ),
        Mistake(
            "padding counted in the mean",
            of(larger, lambda mask: torch.tensor(float(mask.numel()), dtype=mask.dtype)),
            "Divide by the number of steps that count, not by B·T.",
        ),
    ),
    variants={"between two ends": of(between), "in one expression": of(larger)},
)
