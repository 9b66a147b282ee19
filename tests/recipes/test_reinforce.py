"""Laws of REINFORCE, of many runs at once, and of the worlds whose trajectories are all known."""

import pytest
import torch

from rlcourse.support.environments import make_cartpole, make_vector
from rlcourse.support.networks import PolicyNetwork
from rlcourse.support.seeding import make_generator, no_global_rng
from rlcourse.support.tabular import chain


@pytest.fixture(scope="module")
def world(recipe):
    """The writer with a discount, all its responses, and some policy."""
    writer, trajectories = recipe("writer"), recipe("trajectories")
    mdp = writer.writer_world(gamma=0.8)
    theta = torch.randn(41, 4, generator=make_generator(0), dtype=torch.float64)
    everything = trajectories.enumerate_trajectories(mdp, writer.LIMIT)
    return mdp, everything, recipe("reinforce").TablePolicy(theta)


def gradient(x, policy):
    return torch.cat([g.flatten() for g in torch.autograd.grad(x, list(policy.parameters()))])


def test_all_trajectories_have_probability_one(world):
    _, everything, policy = world
    assert len(everything.world) == 121
    torch.testing.assert_close(everything.probabilities(policy).sum().item(), 1.0)


def test_random_worlds_too(recipe):
    """Where the world is random, its part of the probability is kept."""
    enumerate_trajectories = recipe("trajectories").enumerate_trajectories
    everything = enumerate_trajectories(chain(2, slip=0.3), horizon=4)
    policy = recipe("reinforce").TablePolicy(
        torch.randn(3, 2, generator=make_generator(1)).double()
    )
    torch.testing.assert_close(everything.probabilities(policy).sum().item(), 1.0)
    cut = everything.rollout.ends & ~everything.rollout.terminated
    assert cut.any() and everything.rollout.terminated.any()


def test_expected_return_is_the_sum_over_trajectories(world):
    """Dynamic programming backwards through the table gives the same J."""
    mdp, everything, policy = world
    values = torch.zeros(mdp.num_states, dtype=torch.float64)
    for _ in range(4):
        following = mdp.rewards + mdp.gamma * mdp.continuing @ values
        values = (policy.theta.softmax(-1) * following).sum(1)
    actual = everything.expected_return(policy, mdp.gamma)
    torch.testing.assert_close(actual, mdp.start @ values)


@pytest.mark.parametrize("name", ["whole_return", "discounted_reward_to_go"])
def test_weights_are_unbiased(recipe, world, name):
    mdp, everything, policy = world
    weights = getattr(recipe("reinforce"), name)(everything.rollout, mdp.gamma)
    mean, variance = recipe("trajectories").gradient_moments(everything, policy, weights)
    truth = gradient(everything.expected_return(policy, mdp.gamma), policy)
    torch.testing.assert_close(mean, truth)
    assert variance > 0.01


def test_the_usual_weight_is_biased_by_the_dropped_power(recipe, world):
    mdp, everything, policy = world
    weights = recipe("reinforce").reward_to_go(everything.rollout, mdp.gamma)
    mean, _ = recipe("trajectories").gradient_moments(everything, policy, weights)
    truth = gradient(everything.expected_return(policy, mdp.gamma), policy)
    assert (mean - truth).norm() > 1e-3 * truth.norm()


def test_variance_is_the_spread_of_sampled_gradients(recipe, world):
    mdp, everything, policy = world
    reinforce, trajectories = recipe("reinforce"), recipe("trajectories")
    weights = reinforce.reward_to_go(everything.rollout, mdp.gamma)
    mean, variance = trajectories.gradient_moments(everything, policy, weights)
    generator, errors = make_generator(2), []
    for _ in range(400):
        batch = everything.deal(policy, 4, generator)
        loss = reinforce.reinforce_loss(policy, batch, reinforce.reward_to_go(batch, mdp.gamma))
        errors.append((gradient(loss, policy) + mean).square().sum())
    measured = 4 * torch.stack(errors).mean().item()
    assert measured == pytest.approx(variance.item(), rel=0.3)


def test_the_writer_improves(recipe):
    """Three seeds; without learning, J stays at -0.17 (seen: 0.80 to 1.69, over 80 seeds)."""
    writer, reinforce = recipe("writer"), recipe("reinforce")
    everything = recipe("trajectories").enumerate_trajectories(writer.writer_world(), writer.LIMIT)
    config = reinforce.ReinforceConfig(iterations=100, learning_rate=0.1, gamma=1.0)
    for seed in range(3):
        policy = reinforce.TablePolicy(torch.zeros(41, 4, dtype=torch.float64))
        with no_global_rng():
            returns = reinforce.reinforce(
                policy, lambda p, g: everything.deal(p, 32, g), config, make_generator(seed)
            )
        assert returns.shape == (100, 1, 32)
        assert everything.expected_return(policy) > 0.5


