"""Laws and probes of chapter 3: code that tells nothing about the answers, so it ships to students."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rlcourse.checks.probes.policy_gradient import assert_close, numbers
from rlcourse.support.rollouts import Rollout

Function = Callable[..., Any]

# 3.1


class Table(nn.Module):
    """A policy with a row of logits for each state; observations are numbers of states."""

    def __init__(self, theta: Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(theta.clone())

    def forward(self, observations: Tensor) -> Tensor:
        return self.theta[observations]


class TwoParts(nn.Module):
    """A linear policy with a matrix and a vector, to see in which order parameters come."""

    def __init__(self, matrix: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix.clone())
        self.bias = nn.Parameter(bias.clone())

    def forward(self, observations: Tensor) -> Tensor:
        return observations @ self.matrix + self.bias


def gradients_of_a_table(
    gradient_samples: Function, theta: Tensor, rollout: Rollout, weights: Tensor
) -> Tensor:
    """The samples for a policy with a row of logits (S, A) for each state."""
    samples: Tensor = gradient_samples(Table(theta), rollout, weights)
    return samples


def gradients_of_two_parts(
    gradient_samples: Function, matrix: Tensor, bias: Tensor, rollout: Rollout, weights: Tensor
) -> Tensor:
    """The samples for a linear policy with two parameters, a matrix (D, A) and a bias (A)."""
    samples: Tensor = gradient_samples(TwoParts(matrix, bias), rollout, weights)
    return samples


def gradients_with_weights_of_the_policy(
    gradient_samples: Function, theta: Tensor, rollout: Rollout, weights: Tensor
) -> Tensor:
    """As ``gradients_of_a_table``, with weights that depend on the parameters of the policy."""
    policy = Table(theta)
    shift = policy.theta.square().sum()
    samples: Tensor = gradient_samples(policy, rollout, weights + shift - shift.detach())
    return samples


def a_trajectory_alone_has_the_same_row(gradient_samples: Function) -> None:
    policy = TwoParts(numbers(40, 2, 3), numbers(41, 3))
    rollout, weights = random_rollout(42, [3, 3]), numbers(43, 2, 3)
    both = gradient_samples(policy, rollout, weights)
    alone = gradient_samples(policy, _row(rollout, 1), weights[1:])
    assert_close(both[1:], alone, "the row of a trajectory must not depend on the other ones")


def random_rollout(seed: int, lengths: list[int]) -> Rollout:
    """Trajectories of random numbers: two observed, three actions; what is padding is random too."""
    batch, steps = len(lengths), max(lengths)
    column, size = torch.arange(steps), torch.tensor(lengths)[:, None]
    actions = torch.randint(3, (batch, steps), generator=torch.Generator().manual_seed(seed + 2))
    return Rollout(
        observations=numbers(seed, batch, steps + 1, 2),
        actions=actions,
        rewards=numbers(seed + 1, batch, steps),
        terminated=column == size - 1,
        ends=column == size - 1,
        mask=(column < size).double(),
    )


def _row(rollout: Rollout, b: int) -> Rollout:
    fields = ("observations", "actions", "rewards", "terminated", "ends", "mask")
    return Rollout(**{name: getattr(rollout, name)[b : b + 1] for name in fields})


# 3.2


def a_shift_changes_nothing(gradient_variance: Function) -> None:
    samples = numbers(44, 6, 3)
    assert_close(
        gradient_variance(samples + 7.0),
        gradient_variance(samples),
        "all samples were moved by the same vector: they are as far apart as before",
    )


def doubling_quadruples(gradient_variance: Function) -> None:
    samples = numbers(45, 6, 3)
    assert_close(
        gradient_variance(2.0 * samples),
        4.0 * gradient_variance(samples),
        "a variance is a squared distance: twice as long vectors have four times the variance",
    )


def right_on_average(gradient_variance: Function) -> None:
    values = torch.tensor([[0.0, 1.0], [2.0, 0.0], [4.0, 8.0]], dtype=torch.float64)
    exact = (values - values.mean(0)).square().sum(1).mean()
    for size in (2, 3):
        draws = [values[list(rows)] for rows in itertools.product(range(3), repeat=size)]
        mean = torch.stack([gradient_variance(draw) for draw in draws]).mean()
        assert_close(
            mean,
            exact,
            f"over all equally likely draws of {size} samples the mean estimate is not the variance",
        )


# 3.3 and 3.4

POLICY = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
REWARDS = torch.tensor([1.0, -2.0, 5.0], dtype=torch.float64)
EXACT = POLICY * (REWARDS - POLICY @ REWARDS)


def expected_gradient(weigh: Callable[[Tensor], Tensor], size: int) -> Tensor:
    """(3,) mean gradient of a bandit over every batch of that size, each with its probability.

    Args:
        weigh: maps the rewards (size,) of a batch to the weights of its draws.
        size: draws in a batch.
    """
    total = torch.zeros(3, dtype=torch.float64)
    for draw in itertools.product(range(3), repeat=size):
        actions = torch.tensor(draw)
        scores = torch.eye(3, dtype=torch.float64)[actions] - POLICY
        gradient = (weigh(REWARDS[actions])[:, None] * scores).mean(0)
        total += POLICY[actions].prod() * gradient
    return total


def the_weights_sum_to_zero(mean_baseline: Function) -> None:
    returns = numbers(46, 5)
    assert_close(
        (returns - mean_baseline(returns)).sum(),
        torch.zeros((), dtype=torch.float64),
        "what is above the mean must balance what is below it",
    )


def the_expected_gradient_has_the_right_direction(mean_baseline: Function) -> None:
    found = expected_gradient(lambda rewards: rewards - mean_baseline(rewards), 3)
    cosine = torch.cosine_similarity(found, EXACT, dim=0)
    assert_close(
        cosine,
        torch.ones((), dtype=torch.float64),
        "over every batch of a bandit, the mean gradient points away from the exact one",
    )


def no_expected_gradient_changes(leave_one_out_baseline: Function) -> None:
    for size in (2, 3):

        def weigh(rewards: Tensor) -> Tensor:
            baseline: Tensor = leave_one_out_baseline(rewards[None])[0]
            return rewards - baseline

        assert_close(
            expected_gradient(weigh, size),
            EXACT,
            f"over every group of {size} samples of a bandit, the mean gradient is not the exact one",
        )


def a_sample_does_not_move_its_own_baseline(leave_one_out_baseline: Function) -> None:
    rewards = numbers(47, 2, 4)
    moved = rewards.clone()
    moved[0, 1] += 10.0
    before, after = leave_one_out_baseline(rewards), leave_one_out_baseline(moved)
    assert_close(after[0, 1], before[0, 1], "a sample's reward changed its own baseline")
    assert_close(after[1], before[1], "a reward changed the baseline of another prompt")
    assert bool(((after[0] - before[0]).abs() > 1.0).sum() == 3), (
        "a reward must change the baseline of the other samples of its prompt"
    )


# 3.5


def no_other_baseline_is_better(optimal_baseline: Function) -> None:
    norms, returns = numbers(48, 20).square(), 3.0 + numbers(49, 20)
    best = optimal_baseline(norms, returns)
    least = (norms * (returns - best).square()).mean()
    for step in (-0.1, 0.1):
        other = (norms * (returns - best - step).square()).mean()
        assert bool(least < other), (
            f"a baseline {step:+} away has a smaller mean of ‖g‖²(R − b)²: {other:.4f} < {least:.4f}"
        )


def returns_may_be_shifted_and_scaled(optimal_baseline: Function) -> None:
    norms, returns = numbers(50, 6).square(), numbers(51, 6)
    assert_close(
        optimal_baseline(norms, 2.0 * returns + 3.0),
        2.0 * optimal_baseline(norms, returns) + 3.0,
        "the baseline has the unit of the returns: it must move and stretch with them",
    )
    assert_close(
        optimal_baseline(5.0 * norms, returns),
        optimal_baseline(norms, returns),
        "only the ratios of the squared norms count",
    )


# 3.6


def shift_and_scale_are_forgotten(standardize: Function) -> None:
    x = numbers(52, 3, 4)
    mask = (torch.arange(4) < torch.tensor([[4], [2], [3]])).double()
    assert_close(
        standardize(3.0 * x - 20.0, mask, 0.0),
        standardize(x, mask, 0.0),
        "numbers that were shifted and stretched must come out the same",
    )


def a_wider_batch_changes_nothing(standardize: Function) -> None:
    x, ones = numbers(53, 2, 3), torch.ones(2, 3, dtype=torch.float64)
    wide = torch.cat([x, torch.full((2, 2), 9.0, dtype=torch.float64)], dim=1)
    mask = torch.cat([ones, torch.zeros(2, 2, dtype=torch.float64)], dim=1)
    assert_close(
        standardize(wide, mask, 1e-8)[:, :3],
        standardize(x, ones, 1e-8),
        "two columns of padding changed the numbers that count",
    )
