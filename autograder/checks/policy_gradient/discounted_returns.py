"""Exercise 2.3: the discounted return from each step on."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import policy_gradient as probes


def oracle(rewards: Tensor, discounts: Tensor) -> Tensor:
    """The double sum: each later reward times the product of the discounts on the way to it."""
    returns = torch.zeros_like(rewards)
    batch, steps = rewards.shape
    for b in range(batch):
        for t in range(steps):
            for later in range(t, steps):
                returns[b, t] += rewards[b, later] * discounts[b, t:later].prod()
    return returns


def _matrix(rewards: Tensor, discounts: Tensor) -> Tensor:
    """Solve (I - shift) G = r."""
    steps = rewards.shape[1]
    shift = torch.diag_embed(discounts[:, :-1], offset=1) if steps > 1 else 0.0
    system = torch.eye(steps, dtype=rewards.dtype) - shift
    returns: Tensor = torch.linalg.solve(system.expand(len(rewards), -1, -1), rewards)
    return returns


def _backwards_list(rewards: Tensor, discounts: Tensor) -> Tensor:
    columns = [rewards[:, -1]]
    for t in range(rewards.shape[1] - 2, -1, -1):
        columns.insert(0, rewards[:, t] + discounts[:, t] * columns[0])
    return torch.stack(columns, dim=1)


def _forward(rewards: Tensor, discounts: Tensor) -> Tensor:
    columns = [rewards[:, 0]]
    for t in range(1, rewards.shape[1]):
        columns.append(rewards[:, t] + discounts[:, t - 1] * columns[-1])
    return torch.stack(columns, dim=1)


def _in_place(rewards: Tensor, discounts: Tensor) -> Tensor:
    for t in range(rewards.shape[1] - 2, -1, -1):
        rewards[:, t] += discounts[:, t] * rewards[:, t + 1]
    return rewards


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _discounts(seed: int, batch: int, steps: int) -> Tensor:
    """Discounts between 0 and 1 with some terminations among them."""
    discounts = normal(seed, batch, steps).sigmoid()
    return discounts * (normal(seed + 1, batch, steps) > -0.8)


EXERCISE = ExerciseSpec(
    number="2.3",
    title="Discounted returns",
    targets=("discounted_returns",),
    points=3,
    minutes=15,
    difficulty=2,
    section="Return and reward-to-go",
    statement="""
What an action can take credit for is what came after it. Compute the discounted return from **each** step on. The
discount of a step is $\\gamma$, or 0 if the episode terminated there, so one row may hold several episodes.
""",
    hints=(
        "Walk from the last step to the first: the return of a step is its own reward plus a part of the next return.",
        "G_t = r_t + γ_t G_{t+1}, with G = 0 behind the last column. γ_t is discounts[:, t], a column of its own for "
        "each step.",
        "Make an empty result like rewards; keep a running tensor of shape (B), zeros at first; for t in "
        "reversed(range(T)): update it from rewards[:, t] and discounts[:, t], and store it in column t.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "rewards": _double([[1.0, 2.0, 3.0]]),
                "discounts": _double([[0.5, 0.5, 0.5]]),
            },
            "rewards 1, 2, 3 with γ = 0.5: 3, then 2 + 1.5, then 1 + 1.75",
            expected=_double([[2.75, 3.5, 3.0]]),
        ),
        Case(
            "two episodes in a row",
            {
                "rewards": _double([[1.0, 2.0, 3.0, 4.0]]),
                "discounts": _double([[0.5, 0.0, 0.5, 0.5]]),
            },
            "the first episode terminates after the second step (discount 0)",
            expected=_double([[2.0, 2.0, 5.0, 4.0]]),
        ),
        Case(
            "double sum",
            {"rewards": normal(0, 3, 6), "discounts": _discounts(1, 3, 6)},
            "random rewards and discounts, compared with the double sum",
            oracle=oracle,
        ),
        Law(
            probes.nothing_after_termination_leaks_back,
            "the past of a terminated episode is closed",
        ),
        Law(probes.returns_are_linear_in_the_rewards, "returns are weighted sums of rewards"),
        Case(
            "one step",
            {"rewards": _double([[4.0], [-1.0]]), "discounts": _double([[0.9], [0.0]])},
            "T = 1: the return is the reward",
            expected=_double([[4.0], [-1.0]]),
        ),
        Case(
            "single precision",
            {"rewards": torch.ones(2, 3), "discounts": torch.ones(2, 3)},
            "float32 in, float32 out, no discount",
            expected=torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]),
        ),
        Case(
            "another batch",
            {"rewards": normal(4, 4, 9), "discounts": _discounts(5, 4, 9)},
            "a longer batch with terminations",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "more rows than steps",
            {"rewards": normal(7, 5, 2), "discounts": _discounts(8, 5, 2)},
            "five rows, two steps",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "discounts of every size",
            {
                "rewards": normal(10, 2, 4),
                "discounts": _double([[1.0, 0.0, 0.3, 1.0], [0.0, 0.0, 1.0, 0.7]]),
            },
            "discounts of 0 and 1",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the sum runs forward",
            _forward,
            "This accumulates the past. A return looks ahead: start from the last step.",
        ),
        Mistake(
            "the return of the first step everywhere",
            lambda rewards, discounts: oracle(rewards, discounts)[:, :1].expand_as(rewards).clone(),
            "An action cannot change what was earned before it: each step has a return of its own.",
        ),
        Mistake(
            "the reward of the step is left out",
            lambda rewards, discounts: oracle(rewards, discounts) - rewards,
            "rewards[:, t] follows actions[:, t], so it belongs to G_t, undiscounted.",
        ),
        Mistake(
            "discount applied once too often",
            lambda rewards, discounts: discounts * oracle(rewards, discounts),
            "The reward of the step itself is not discounted; only what follows is.",
        ),
        Mistake(
            "discount squared",
            lambda rewards, discounts: oracle(rewards, discounts**2),
            "One step costs one factor γ. Is it multiplied both into the reward and into the sum?",
        ),
        Mistake(
            "one discount for all steps",
            lambda rewards, discounts: oracle(rewards, discounts.max().expand_as(discounts)),
            "The discount is 0 where an episode terminated; a single γ lets the next episode leak into it.",
        ),
        Mistake(
            "discount of the next step",
            lambda rewards, discounts: oracle(rewards, discounts.roll(-1, dims=1)),
            "What follows step t is discounted by discounts[:, t], not by that of t + 1.",
        ),
        Mistake(
            "termination wipes out the reward",
            lambda rewards, discounts: oracle(rewards * (discounts > 0), discounts),
            "The reward of the terminating step counts; only what would follow it is cut off.",
        ),
        Mistake(
            "computed inside the rewards",
            _in_place,
            "The caller's rewards were overwritten. Write into a tensor of your own.",
        ),
    ),
    variants={"solve": _matrix, "list": _backwards_list},
)
