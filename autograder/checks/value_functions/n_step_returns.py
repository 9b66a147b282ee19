"""Exercise 4.4: n rewards, then a guess."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from autograder.checks.sequence_oracles import n_step_return as oracle
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import value_functions as probes


def general(
    rewards: Tensor,
    discounts: Tensor,
    next_values: Tensor,
    ends: Tensor,
    n: int,
    stops: bool = True,
    bootstrap: Callable[[int, int, int], tuple[int, float]] | None = None,
    keep: Callable[[int, float], float] = lambda j, discount: discount,
) -> Tensor:
    """Walk from every step; a mistake changes where to stop, which value to take, which discount.

    Args:
        rewards: (B, T).
        discounts: (B, T).
        next_values: (B, T).
        ends: (B, T).
        n: how many rewards.
        stops: whether to stop at the end of a trajectory.
        bootstrap: maps row, first and last step to the column whose value is taken, and a factor.
        keep: maps the number of steps walked and a discount to the factor used for rewards.
    """
    if n < 1:
        raise ValueError(n)
    found = torch.zeros_like(rewards)
    batch, steps = rewards.shape
    for b in range(batch):
        for t in range(steps):
            factor, total, last = 1.0, 0.0, t
            for k in range(t, min(t + n, steps)):
                total += factor * float(rewards[b, k])
                factor *= keep(k - t, float(discounts[b, k]))
                last = k
                if stops and bool(ends[b, k]):
                    break
            column, weight = (last, 1.0) if bootstrap is None else bootstrap(b, t, last)
            found[b, t] = total + weight * factor * float(next_values[b, column])
    return found


def _matrix(rewards: Tensor, discounts: Tensor, next_values: Tensor, ends: Tensor, n: int) -> Any:
    """Another right way: apply r + gamma (shift or bootstrap) as matrices, n times."""
    if n < 1:
        raise ValueError(n)
    steps = rewards.shape[1]
    goes_on = (~ends.bool()).to(rewards.dtype)
    goes_on = torch.cat([goes_on[:, :-1], torch.zeros_like(goes_on[:, :1])], dim=1)
    shift = torch.diag(torch.ones(steps - 1, dtype=rewards.dtype), diagonal=1)
    matrix = (discounts * goes_on)[:, :, None] * shift
    fixed = rewards + discounts * (1 - goes_on) * next_values
    found = rewards + discounts * next_values
    for _ in range(min(n, steps) - 1):
        found = fixed + (matrix @ found[:, :, None])[:, :, 0]
    return found


def _no_bootstrap(
    rewards: Tensor, discounts: Tensor, next_values: Tensor, ends: Tensor, n: int
) -> Any:
    return general(rewards, discounts, 0 * next_values, ends, n)


def _forgets_the_columns_end(
    rewards: Tensor, discounts: Tensor, next_values: Tensor, ends: Tensor, n: int
) -> Any:
    steps = rewards.shape[1]

    def bootstrap(b: int, t: int, last: int) -> tuple[int, float]:
        cut = t + n > steps and last == steps - 1 and not bool(ends[b, last])
        return last, 0.0 if cut else 1.0

    return general(rewards, discounts, next_values, ends, n, bootstrap=bootstrap)


def _truncation_as_termination(
    rewards: Tensor, discounts: Tensor, next_values: Tensor, ends: Tensor, n: int
) -> Any:
    return general(rewards, discounts * (~ends.bool()), next_values, ends, n)


def _double(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def _random(seed: int, batch: int, steps: int, n: int) -> dict[str, Any]:
    """Rows with terminations (discount 0) and cuts by the clock (end, but a discount)."""
    terminated = normal(seed, batch, steps) > 1.0
    truncated = normal(seed + 1, batch, steps) > 0.9
    return {
        "rewards": normal(seed + 2, batch, steps),
        "discounts": normal(seed + 3, batch, steps).sigmoid() * ~terminated,
        "next_values": normal(seed + 4, batch, steps),
        "ends": terminated | truncated,
        "n": n,
    }


def _row(ends: list[int], n: int, discounts: list[float] | None = None) -> dict[str, Any]:
    """Rewards 1, 2, 4, 8 and values 10, 20, 30, 40, discounted by one half."""
    return {
        "rewards": _double([1.0, 2.0, 4.0, 8.0]),
        "discounts": _double(discounts or [0.5, 0.5, 0.5, 0.5]),
        "next_values": _double([10.0, 20.0, 30.0, 40.0]),
        "ends": torch.tensor([ends]).bool(),
        "n": n,
    }


EXERCISE = ExerciseSpec(
    number="4.4",
    title="n-step returns",
    targets=("n_step_returns",),
    points=4,
    minutes=30,
    difficulty=4,
    section="Between the two: n steps",
    statement="""
