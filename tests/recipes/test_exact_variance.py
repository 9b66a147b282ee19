"""Exact variances of chapter 3 against enumeration, and the figures that the course promises."""

import itertools
from dataclasses import replace

import pytest
import torch

from rlcourse.support.enum_world import EnumWorld
from rlcourse.support.seeding import make_generator
from rlcourse.support.tabular import chain, random_mdp


@pytest.fixture(scope="module")
def dp(recipe):
    return recipe("exact_variance")


@pytest.fixture(scope="module")
def rated(recipe):
    return recipe("rated_responses")


WORLDS = {
    "it goes on": random_mdp(3, 2, gamma=1.0, generator=make_generator(1)),
    "it can end": chain(2, gamma=1.0, slip=0.3),
}
HORIZON = 4


@pytest.fixture(scope="module", params=WORLDS.values(), ids=WORLDS.keys())
def small(request, recipe, dp):
    """A play, and the moments of any weights by listing all trajectories."""
    mdp, trajectories = request.param, recipe("trajectories")
    theta = torch.randn(mdp.rewards.shape, generator=make_generator(2), dtype=torch.float64)
    listed = trajectories.enumerate_trajectories(mdp, HORIZON)
    policy = recipe("reinforce").TablePolicy(theta)
    rollout = listed.rollout
    to_go = recipe("reinforce").reward_to_go(rollout, 1.0)

    def by_listing(weights):
        mean, variance = trajectories.gradient_moments(listed, policy, weights)
        return mean.reshape(theta.shape), variance

    return dp.TablePlay(mdp, theta, HORIZON), rollout, to_go, by_listing


def assert_same(found, listed):
    mean, variance = listed
    torch.testing.assert_close(found.mean, mean)
    torch.testing.assert_close(found.variance, variance)
    assert variance > 1e-3


@pytest.mark.parametrize("baseline", [0.0, 1.7])
def test_whole_returns_as_by_listing(small, dp, baseline):
    play, _, to_go, by_listing = small
    listed = by_listing(to_go[:, :1].expand_as(to_go) - baseline)
    assert_same(dp.whole_return_moments(play, baseline), listed)


def test_reward_to_go_as_by_listing(small, dp):
    play, _, to_go, by_listing = small
    assert_same(dp.reward_to_go_moments(play), by_listing(to_go))


def test_a_baseline_of_step_state_and_action_as_by_listing(small, dp):
    play, rollout, to_go, by_listing = small
    size = (HORIZON, *play.theta.shape)
    b = torch.randn(size, generator=make_generator(3), dtype=torch.float64)
    steps = torch.arange(rollout.steps)
    picked = b[steps, rollout.states, rollout.actions]
    assert_same(dp.reward_to_go_moments(play, b), by_listing(to_go - picked))
    assert_same(dp.weighted_moments(play, b), by_listing(picked))


def test_noise_on_rewards_adds_what_independence_says(dp, rated):
    """Two steps: the noise e_t multiplies the scores z_t up to t, so it adds noise^2 E[sum |z_t|^2]."""
    play = replace(rated.steady_pay(), horizon=2, noise=0.7)
    quiet = replace(play, noise=0.0)
    mdp, scores, policy = play.mdp, play.scores(), play.policy
    to_go, whole = 0.0, 0.0
    for s, a, n, c in itertools.product(range(6), range(3), range(6), range(3)):
        chance = mdp.start[s] * policy[s, a] * mdp.transitions[s, a, n] * policy[n, c]
        both = (scores[s, a] + scores[n, c]).square().sum()
        to_go += 0.49 * chance * (scores[s, a].square().sum() + both)
        whole += 0.49 * chance * 2 * both
    for moments, added in ((dp.reward_to_go_moments, to_go), (dp.whole_return_moments, whole)):
        torch.testing.assert_close(moments(play).variance - moments(quiet).variance, added)


def test_values_and_chances_belong_together(small):
    play, _, _, _ = small
    J = (play.state_chances() * (play.policy * play.mdp.rewards).sum(1)).sum()
    torch.testing.assert_close(play.mdp.start @ play.values()[0], J)


# The ladder, the surprise and the slip: figures of the syllabus


@pytest.fixture(scope="module")
def ladder(dp, rated):
    play = rated.steady_pay()
    values = play.values()[..., None]
    return {
        "whole": dp.whole_return_moments(play),
        "to go": dp.reward_to_go_moments(play),
        "value": dp.reward_to_go_moments(play, values),
        "q": dp.reward_to_go_moments(play, play.action_values()),
        "advantage": dp.weighted_moments(play, play.action_values() - values),
    }


