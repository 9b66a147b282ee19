"""The enumerable language: probabilities, expectations and gradients by a second route."""

import itertools
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from autograder.checks.oracles import finite_difference_gradient
from rlcourse.support.enum_world import EnumWorld
from rlcourse.support.seeding import make_generator, no_global_rng

WORLD = EnumWorld()


def case(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """theta, reference, rewards."""
    generator = make_generator(seed)
    theta, reference = WORLD.random_theta(generator), WORLD.random_theta(generator)
    return theta, reference, torch.randn(2, 64, generator=generator, dtype=torch.float64) * 2 + 3


def walk(theta: Tensor, prompt: int, response: tuple[int, ...]) -> float:
    """Probability of a response, token after token."""
    probability, before = 1.0, WORLD.vocabulary
    for t, token in enumerate(response):
        row = theta[prompt, t, before].exp()
        probability *= float(row[token] / row.sum())
        before = token
    return probability


@given(st.integers(0, 10**6), st.floats(0.1, 30))
def test_responses_are_all_there_and_probabilities_sum_to_one(seed: int, scale: float) -> None:
    theta = WORLD.random_theta(make_generator(seed), scale)
    assert len({tuple(row) for row in WORLD.responses.tolist()}) == 64
    assert_close(WORLD.log_probs(theta).exp().sum(1), torch.ones(2, dtype=torch.float64))


def test_each_probability_is_the_product_along_the_response() -> None:
    theta, _, _ = case()
    probabilities = WORLD.log_probs(theta).exp()
    for prompt, r in itertools.product(range(2), range(0, 64, 7)):
        expected = walk(theta, prompt, tuple(WORLD.responses[r].tolist()))
        assert probabilities[prompt, r].item() == pytest.approx(expected, rel=1e-12)


def test_token_log_probs_add_up_and_fit_the_logits() -> None:
    theta, _, _ = case()
    tokens = WORLD.token_log_probs(theta)
    assert_close(tokens.sum(-1), WORLD.log_probs(theta))
    assert WORLD.logits(theta).shape == (2, 64, 3, 4)
    # responses 0 and 16 are (0, 0, 0) and (1, 0, 0): only their last tokens follow the same one
    assert_close(tokens[:, 0, 2], tokens[:, 16, 2])
    assert not torch.allclose(tokens[:, 0, 1], tokens[:, 16, 1])


def test_expectation_by_a_loop() -> None:
    theta, _, rewards = case()
    expected = sum(
        walk(theta, prompt, tuple(WORLD.responses[r].tolist())) * rewards[prompt, r].item() / 2
        for prompt, r in itertools.product(range(2), range(64))
    )
    assert WORLD.expectation(theta, rewards).item() == pytest.approx(expected, rel=1e-12)
    vector = WORLD.expectation(theta, torch.stack([rewards, 2 * rewards], dim=-1))
    assert_close(vector[1].item(), 2 * expected)


@given(st.integers(0, 10**6))
def test_gradient_of_an_expectation_is_the_score_function_gradient(seed: int) -> None:
    theta, _, rewards = case(seed)
    theta.requires_grad_()
    (gradient,) = torch.autograd.grad(WORLD.expectation(theta, rewards), theta)
    surrogate = WORLD.expectation(theta.detach(), WORLD.log_probs(theta) * rewards)
    (score,) = torch.autograd.grad(surrogate, theta)
    assert_close(gradient, score, rtol=1e-10, atol=1e-12)


def test_gradients_equal_finite_differences() -> None:
    theta, reference, rewards = case()
    theta.requires_grad_()
    (exact,) = torch.autograd.grad(WORLD.objective(theta, rewards, reference, 0.3), theta)
    differences = finite_difference_gradient(
        lambda x: WORLD.objective(x, rewards, reference, 0.3), theta
    )
    assert_close(exact, differences, rtol=1e-8, atol=1e-11)
    assert exact.abs().max() > 0.01


def test_kl_is_that_of_independent_tokens_where_they_are() -> None:
    generator = make_generator(0)
    p, q = (
        torch.randn(2, 3, 1, 4, generator=generator, dtype=torch.float64).expand(2, 3, 5, 4)
        for _ in range(2)
    )
    log_p, log_q = p[:, :, 0].log_softmax(-1), q[:, :, 0].log_softmax(-1)
    by_position = (log_p.exp() * (log_p - log_q)).sum(-1)
    assert_close(WORLD.kl(p, q), by_position.sum(1))
    assert not torch.allclose(WORLD.kl(q, p), by_position.sum(1))


def test_the_objective_charges_for_the_kl() -> None:
    theta, reference, rewards = case()
    free, charged = (WORLD.objective(theta, rewards, reference, coef) for coef in (0.0, 0.5))
    assert_close(free, WORLD.expectation(theta, rewards))
    assert_close(free - charged, 0.5 * WORLD.kl(theta, reference).mean())


def test_prefix_expectations_by_a_loop_and_tower_law() -> None:
    theta, _, rewards = case()
    values = WORLD.prefix_expectation(theta, rewards)
    probabilities = WORLD.log_probs(theta).exp()
    for prompt, r, t in itertools.product(range(2), range(0, 64, 9), range(3)):
        same = (WORLD.responses[:, :t] == WORLD.responses[r, :t]).all(1)
        weights = probabilities[prompt, same]
        expected = (weights @ rewards[prompt, same]) / weights.sum()
        assert values[prompt, r, t].item() == pytest.approx(expected.item(), rel=1e-12)
    for t in range(3):
        assert_close(WORLD.expectation(theta, values[:, :, t]), WORLD.expectation(theta, rewards))


def test_gradient_moments_by_a_loop() -> None:
    theta, _, rewards = case()
    theta.requires_grad_()
    losses = -WORLD.log_probs(theta) * rewards
    mean, variance = WORLD.gradient_moments(theta, losses)
    (exact,) = torch.autograd.grad(-WORLD.expectation(theta, rewards), theta, retain_graph=True)
    assert_close(mean, exact, rtol=1e-10, atol=1e-12)
    weights = WORLD.log_probs(theta).exp().detach() / 2
    total = 0.0
    for prompt, r in itertools.product(range(2), range(64)):
        (g,) = torch.autograd.grad(losses[prompt, r], theta, retain_graph=True)
        total += float(weights[prompt, r] * ((g - exact) ** 2).sum())
    assert variance.item() == pytest.approx(total, rel=1e-10)


def test_a_value_baseline_takes_variance_away() -> None:
    theta, _, rewards = case()
    theta.requires_grad_()
    tokens = WORLD.token_log_probs(theta)
    baseline = WORLD.prefix_expectation(theta.detach(), rewards)
    plain = WORLD.gradient_moments(theta, -(tokens * rewards[..., None]).sum(-1))
    better = WORLD.gradient_moments(theta, -(tokens * (rewards[..., None] - baseline)).sum(-1))
    assert_close(plain[0], better[0], rtol=1e-10, atol=1e-12)
    assert better[1] < 0.5 * plain[1]


def test_samples_follow_the_policy_of_their_prompt() -> None:
    theta, _, _ = case()
    prompts = torch.tensor([0, 1]).repeat(40_000)
    with no_global_rng():
        drawn = WORLD.sample(theta, prompts, make_generator(0))
    for prompt in range(2):
        counts = torch.bincount(drawn[prompts == prompt], minlength=64) / 40_000
        # four standard deviations of a frequency are at most 0.01
        assert (counts - WORLD.log_probs(theta)[prompt].exp()).abs().max() < 0.01


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        EnumWorld(steps=0)
    with pytest.raises(ValueError, match="too many"):
        EnumWorld(vocabulary=50)
    with pytest.raises(ValueError, match="theta must be"):
        WORLD.log_probs(torch.zeros(3, 5, 4))
    with pytest.raises(ValueError, match="values must start"):
        WORLD.expectation(case()[0], torch.zeros(64))


def test_an_exact_gradient_and_variance_take_a_fraction_of_a_second() -> None:
    theta, reference, rewards = case()
    theta.requires_grad_()
    before = time.process_time()
    WORLD.gradient_moments(theta, -WORLD.log_probs(theta) * rewards)
    torch.autograd.grad(WORLD.objective(theta, rewards, reference, 0.3), theta)
    assert time.process_time() - before < 1.0