def test_responses_are_read_up_to_their_end(recipe, world):
    _, everything, _ = world
    texts = recipe("writer").responses(everything.rollout)
    assert len(set(texts)) == 121
    assert {".", "at.", "cat.", "aaaa"} <= set(texts)
    assert all(text.endswith(".") or len(text) == 4 for text in texts)
    pays = dict(zip(texts, everything.rollout.episode_returns().tolist(), strict=True))
    assert pays["act."] == pytest.approx(1.7) and pays["tata"] == pytest.approx(-0.4)


def make_members(count):
    return [PolicyNetwork(4, 2, make_generator(seed), (8,)) for seed in range(count)]


def test_an_ensemble_answers_as_its_members(recipe):
    members = make_members(3)
    ensemble = recipe("many_runs").PolicyEnsemble(members)
    observations = torch.randn(6, 5, 4, generator=make_generator(3))
    expected = torch.cat([members[b // 2](observations[b : b + 1]) for b in range(6)])
    torch.testing.assert_close(ensemble(observations), expected)
    fast = torch.from_numpy(ensemble.numpy_forward()(observations[:, 0].numpy()))
    torch.testing.assert_close(fast, expected[:, 0], rtol=1e-5, atol=1e-6)


def test_side_by_side_is_one_after_the_other(recipe):
    """Two updates of three runs at once end with the parameters that each run gets alone."""
    reinforce, many_runs = recipe("reinforce"), recipe("many_runs")
    ensemble = many_runs.PolicyEnsemble(make_members(3))
    first = many_runs.play_each_once(make_cartpole(6), ensemble, make_generator(4))
    config = reinforce.ReinforceConfig(iterations=2, runs=3)
    reinforce.reinforce(ensemble, lambda p, g: first, config, make_generator(0))
    take_rows = recipe("trajectories").take_rows
    for run, member in enumerate(make_members(3)):
        alone = many_runs.PolicyEnsemble([member])
        rows = take_rows(first, torch.tensor([2 * run, 2 * run + 1]))
        config = reinforce.ReinforceConfig(iterations=2)
        reinforce.reinforce(alone, lambda p, g, rows=rows: rows, config, make_generator(0))
        for together, apart in zip(ensemble.weights, alone.weights, strict=True):
            torch.testing.assert_close(together[run], apart[0], rtol=1e-4, atol=1e-5)
            # Adam forgives a wrong scale, so look at the gradient itself.
            torch.testing.assert_close(together.grad[run], apart.grad[0], rtol=1e-3, atol=1e-5)


def test_each_environment_plays_exactly_one_episode(recipe):
    many_runs = recipe("many_runs")
    ensemble = many_runs.make_ensemble(4, 2, (8,), seeds=range(2))
    with no_global_rng():
        rollout = many_runs.play_each_once(make_cartpole(6), ensemble, make_generator(5))
    assert rollout.ends.sum(1).tolist() == [1] * 6
    last = rollout.ends.int().argmax(1)
    assert rollout.mask.sum(1).tolist() == [float(step) + 1 for step in last]
    assert torch.equal(rollout.episode_returns(), rollout.mask.sum(1))  # CartPole pays 1 a step
    again = many_runs.play_each_once(make_cartpole(6), ensemble, make_generator(5))
    assert torch.equal(rollout.observations, again.observations)


def test_an_episode_that_the_clock_cuts_off_is_over(recipe):
    many_runs = recipe("many_runs")
    ensemble = many_runs.make_ensemble(4, 2, (8,), seeds=range(2))
    envs = make_vector("CartPole-v1", 32, max_episode_steps=14)
    rollout = many_runs.play_each_once(envs, ensemble, make_generator(6))
    cut = (rollout.ends & ~rollout.terminated).any(1)
    assert cut.any() and not cut.all()
    assert rollout.steps == 14
    assert torch.equal(rollout.rewards, rollout.mask)  # nothing of the next episode


@pytest.mark.parametrize(
    "wrong", [{"iterations": 0}, {"runs": 0}, {"gamma": 1.1}, {"learning_rate": 0.0}]
)
def test_a_bad_setting_is_refused(recipe, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        recipe("reinforce").ReinforceConfig(**wrong)
