"""Laws of chapter 4: code that tells nothing about the answers, so it ships to students."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rlcourse.support.tabular import random_mdp, random_walk, uniform_policy

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


# 4.1


def values_double_with_the_rewards(solve_values: Function) -> None:
    mdp = random_mdp(5, 2, gamma=0.9, generator=torch.Generator().manual_seed(0))
    policy = numbers(1, 5, 2).softmax(dim=1)
    assert_close(
        solve_values(mdp.transitions, 2.0 * mdp.rewards, policy, 0.9),
        2.0 * solve_values(mdp.transitions, mdp.rewards, policy, 0.9),
        "values are sums of rewards: doubling the rewards must double them",
    )


def terminal_states_are_worth_nothing(solve_values: Function) -> None:
    mdp = random_walk(7)
    for gamma in (0.5, 1.0):
        values = solve_values(mdp.transitions, mdp.rewards, uniform_policy(mdp), gamma)
        ends = values[mdp.terminal]
        assert_close(
            ends,
            torch.zeros_like(ends),
            f"gamma = {gamma}: in a terminal state nothing can be earned any more",
        )


# 4.2


def the_order_of_the_episodes_does_not_matter(monte_carlo_values: Function) -> None:
    episodes = [
        (torch.tensor([0, 1, 0]), numbers(2, 3)),
        (torch.tensor([2, 2]), numbers(3, 2)),
        (torch.tensor([1]), numbers(4, 1)),
    ]
    for first_visit in (False, True):
        assert_close(
            monte_carlo_values(episodes[::-1], 4, 0.8, first_visit),
            monte_carlo_values(episodes, 4, 0.8, first_visit),
            "a mean does not depend on the order: does one episode leak into the next?",
        )


def an_episode_seen_twice_changes_nothing(monte_carlo_values: Function) -> None:
    episode = (torch.tensor([0, 2, 0, 1]), numbers(5, 4))
    for first_visit in (False, True):
        assert_close(
            monte_carlo_values([episode, episode], 3, 0.9, first_visit),
            monte_carlo_values([episode], 3, 0.9, first_visit),
            "seeing the same episode twice doubles the sums and the counts, and leaves the means",
        )


# 4.3


def the_true_values_stay_on_average(td_update: Function) -> None:
    """Left and right are equally probable in the walk, so at the truth both moves cancel."""
    truth = torch.arange(7, dtype=torch.float64) / 6
    truth[6] = 0.0
    for state in range(1, 6):
        change = torch.zeros_like(truth)
        for successor in (state - 1, state + 1):
            discount = 0.0 if successor in (0, 6) else 1.0
            after = td_update(truth.clone(), state, float(successor == 6), discount, successor, 0.3)
            change += 0.5 * (after - truth)
        assert_close(
            change,
            torch.zeros_like(truth),
            f"random walk, state {state}: true values must stay where they are on average",
        )


def only_the_visited_state_moves(td_update: Function) -> None:
    values = numbers(6, 5)
    after = td_update(values.clone(), 3, 1.0, 0.9, 1, 0.5)
    assert after.shape == values.shape, f"the whole table (5,) is asked for, got {after.shape}"
    others = torch.tensor([0, 1, 2, 4])
    assert_close(after[others], values[others], "a step from state 3 moved another state's value")


# 4.4


def looking_beyond_the_end_changes_nothing(n_step_returns: Function) -> None:
    rewards, values = numbers(7, 2, 5), numbers(8, 2, 5)
    discounts, ends = torch.full((2, 5), 0.9, dtype=torch.float64), torch.zeros(2, 5).bool()
    assert_close(
        n_step_returns(rewards, discounts, values, ends, 50),
        n_step_returns(rewards, discounts, values, ends, 5),
        "with n = 5 all five columns are used; there is nothing left for a larger n to find",
    )


def right_values_are_right_for_every_n(n_step_returns: Function) -> None:
    """Where the values are exact and the world deterministic, every n gives the same return."""
    rewards = numbers(9, 1, 6)
    values = [0.0]
    for reward in reversed(rewards[0].tolist()):
        values.insert(0, reward + 0.8 * values[0])
    exact = torch.tensor([values], dtype=torch.float64)
    discounts, ends = torch.full_like(rewards, 0.8), torch.zeros(1, 6).bool()
    for n in (1, 2, 4, 6):
        assert_close(
            n_step_returns(rewards, discounts, exact[:, 1:], ends, n),
            exact[:, :-1],
            f"n = {n}: the values given are exact, so the return must be the value itself",
        )


def what_follows_a_cut_stays_out(n_step_returns: Function) -> None:
    rewards, values = numbers(10, 2, 6), numbers(11, 2, 6)
    discounts = torch.full((2, 6), 0.9, dtype=torch.float64)
    ends = torch.zeros(2, 6).bool()
    ends[:, 2] = True
    before = n_step_returns(rewards.clone(), discounts, values.clone(), ends, 4)[:, :3]
    rewards[:, 3:] += 100.0
    values[:, 3:] += 100.0
    assert_close(
        n_step_returns(rewards, discounts, values, ends, 4)[:, :3],
        before,
        "the trajectory was cut off after column 2, but something behind it changed its returns",
    )


# 4.5


def a_greedy_policy_makes_the_rules_agree(control_target: Function) -> None:
    q = torch.tensor([0.5, 2.0, -1.0], dtype=torch.float64)
    greedy = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    targets = [
        control_target(rule, 1.0, 0.9, q, 1, greedy)
        for rule in ("sarsa", "expected_sarsa", "q_learning")
    ]
    for target in targets[:2]:
        assert_close(
            target,
            targets[2],
            "where the best action is taken for certain, all three rules mean the same",
        )


def nothing_follows_a_terminal_step(control_target: Function) -> None:
    policy = torch.full((3,), 1 / 3, dtype=torch.float64)
    for rule in ("sarsa", "expected_sarsa", "q_learning"):
        target = control_target(rule, 2.0, 0.0, 50.0 + numbers(12, 3), 2, policy)
        assert_close(
            target,
            torch.tensor(2.0, dtype=torch.float64),
            f"{rule}: the discount is 0, the episode is over, and the target is the reward alone",
        )


# 4.6


def probabilities_sum_to_one(epsilon_greedy: Function) -> None:
    for epsilon in (0.0, 0.3, 1.0):
        for q in (numbers(13, 5), torch.zeros(4, dtype=torch.float64), numbers(14, 2, 3)):
            total = epsilon_greedy(q, epsilon).sum(dim=-1)
            assert_close(total, torch.ones_like(total), "probabilities must sum to 1")


def the_names_of_the_actions_do_not_matter(epsilon_greedy: Function) -> None:
    q = torch.tensor([1.0, 3.0, 3.0, -2.0], dtype=torch.float64)
    order = torch.tensor([2, 0, 3, 1])
    assert_close(
        epsilon_greedy(q[order], 0.2),
        epsilon_greedy(q, 0.2)[order],
        "listing the actions in another order changed their probabilities",
    )
