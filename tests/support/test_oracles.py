"""The author's oracles against a second route to the same number."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from autograder.checks import oracles
from autograder.checks import sequence_oracles as sequences
from rlcourse.support import tabular
from rlcourse.support.seeding import make_generator

seeds = st.integers(0, 10**6)


def random_case(
    seed: int, gamma: float = 0.9, episodic: bool = True
) -> tuple[tabular.TabularMDP, Tensor]:
    generator = make_generator(seed)
    mdp = tabular.random_mdp(4, 2, gamma, generator, episodic=episodic)
    return mdp, torch.randn(4, 2, generator=generator, dtype=torch.float64)


@given(seeds, st.booleans())
def test_values_are_the_sum_of_discounted_rewards_over_all_times(seed: int, episodic: bool) -> None:
    mdp, theta = random_case(seed, episodic=episodic)
    policy = theta.softmax(-1)
    going_on = torch.einsum("sa,sat->st", policy, mdp.transitions)
    rewards = (policy * mdp.rewards).sum(1)
    total, power = torch.zeros(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
    for _ in range(400):
        total, power = total + power @ rewards, 0.9 * power @ going_on
    values = oracles.policy_evaluation(mdp, policy)
    assert_close(values, total, rtol=1e-10, atol=1e-10)
    assert_close((policy * oracles.action_values(mdp, policy)).sum(1), values)
    assert_close(
        (policy * oracles.advantages(mdp, policy)).sum(1),
        torch.zeros_like(values),
        atol=1e-12,
        rtol=0,
    )


def test_values_of_the_random_walk_are_those_of_the_book() -> None:
    walk = tabular.random_walk(5)
    values = oracles.policy_evaluation(walk, tabular.uniform_policy(walk))
    assert_close(values[1:6], torch.arange(1, 6, dtype=torch.float64) / 6)
    assert values[0] == 0 and values[6] == 0


@given(seeds)
def test_optimal_values_are_those_of_the_best_policy(seed: int) -> None:
    mdp, _ = random_case(seed, gamma=1.0)
    best = torch.stack(
        [
            oracles.policy_evaluation(mdp, policy)
            for policy in oracles.all_deterministic_policies(mdp)
        ]
    ).amax(0)
    assert_close(oracles.optimal_action_values(mdp).amax(1), best, rtol=1e-9, atol=1e-9)


def test_optimal_value_of_the_cliff_is_thirteen_steps() -> None:
    q = oracles.optimal_action_values(tabular.cliff_walking())
    assert q[36].max() == -13


def test_value_iteration_says_when_it_does_not_settle() -> None:
    mdp = tabular.cliff_walking()
    endless = tabular.TabularMDP(
        mdp.transitions, mdp.rewards.abs(), mdp.start, torch.zeros(48, dtype=torch.bool), 1.0
    )
    with pytest.raises(RuntimeError, match="settle"):
        oracles.optimal_action_values(endless, max_sweeps=500)


@given(seeds, st.sampled_from([0.0, 0.7, 1.0]))
def test_occupancy_counts_the_visits_and_pays_the_return(seed: int, gamma: float) -> None:
    mdp, theta = random_case(seed, gamma)
    policy = theta.softmax(-1)
    visits = oracles.occupancy(mdp, policy)
    here, counted = mdp.start.clone(), torch.zeros(4, dtype=torch.float64)
    for t in range(600):
        acting = here * ~mdp.terminal
        counted += gamma**t * acting
        here = torch.einsum("s,sa,sat->t", acting, policy, mdp.transitions)
    assert_close(visits, counted, rtol=1e-8, atol=1e-8)
    paid = (visits[:, None] * policy * mdp.rewards).sum()
    assert_close(oracles.expected_return(mdp, policy), paid)


@given(seeds)
def test_exact_gradient_obeys_the_policy_gradient_theorem(seed: int) -> None:
    mdp, theta = random_case(seed)
    policy = theta.softmax(-1)
    visits = oracles.occupancy(mdp, policy)[:, None]
    theorem = visits * policy * oracles.advantages(mdp, policy)
    assert_close(oracles.exact_gradient(mdp, theta), theorem, rtol=1e-8, atol=1e-10)


def test_finite_differences_of_a_function_with_a_known_gradient() -> None:
    x = torch.tensor([[0.3, -1.2], [2.0, 0.0]], dtype=torch.float64)
    gradient = oracles.finite_difference_gradient(lambda y: (y.exp() + y**3).sum(), x)
    assert_close(gradient, x.exp() + 3 * x**2, rtol=1e-11, atol=1e-11)
    assert x[0, 0] == 0.3


@given(seeds)
def test_trajectories_are_all_there_and_agree_with_dynamic_programming(seed: int) -> None:
    mdp, theta = random_case(seed, gamma=0.8)
    policy = theta.softmax(-1)
    trajectories = oracles.enumerate_trajectories(mdp, policy, horizon=3)
    assert math.isclose(sum(t.probability for t in trajectories), 1.0)
    mean, variance = oracles.moments(
        trajectories, lambda t: torch.tensor(t.discounted_return(0.8), dtype=torch.float64)
    )
    values = oracles.horizon_values(mdp, policy, 3)
    assert_close(mean, mdp.start @ values[0])
    assert variance > 0
    ended = oracles.expectation(trajectories, lambda t: torch.tensor(float(t.terminated)))
    alive = mdp.start
    for _ in range(3):
        alive = torch.einsum("s,sa,sat->t", alive, policy, mdp.continuing)
    assert_close(ended.double(), 1 - alive.sum(), rtol=1e-6, atol=1e-6)


def test_trajectories_stop_at_the_terminal_state_and_at_the_horizon() -> None:
    chain = tabular.chain(2)
    always_right = torch.tensor([[0.0, 1.0]] * 3)
    (cut,) = oracles.enumerate_trajectories(chain, always_right, 1)
    assert (cut.states, cut.actions, cut.rewards, cut.terminated) == ((0, 1), (1,), (0.0,), False)
    (whole,) = oracles.enumerate_trajectories(chain, always_right, 9)
    assert (whole.states, whole.terminated) == ((0, 1, 2), True)
    assert whole.discounted_return(0.9) == pytest.approx(0.9)


def test_total_variance_is_the_trace_of_the_covariance() -> None:
    mdp = tabular.bandit(torch.tensor([0.0, 2.0], dtype=torch.float64))
    trajectories = oracles.enumerate_trajectories(mdp, torch.tensor([[0.25, 0.75]] * 2), 1)
    _, variance = oracles.moments(
        trajectories, lambda t: torch.tensor([t.rewards[0], 3.0 * t.rewards[0]])
    )
    assert variance.item() == pytest.approx(10 * 0.25 * 0.75 * 4)


def random_sequences(seed: int) -> tuple[Tensor, ...]:
    """rewards, discounts, values, next_values, ends: (2, 5) with terminations and truncations."""
    generator = make_generator(seed)
    rewards, values, next_values = torch.randn(3, 2, 5, generator=generator, dtype=torch.float64)
    ends = torch.rand(2, 5, generator=generator) < 0.4
    terminated = ends & (torch.rand(2, 5, generator=generator) < 0.5)
    next_values[:, :-1] = torch.where(ends[:, :-1], next_values[:, :-1], values[:, 1:])
    return rewards, 0.9 * (~terminated).double(), values, next_values, ends


@given(seeds)
def test_discounted_sums_solve_the_linear_system(seed: int) -> None:
    rewards, discounts, *_ = random_sequences(seed)
    shift = torch.diag_embed(discounts[:, :-1], offset=1)
    solved = torch.linalg.solve(torch.eye(5, dtype=torch.float64) - shift, rewards)
    assert_close(sequences.discounted_sums(rewards, discounts), solved)


@given(seeds, st.sampled_from([0.0, 0.3, 0.95, 1.0]))
def test_two_definitions_of_gae_agree(seed: int, lam: float) -> None:
    case = random_sequences(seed)
    assert_close(sequences.gae_double_sum(*case, lam), sequences.gae_mixture(*case, lam))


def test_n_step_returns_by_hand() -> None:
    row = torch.tensor([[1.0, 2.0, 4.0]])
    discounts, ends = torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[False, False, True]])
    next_values = torch.tensor([[10.0, 20.0, 99.0]])
    one = sequences.n_step_return(row, discounts, next_values, ends, 1)
    two = sequences.n_step_return(row, discounts, next_values, ends, 2)
    assert one.tolist() == [[6.0, 12.0, 4.0]]
    assert two.tolist() == [[7.0, 4.0, 4.0]]
    cut = sequences.n_step_return(row, torch.full((1, 3), 0.5), next_values, ends.roll(-1, 1), 3)
    assert cut.tolist() == [[7.0, 12.0, 53.5]]


@given(seeds, st.integers(1, 4))
def test_variance_of_importance_weights_is_the_closed_form(seed: int, steps: int) -> None:
    p, q = torch.randn(2, 3, generator=make_generator(seed), dtype=torch.float64).softmax(-1)
    chi_square = float((p**2 / q).sum() - 1)
    actual = sequences.importance_weight_variance(p, q, steps)
    assert actual == pytest.approx((1 + chi_square) ** steps - 1, rel=1e-9)


def test_entropy_and_kl_by_hand() -> None:
    uniform = torch.full((8,), 1 / 8)
    half = torch.tensor([0.5, 0.5, 0, 0, 0, 0, 0, 0])
    assert sequences.entropy_of(uniform) == pytest.approx(math.log(8))
    assert sequences.entropy_of(half) == pytest.approx(math.log(2))
    assert sequences.kl_of(half, uniform) == pytest.approx(math.log(4))
    assert sequences.kl_of(uniform, half) == math.inf


def test_log_softmax_survives_large_logits() -> None:
    row = torch.tensor([1e4, 0.0, -1e4], dtype=torch.float64)
    assert_close(sequences.log_softmax_row(row), row.log_softmax(0))
    assert_close(sequences.log_softmax_row(row / 1e4).exp().sum().item(), 1.0)


@pytest.mark.parametrize("advantage", [-2.0, 0.0, 3.0])
@pytest.mark.parametrize("ratio", [0.5, 0.79, 0.9, 1.0, 1.1, 1.21, 2.0])
def test_clipped_term_is_the_minimum_of_both(ratio: float, advantage: float) -> None:
    r = torch.tensor(ratio, dtype=torch.float64, requires_grad=True)
    objective = torch.minimum(r * advantage, r.clamp(0.8, 1.2) * advantage)
    (slope,) = torch.autograd.grad(objective, r)
    value, derivative = sequences.clipped_term(ratio, advantage, 0.2)
    assert value == pytest.approx(objective.item())
    assert derivative == pytest.approx(slope.item())


def test_mean_and_variance_of_rows() -> None:
    x = torch.randn(7, 3, generator=make_generator(0), dtype=torch.float64)
    mean, variance = sequences.mean_and_variance(x)
    assert_close(mean, x.mean(0))
    assert_close(variance, x.var(0, unbiased=False))
