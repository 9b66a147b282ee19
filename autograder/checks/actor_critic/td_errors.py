"""Exercise 6.1: the temporal-difference error."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import actor_critic as probes


def oracle(rewards: Tensor, discounts: Tensor, values: Tensor, next_values: Tensor) -> Tensor:
    """Step by step, the bootstrap only where something follows."""
    errors = torch.empty_like(rewards)
    for b in range(rewards.shape[0]):
        for t in range(rewards.shape[1]):
            errors[b, t] = rewards[b, t] - values[b, t]
            if discounts[b, t] > 0:
                errors[b, t] += discounts[b, t] * next_values[b, t]
    return errors


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _batch(seed: int, batch: int, steps: int) -> dict[str, Tensor]:
    going_on = (normal(seed, batch, steps) > -0.7).double()
    return {
        "rewards": normal(seed + 1, batch, steps),
        "discounts": 0.9 * going_on,
        "values": normal(seed + 2, batch, steps),
        "next_values": normal(seed + 3, batch, steps),
    }


def _next_column(rewards: Tensor, discounts: Tensor, values: Tensor, next_values: Tensor) -> Tensor:
    shifted = torch.cat([values[:, 1:], next_values[:, -1:]], dim=1)
    return rewards + discounts * shifted - values


EXERCISE = ExerciseSpec(
    number="6.1",
    title="The TD error",
    targets=("td_errors",),
    points=1,
    minutes=8,
    difficulty=1,
    section="One step of hindsight",
    statement="""
After one step the critic can be asked again: it said $V(s_t)$ before, and now a reward has come and it says
$V(s_{t+1})$. Write the difference between what it knows now and what it said then. Where the episode terminated, the
discount is 0, and nothing is bootstrapped.
""",
    hints=(
        "What the step turned out to be worth, minus what was expected of it.",
        "δ = r + γ V(s′) − V(s), entry by entry on (B, T). The discount already knows about termination.",
        "One line: return rewards + … * next_values − …",
    ),
    checks=(
        Case(
            "hand value",
            {
                "rewards": _double([[1.0, 2.0, 3.0]]),
                "discounts": _double([[0.5, 0.5, 0.0]]),
                "values": _double([[4.0, 1.0, 2.0]]),
                "next_values": _double([[6.0, 8.0, 100.0]]),
            },
            "1 + 0.5·6 − 4 = 0; 2 + 0.5·8 − 1 = 5; the last step terminated: 3 − 2 = 1",
            expected=_double([[0.0, 5.0, 1.0]]),
        ),
        Case(
            "two rows with terminations",
            _batch(0, 2, 5),
            "compared with a loop over steps; gradients by finite differences",
            oracle=oracle,
            gradients=("rewards", "values", "next_values"),
        ),
        Law(probes.errors_of_a_perfect_critic_are_zero, "δ = 0 if V already knew"),
        Case(
            "single precision",
            {
                "rewards": torch.ones(1, 2),
                "discounts": torch.full((1, 2), 0.5),
                "values": torch.ones(1, 2),
                "next_values": torch.full((1, 2), 4.0),
            },
            "float32 in, float32 out",
            expected=torch.full((1, 2), 2.0),
        ),
        Case(
            "three more rows",
            _batch(10, 3, 4),
            "other numbers",
            oracle=oracle,
            gradients=("rewards", "values", "next_values"),
            hidden=True,
        ),
        Case("one long row", _batch(20, 1, 9), "one row of nine steps", oracle=oracle, hidden=True),
    ),
    mistakes=(
        Mistake(
            "V is not subtracted",
            lambda rewards, discounts, values, next_values: rewards + discounts * next_values,
            "That is the target. The error is what the target says beyond what the critic had said.",
        ),
        Mistake(
            "V(s) is masked too",
            lambda rewards, discounts, values, next_values: (
                rewards + discounts * next_values - (discounts > 0) * values
            ),
            "Termination wipes out the future, not the past: what had been promised at the last step still counts.",
        ),
        Mistake(
            "the termination is ignored",
            lambda rewards, discounts, values, next_values: (
                rewards + discounts.max() * next_values - values
            ),
            "After a termination nothing can be earned, whatever the critic says there. Multiply by the discounts.",
        ),
        Mistake(
            "the discount is on the wrong value",
            lambda rewards, discounts, values, next_values: (
                rewards + next_values - discounts * values
            ),
            "The *next* value lies one step later, so it is the one that is discounted.",
        ),
        Mistake(
            "the next column of V for the next value",
            _next_column,
            "At the end of a trajectory the next column belongs to another one. Use next_values: the true successor.",
        ),
        Mistake(
            "wrong sign",
            lambda rewards, discounts, values, next_values: (
                values - rewards - discounts * next_values
            ),
            "Positive means: better than expected.",
        ),
        Mistake(
            "the next value is detached",
            lambda rewards, discounts, values, next_values: (
                rewards + discounts * next_values.detach() - values
            ),
            "A formula leaves gradients alone; who wants constants says so. (gae and the losses will.)",
        ),
    ),
    variants={
        "add and multiply": lambda rewards, discounts, values, next_values: torch.addcmul(
            rewards - values, discounts, next_values
        ),
        "where": lambda rewards, discounts, values, next_values: (
            torch.where(discounts > 0, rewards + discounts * next_values, rewards) - values
        ),
    },
)
