"""A2C, its broken relatives, the exact moments of GAE, and GAE as a peer computes it."""

import math

import numpy as np
import pytest
import torch

from rlcourse.support.actor_critic_config import ActorCriticConfig
from rlcourse.support.collector import Collector
from rlcourse.support.environments import make_cartpole, make_vector
from rlcourse.support.networks import ActorCritic, numpy_forward
from rlcourse.support.seeding import make_generator, no_global_rng
from rlcourse.support.tabular import gridworld


@pytest.fixture(scope="module")
def chapter(recipe):
    """The solutions of chapter 6, as the recipes see them."""
    return recipe("a2c_bugs").actor_critic


def short_cartpole():
    """Sixteen rows that hold terminations, truncations and resets."""
    envs = make_vector("CartPole-v1", 16, max_episode_steps=20)
    agent = ActorCritic(4, 2, make_generator(0))
    rollout = Collector(envs, 0).collect(numpy_forward(agent), 64, make_generator(1))
    cut = rollout.ends & ~rollout.terminated
    assert cut.any() and rollout.terminated.any()
    with torch.no_grad():
        return rollout, agent.values(rollout.observations)


def stable_baselines3_advantages(rollout, values, gamma, lam):
    """The formula of stable-baselines3, RolloutBuffer.compute_returns_and_advantage.

    There the bootstrap of a truncated step is added to its reward by the collector, and
    ``episode_starts`` of the next step closes both the value and the carry.
    """
    rewards, ends = rollout.rewards.double().numpy(), rollout.ends.numpy()
    terminated, values = rollout.terminated.numpy(), values.double().numpy()
    rewards = rewards + gamma * (ends & ~terminated) * values[:, 1:]
    advantages = np.zeros_like(rewards)
    last_gae_lam = np.zeros(len(rewards))
    for step in reversed(range(rewards.shape[1])):
        next_non_terminal = 1.0 - ends[:, step]
        delta = rewards[:, step] + gamma * values[:, step + 1] * next_non_terminal - values[:, step]
        last_gae_lam = delta + gamma * lam * next_non_terminal * last_gae_lam
        advantages[:, step] = last_gae_lam
    return torch.from_numpy(advantages)


@pytest.mark.parametrize(("gamma", "lam"), [(0.99, 0.95), (1.0, 1.0), (0.9, 0.0)])
def test_gae_is_that_of_stable_baselines3(chapter, gamma, lam):
    rollout, values = short_cartpole()
    ours = chapter.gae(
        rollout.rewards.double(),
        rollout.discounts(gamma).double(),
        values[:, :-1].double(),
        values[:, 1:].double(),
        rollout.ends,
        lam,
    )
    theirs = stable_baselines3_advantages(rollout, values, gamma, lam)
    torch.testing.assert_close(rollout.counted(ours), rollout.counted(theirs), rtol=1e-6, atol=1e-6)


def test_moments_are_those_of_sampled_advantages(recipe, chapter):
    """Sampled from the table, with the chapter's own gae."""
    tradeoff = recipe("lambda_tradeoff")
    grid = gridworld(("S..", "..G"), slip=0.2, step_reward=-0.1, gamma=0.8)
    generator = make_generator(0)
    size = (grid.num_states, grid.num_actions)
    policy = torch.randn(size, generator=generator, dtype=torch.float64).softmax(1)
    critic = torch.randn(grid.num_states, generator=generator, dtype=torch.float64)
    moments = tradeoff.gae_moments(grid, policy, critic, 0.7)
    rows, steps, action = 20_000, 60, 1
    state, columns = torch.zeros(rows, dtype=torch.int64), []
    for t in range(steps):
        chosen = policy[state].multinomial(1, generator=generator)[:, 0]
        chosen = torch.full_like(chosen, action) if t == 0 else chosen
        following = grid.transitions[state, chosen].multinomial(1, generator=generator)[:, 0]
        over = grid.terminal[following]
        columns.append((grid.rewards[state, chosen], 0.8 * ~over, critic[state], critic[following]))
        state = following
    parts = [torch.stack(column, 1) for column in zip(*columns, strict=True)]
    # A terminal state goes on paying nothing; the step into it has a discount of 0.
    first = chapter.gae(*parts, torch.zeros(rows, steps), 0.7)[:, 0]
    spread = moments.variance[0, action].sqrt().item()
    assert abs(first.mean() - moments.mean[0, action]) < 4 * spread / math.sqrt(rows)
    assert first.std().item() == pytest.approx(spread, rel=0.05)