def test_the_ladder(ladder):
    whole = ladder["whole"].variance.item()
    assert ladder["to go"].variance.item() / whole == pytest.approx(0.39, abs=0.005)
    assert ladder["value"].variance.item() / whole == pytest.approx(0.0018, abs=0.0001)
    assert ladder["advantage"].variance.item() / whole == pytest.approx(0.00025, abs=0.00002)
    for name in ("to go", "value", "advantage"):
        torch.testing.assert_close(ladder[name].mean, ladder["whole"].mean)


def test_subtracting_q_leaves_no_gradient(ladder):
    assert ladder["q"].mean.abs().max() < 1e-12
    assert ladder["q"].variance < ladder["value"].variance


def test_with_one_reward_at_the_end_reward_to_go_gains_nothing(rated):
    one = rated.one_prompt()
    weights = (one.whole_returns(), one.rewards_to_go(), one.rewards_to_go() - one.values())
    found = [one.moments(w) for w in weights]
    assert [round(v.item(), 1) for _, v in found] == [23.1, 24.0, 6.2]
    for mean, _ in found:
        torch.testing.assert_close(mean, found[0][0])
    plain = rated.one_prompt(kl_coef=0.0)
    torch.testing.assert_close(plain.rewards_to_go(), plain.whole_returns())


# Rated responses, against the world's own autograd and against every group


def test_moments_as_by_autograd(rated):
    one = rated.one_prompt()
    theta = one.theta.clone().requires_grad_()
    losses = (one.rewards_to_go() * one.world.token_log_probs(theta)).sum(-1)
    mean, variance = one.world.gradient_moments(theta, losses)
    found = one.moments(one.rewards_to_go())
    torch.testing.assert_close(found[0].flatten(), mean.flatten())
    torch.testing.assert_close(found[1], variance)


def test_the_mean_is_the_gradient_of_the_objective(rated):
    one = rated.one_prompt()
    theta = one.theta.clone().requires_grad_()
    goal = one.world.objective(theta, one.ratings, one.reference, one.kl_coef)
    (gradient,) = torch.autograd.grad(goal, theta)
    torch.testing.assert_close(one.moments(one.whole_returns())[0].flatten(), gradient.flatten())


def test_values_are_conditional_means(rated):
    """Knowing the first token: the mean over the 16 responses that share it."""
    one = rated.one_prompt()
    chances, to_go = one.chances()[0], one.rewards_to_go()[0]
    for first in range(4):
        rows = one.world.responses[:, 0] == first
        mean = (chances[rows] @ to_go[rows, 1]) / chances[rows].sum()
        torch.testing.assert_close(one.values()[0, rows, 1], mean.expand(16))


@pytest.mark.parametrize("samples", [2, 3])
def test_leave_one_out_as_over_every_group(rated, samples):
    world = EnumWorld(prompts=2, vocabulary=2, steps=2)
    generator = make_generator(5)
    ratings = 2.0 + torch.randn(2, 4, generator=generator, dtype=torch.float64)
    small = rated.RatedResponses(world, world.random_theta(generator), ratings)
    z, expected = small.scores().sum(2), 0.0
    for p in range(2):
        mean, second = torch.zeros(z.shape[-1], dtype=torch.float64), 0.0
        for group in itertools.product(range(4), repeat=samples):
            rows = torch.tensor(group)
            r = ratings[p, rows]
            advantages = r - (r.sum() - r) / (samples - 1)
            g = (advantages[:, None] * z[p, rows]).mean(0)
            chance = small.chances()[p, rows].prod()
            mean, second = mean + chance * g, second + chance * g.square().sum()
        torch.testing.assert_close(mean, small.moments(small.whole_returns())[0][p])
        expected += samples * (second - mean.square().sum()) / 2
    torch.testing.assert_close(small.leave_one_out_variance(samples), expected)


def test_a_large_group_is_as_good_as_the_value_of_the_prompt(rated):
    both = rated.easy_and_hard()
    limit = both.moments(both.whole_returns() - both.prompt_values())[1]
    assert both.leave_one_out_variance(10**6) == pytest.approx(limit.item(), rel=1e-4)
    gap = both.prompt_values().flatten()
    assert (gap[0] - gap[1]).item() > 5
