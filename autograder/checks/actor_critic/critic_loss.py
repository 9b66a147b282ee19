"""Exercise 6.4: the critic's loss."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import actor_critic as probes


def oracle(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Collect the steps that count, then take half the mean of their squares."""
    terms = [
        (
            values[b, t] ** 2
            - 2 * values[b, t] * returns[b, t].detach()
            + returns[b, t].detach() ** 2
        )
        / 2
        for b in range(mask.shape[0])
        for t in range(mask.shape[1])
        if bool(mask[b, t])
    ]
    return torch.stack(terms).mean() if terms else 0.0 * values.sum()


def _squares(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    return mask * (values - returns.detach()) ** 2


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _batch(seed: int, mask: list[list[float]]) -> dict[str, Tensor]:
    """Numbers also on the padding, where they must not count."""
    shape = torch.tensor(mask).shape
    return {
        "values": normal(seed, *shape),
        "returns": normal(seed + 1, *shape) + 1.0,
        "mask": _double(mask),
    }


EXERCISE = ExerciseSpec(
    number="6.4",
    title="The critic's loss",
    targets=("critic_loss",),
    points=2,
    minutes=10,
    difficulty=2,
    section="Two losses, two stop-gradients",
    statement="""
The critic should say what came: half the mean squared error over the steps that count. Its targets were made with the
critic's own values, and still they are constants: nothing may flow into them. An empty mask gives 0.

Libraries differ here: with the half the gradient is the error itself; without it, as in stable-baselines3, the
coefficient in front is halved instead.
""",
    hints=(
        "It is an ordinary regression; the only question is what the gradient may touch.",
        "½ Σ mask · (V − G)² / Σ mask, with G a constant. The divisor must not be 0.",
        "Square values − returns.detach(), multiply by the mask, sum, halve, divide by mask.sum().clamp(min=1).",
    ),
    checks=(
        Case(
            "hand value",
            {
                "values": _double([[1.0, 2.0], [3.0, 4.0]]),
                "returns": _double([[2.0, 4.0], [0.0, 9.0]]),
                "mask": _double([[1.0, 1.0], [1.0, 0.0]]),
            },
            "(1 + 4 + 9) / 3, halved; the last step does not count",
            expected=torch.tensor(7.0 / 3.0, dtype=torch.float64),
        ),
        Case(
            "value and gradient",
            _batch(0, [[1, 1, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]]),
            "three rows, compared with a loop; gradient by finite differences",
            oracle=oracle,
            gradients=("values",),
            detached=("returns",),
        ),
        Law(probes.a_batch_twice_is_as_good_as_once, "a mean over steps"),
        Law(probes.a_bool_mask_will_do, "masks of both kinds"),
        Case(
            "a single step",
            _batch(8, [[0, 1, 0], [0, 0, 0]]),
            "only one step counts",
            oracle=oracle,
            gradients=("values",),
        ),
        Case(
            "empty mask",
            _batch(2, [[0, 0], [0, 0]]),
            "no step counts: 0, not NaN",
            expected=torch.tensor(0.0, dtype=torch.float64),
        ),
        Case(
            "single precision",
            {
                "values": torch.ones(1, 2),
                "returns": torch.full((1, 2), 3.0),
                "mask": torch.ones(1, 2),
            },
            "float32 in, float32 out",
            expected=torch.tensor(2.0),
        ),
        Case(
            "another batch",
            _batch(4, [[1, 1, 1], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 0]]),
            "five rows",
            oracle=oracle,
            gradients=("values",),
            detached=("returns",),
            hidden=True,
        ),
        Case(
            "nothing counts",
            _batch(6, [[0, 0, 0]]),
            "an empty row",
            expected=torch.tensor(0.0, dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the returns carry gradient",
            lambda values, returns, mask: (
                0.5 * (mask * (values - returns) ** 2).sum() / mask.sum().clamp(min=1)
            ),
            "Then the target moves towards the critic as well as the critic towards it. Detach the returns.",
        ),
        Mistake(
            "the values are detached",
            lambda values, returns, mask: oracle(values.detach(), returns, mask),
            "The gradient must reach the critic through values; detach the returns instead.",
        ),
        Mistake(
            "wrong sign",
            lambda values, returns, mask: -oracle(values, returns, mask),
            "An error is minimized: no minus here.",
        ),
        Mistake(
            "the half is missing",
            lambda values, returns, mask: 2.0 * oracle(values, returns, mask),
            "Half the squared error was asked for, so that its gradient is the error.",
        ),
        Mistake(
            "padding counted in the mean",
            lambda values, returns, mask: 0.5 * _squares(values, returns, mask).mean(),
            "A plain .mean() divides by B·T. Divide by the number of steps that count.",
        ),
        Mistake(
            "the mask is forgotten",
            lambda values, returns, mask: 0.5 * ((values - returns.detach()) ** 2).mean(),
            "Masked columns hold resets and padding: there is nothing to foresee.",
        ),
        Mistake(
            "absolute error",
            lambda values, returns, mask: (
                (mask * (values - returns.detach()).abs()).sum() / mask.sum().clamp(min=1) / 2
            ),
            "The absolute error finds the median of the returns. V is their mean: square the error.",
        ),
        Mistake(
            "sum instead of mean",
            lambda values, returns, mask: 0.5 * _squares(values, returns, mask).sum(),
            "Twice as many steps must not double the gradient.",
        ),
    ),
    variants={
        "select": lambda values, returns, mask: (
            (values - returns.detach())[mask > 0].square().sum()
            / (2 * (mask > 0).sum().clamp(min=1))
        ),
        "mse_loss": lambda values, returns, mask: (
            torch.nn.functional.mse_loss(values * mask, returns.detach() * mask, reduction="sum")
            / mask.sum().clamp(min=1)
            / 2
        ),
    },
)