def test_a_perfect_critic_has_no_bias_and_lambda_one_never_has(recipe):
    tradeoff = recipe("lambda_tradeoff")
    grid = gridworld(slip=0.1, gamma=0.9)
    policy = torch.full((grid.num_states, grid.num_actions), 0.25, dtype=torch.float64)
    values, _, _ = tradeoff.solve_policy(grid, policy)
    lams = torch.tensor([0.0, 0.5, 1.0]).double()
    bias, variance = tradeoff.tradeoff(grid, policy, values, lams)
    assert bias.max() < 1e-20 and (variance.diff() > 0).all()
    noise = torch.randn(len(values), generator=make_generator(0)).double()
    bias, _ = tradeoff.tradeoff(grid, policy, values + noise, lams)
    assert bias[0] > 1e-3 and bias[2] < 1e-20


def run(recipe, seed, copies=8, **settings):
    module = recipe("a2c")
    config = module.A2CConfig(**({"total_steps": 4_096, "hidden": (16,)} | settings))
    generator, envs = make_generator(seed), make_cartpole(copies)
    agent = module.make_agent(envs, config, generator)
    rows = module.a2c(agent, envs, config, generator)
    envs.close()
    return agent, rows


def test_runs_repeat_and_report(recipe):
    with no_global_rng():
        first, rows = run(recipe, 3)
    second, again = run(recipe, 3)
    assert len(rows) == 4_096 // (8 * 16)
    assert str(rows) == str(again)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    known = {"steps", "return", "actor_loss", "critic_loss", "entropy", "explained_variance"}
    assert known < set(rows[-1])
    assert str(run(recipe, 4)[1]) != str(rows)


def test_it_stops_when_told(recipe):
    _, rows = run(recipe, 3, stop_at=22.0)
    assert rows[-1]["return"] >= 22.0
    assert 1 < len(rows) < 4_096 // (8 * 16)
    assert not any(row["return"] >= 22.0 for row in rows[:-1])


@pytest.mark.parametrize(
    ("module", "kind", "wrong"),
    [
        ("a2c", "A2CConfig", {"steps": 0}),
        ("a2c", "A2CConfig", {"learning_rate": 0.0}),
        (None, "ActorCriticConfig", {"lam": 1.1}),
        (None, "ActorCriticConfig", {"max_grad_norm": 0.0}),
        (None, "ActorCriticConfig", {"entropy_coef": -1.0}),
    ],
)
def test_a_bad_setting_is_refused(recipe, module, kind, wrong):
    make = ActorCriticConfig if module is None else getattr(recipe(module), kind)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make(**wrong)


def test_a_swapped_function_is_put_back(recipe, chapter):
    bugs, right = recipe("a2c_bugs"), chapter.critic_loss
    with pytest.raises(ZeroDivisionError), bugs.swapped("critic_loss", None):
        assert chapter.critic_loss is None
        raise ZeroDivisionError
    assert chapter.critic_loss is right


def test_the_broken_critic_gets_no_gradient_and_the_right_number(recipe, chapter):
    bugs = recipe("a2c_bugs")
    values = torch.tensor([[1.0, 2.0]], requires_grad=True)
    returns, mask = torch.tensor([[3.0, 1.0]]), torch.ones(1, 2)
    wrong = bugs.still_critic_loss(values, returns, mask)
    assert wrong == chapter.critic_loss(values, returns, mask) and not wrong.requires_grad


@pytest.mark.slow
def test_cartpole_is_learned_on_the_way(recipe):
    """Best mean of 20 episodes within 100,000 steps; the last value says little (it collapses)."""
    for seed in range(2):
        _, rows = run(recipe, seed, 32, total_steps=100_000, hidden=(64, 64), stop_at=250.0)
        assert rows[-1]["return"] >= 250.0


def kept(recipe, folder, cut_after=None, resume=False):
    """A run in a folder, perhaps cut after so many updates as by a power failure."""
    module, training_run = recipe("a2c"), recipe("a2c").TrainingRun
    config = module.A2CConfig(total_steps=2_048, hidden=(16,), save_every=3)
    generator, envs = make_generator(3), make_vector("CartPole-v1", 8, max_episode_steps=30)
    agent = module.make_agent(envs, config, generator)
    run = training_run(folder, config, resume)
    for _ in module.train(agent, envs, config, generator, run=run):
        if len(run.rows) == cut_after:
            break
    run.close()
    return agent, run


@pytest.mark.parametrize("cut_after", [2, 3, 8, 15, 16])
def test_a_run_that_was_cut_goes_on_bit_for_bit(recipe, tmp_path, cut_after):
    whole, run = kept(recipe, tmp_path / "whole")
    kept(recipe, tmp_path / "cut", cut_after)
    resumed, again = kept(recipe, tmp_path / "cut", resume=True)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    assert str(run.rows) == str(again.rows) and len(run.rows) == 16
    logs = [(tmp_path / name / "progress.csv").read_bytes() for name in ("whole", "cut")]
    assert logs[0] == logs[1]
