"""Exercise 5.2: the target of Q-learning, for a batch."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import q_learning as probes

Target = Callable[[Tensor, Tensor, Tensor], Tensor]


def oracle(rewards: Tensor, discounts: Tensor, next_q: Tensor) -> Tensor:
    """Row by row with Python floats."""
    rows = zip(rewards.tolist(), discounts.tolist(), next_q.tolist(), strict=True)
    return torch.tensor([r + g * sorted(q)[-1] for r, g, q in rows], dtype=rewards.dtype)


def _best(next_q: Tensor) -> Tensor:
    return next_q.amax(dim=-1)


def _with(following: Callable[[Tensor], Tensor]) -> Target:
    """Another number in the place of the largest value."""

    def q_target(rewards: Tensor, discounts: Tensor, next_q: Tensor) -> Tensor:
        return rewards + discounts * following(next_q.detach())

    return q_target


def _discounted_by(change: Callable[[Tensor], Tensor]) -> Target:
    """Other discounts."""

    def q_target(rewards: Tensor, discounts: Tensor, next_q: Tensor) -> Tensor:
        return rewards + change(discounts) * _best(next_q.detach())

    return q_target


@torch.no_grad()
def _sorted(rewards: Tensor, discounts: Tensor, next_q: Tensor) -> Tensor:
    return torch.addcmul(rewards, discounts, next_q.sort(dim=1).values[:, -1])


def _loop(rewards: Tensor, discounts: Tensor, next_q: Tensor) -> Tensor:
    rows = zip(rewards, discounts, next_q, strict=True)
    return torch.stack([r + g * max(q.unbind()) for r, g, q in rows]).detach()


def _double(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _batch(seed: int, rows: int, actions: int) -> dict[str, Tensor]:
    return {
        "rewards": normal(seed, rows),
        "discounts": 0.9 * (normal(seed + 1, rows) > -0.7),
        "next_q": normal(seed + 2, rows, actions),
    }


EXERCISE = ExerciseSpec(
    number="5.2",
    title="The target of Q-learning",
    targets=("q_target",),
    points=2,
    minutes=10,
    difficulty=2,
    section="From a table to a network",
    statement="""
A batch of transitions, and for each the values of all actions at the observation that truly followed. What should the
value of the action that was taken have been? The reward, and behind it the best of the next values, discounted. Where
the episode terminated the discount is 0. The target is a constant: no gradient may flow into it.
""",
    hints=(
        "One target a row: its reward plus its discount times the largest value of its row.",
        "next_q is (N, A); the maximum over its last axis is (N). Use the values of the maximum, not their places.",
        "rewards + discounts * next_q.max(…).…; detach what you return, or compute it without gradients.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "rewards": _double(1.0, 2.0, 3.0),
                "discounts": _double(0.5, 0.0, 0.5),
                "next_q": torch.tensor([[2.0, 8.0], [9.0, 4.0], [6.0, -1.0]]).double(),
            },
            "1 + 0.5 · 8; the second episode terminated: 2; 3 + 0.5 · 6",
            expected=_double(5.0, 2.0, 6.0),
        ),
        Case(
            "six rows",
            _batch(0, 6, 4),
            "six transitions, some of them the last, compared row by row; no gradient may flow",
            oracle=oracle,
            detached=("next_q",),
        ),
        Case(
            "as many rows as actions",
            _batch(10, 3, 3),
            "three transitions, three actions: is the maximum taken along the right axis?",
            oracle=oracle,
        ),
        Law(probes.nothing_follows_a_terminal_step, "behind the end there is nothing"),
        Law(probes.the_order_of_the_actions_does_not_matter, "actions are only numbered"),
        Law(probes.rows_do_not_know_each_other, "each transition for itself"),
        Case(
            "huge values",
            {
                "rewards": _double(0.0, 1.0),
                "discounts": _double(1.0, 0.0),
                "next_q": torch.tensor([[-1e4, -2e4], [1e4, 0.0]]).double(),
            },
            "values of ±10,000, all negative in one row",
            expected=_double(-1e4, 1.0),
        ),
        Case(
            "single precision",
            {
                "rewards": torch.ones(2),
                "discounts": torch.tensor([0.5, 0.0]),
                "next_q": torch.tensor([[2.0, 4.0], [2.0, 4.0]]),
            },
            "float32 in, float32 out",
            expected=torch.tensor([3.0, 1.0]),
        ),
        Case(
            "eight rows, hidden",
            _batch(20, 8, 5),
            "eight transitions, five actions",
            oracle=oracle,
            detached=("next_q",),
            hidden=True,
        ),
        Case(
            "a single action, hidden",
            _batch(30, 4, 1),
            "no choice at all",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "square, hidden",
            _batch(40, 4, 4),
            "as many rows as actions",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "termination is ignored",
            _discounted_by(lambda discounts: discounts.max()),
            "Where the episode terminated nothing can be earned any more: each row has its own discount.",
        ),
        Mistake(
            "termination is inverted",
            _discounted_by(lambda discounts: discounts.max() - discounts),
            "Here only terminated steps look ahead. The discounts are 0 at the end already: use them as they are.",
        ),
        Mistake(
            "mean over the actions",
            _with(lambda q: q.mean(dim=-1)),
            "That is what a policy without preferences would earn. Q-learning asks for the best action.",
        ),
        Mistake(
            "the worst action",
            _with(lambda q: q.amin(dim=-1)),
            "The smallest value of each row was taken, not the largest.",
        ),
        Mistake(
            "the place of the maximum",
            _with(lambda q: q.argmax(dim=-1).to(q.dtype)),
            "argmax (or the second thing that max returns) says which action is best; the target needs its value.",
        ),
        Mistake(
            "the maximum over the batch",
            _with(lambda q: q.max().expand(len(q))),
            "One number for all rows: take the maximum of each row, over the axis of the actions.",
        ),
        Mistake(
            "the reward is left out",
            lambda rewards, discounts, next_q: discounts * _best(next_q.detach()),
            "The only news in a target is the reward. Without it values agree with each other and with nothing else.",
        ),
        Mistake(
            "the reward is discounted too",
            lambda rewards, discounts, next_q: discounts * (rewards + _best(next_q.detach())),
            "The reward comes at once; only what lies behind it is discounted.",
        ),
        Mistake(
            "gradient flows through the target",
            lambda rewards, discounts, next_q: rewards + discounts * _best(next_q),
            "A target is where a value should go. Detach it, or the goal will be moved towards the shot.",
        ),
    ),
    variants={"sorted": _sorted, "loop": _loop, "plain": _with(_best)},
)