Take `n` rewards as they came, and a value for the rest. With `n = 1` this is the target of TD, with `n` as long as the
episode it is Monte Carlo. Look no further than the trajectory goes: where it stopped, use the value of what came next.
""",
    hints=(
        "An n-step return is a reward and, discounted, an (n−1)-step return of the next step. A 1-step return is a "
        "reward and, discounted, a value.",
        "Start with G = rewards + discounts · next_values and lengthen it n − 1 times: what follows step t is G of "
        "step t + 1, but next_values of step t where the trajectory stops, and in the last column.",
        "Repeat min(n, T) − 1 times: longer = G moved one column to the left, with next_values[:, -1:] as last column; "
        "following = next_values where ends > 0, else longer (torch.where); G = rewards + discounts * following.",
    ),
    checks=(
        Case(
            "one step",
            _row([0, 0, 0, 0], 1),
            "n = 1: r + γV, with rewards 1, 2, 4, 8, γ = 0.5 and values 10, 20, 30, 40",
            expected=_double([6.0, 12.0, 19.0, 28.0]),
        ),
        Case(
            "two steps",
            _row([0, 0, 0, 0], 2),
            "n = 2: the first is 1 + 0.5 · 2 + 0.25 · 20; the last has only one step left",
            expected=_double([7.0, 11.5, 18.0, 28.0]),
        ),
        Case(
            "to the end",
            _row([0, 0, 0, 1], 4, [0.5, 0.5, 0.5, 0.0]),
            "n = T and the episode terminates: Monte Carlo, no value enters",
            expected=_double([4.0, 6.0, 8.0, 8.0]),
        ),
        Case(
            "cut off by the clock",
            _row([0, 1, 0, 0], 3),
            "n = 3, and the clock stops the trajectory after the second step: its value 20 still counts, "
            "the rewards behind it do not",
            expected=_double([7.0, 12.0, 18.0, 28.0]),
        ),
        Case(
            "two steps, step by step",
            _random(0, 3, 6, 2),
            "n = 2, terminations and cuts among the steps, compared with a walk from every step",
            oracle=oracle,
        ),
        Case(
            "four steps, step by step",
            _random(10, 4, 7, 4),
            "n = 4, terminations and cuts among the steps",
            oracle=oracle,
        ),
        Law(probes.right_values_are_right_for_every_n, "with exact values n does not matter"),
        Law(probes.looking_beyond_the_end_changes_nothing, "n may be larger than T"),
        Law(probes.what_follows_a_cut_stays_out, "a row may hold the next trajectory"),
        Case("no step at all", _row([0, 0, 0, 0], 0), "n = 0 is an error", raises=ValueError),
        Case(
            "single precision",
            {
                "rewards": torch.ones(1, 2),
                "discounts": torch.ones(1, 2),
                "next_values": torch.tensor([[5.0, 7.0]]),
                "ends": torch.zeros(1, 2),
                "n": 2,
            },
            "float32 in, float32 out, ends given as 0 and 1",
            expected=torch.tensor([[9.0, 8.0]]),
        ),
        Case(
            "three steps, hidden",
            _random(20, 5, 8, 3),
            "n = 3",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "one step, hidden",
            _random(30, 2, 5, 1),
            "n = 1 with terminations and cuts",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "more than there are",
            _random(40, 6, 3, 9),
            "n larger than T, more rows than steps",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "a single column",
            _random(50, 3, 1, 2),
            "T = 1",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "one step too few",
            lambda rewards, discounts, next_values, ends, n: (
                next_values.clone()
                if n == 1
                else general(rewards, discounts, next_values, ends, n - 1)
            ),
            "n counts rewards: with n = 1 there is one reward before the value.",
        ),
        Mistake(
            "one step too many",
            lambda rewards, discounts, next_values, ends, n: general(
                rewards, discounts, next_values, ends, n + 1
            ),
            "n counts rewards: with n = 1 the value comes right after the first.",
        ),
        Mistake(
            "crosses into the next episode",
            lambda rewards, discounts, next_values, ends, n: general(
                rewards, discounts, next_values, ends, n, stops=False
            ),
            "Where `ends` is 1 the trajectory stops, and another may follow in the row. A cut by the clock has a "
            "discount above 0, so only `ends` shows it.",
        ),
        Mistake(
            "truncation taken for termination",
            _truncation_as_termination,
            "A cut-off trajectory would have gone on: use the value of what came next. Only the discount says that "
            "nothing comes.",
        ),
        Mistake(
            "no value at the end",
            _no_bootstrap,
            "After n rewards something is left: the discounted value of where they led.",
        ),
        Mistake(
            "the last columns lose their value",
            _forgets_the_columns_end,
            "Where fewer than n columns are left, the value comes earlier: at the last column.",
        ),
        Mistake(
            "the value of the first next state",
            lambda rewards, discounts, next_values, ends, n: general(
                rewards, discounts, next_values, ends, n, bootstrap=lambda b, t, last: (t, 1.0)
            ),
            "The value must be that of the state after the last reward you took, not of the state after the first.",
        ),
        Mistake(
            "discounted only once",
            lambda rewards, discounts, next_values, ends, n: general(
                rewards,
                discounts,
                next_values,
                ends,
                n,
                keep=lambda j, discount: discount if j == 0 else float(discount > 0),
            ),
            "The discounts multiply up: after k steps the factor is the product of k of them.",
        ),
    ),
    variants={"matrix": _matrix, "walk": general},
)
