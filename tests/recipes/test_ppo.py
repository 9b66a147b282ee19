"""PPO runs that repeat, resume and report; many runs side by side; what they reach on the way."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from rlcourse.support.acrobot import AcrobotVectorEnv
from rlcourse.support.environments import make_cartpole, make_vector
from rlcourse.support.ppo_config import PPOConfig
from rlcourse.support.seeding import make_generator, no_global_rng

SMALL = {"total_steps": 2_048, "num_envs": 8, "steps": 32, "hidden": (16,), "save_every": 3}


def make_run(recipe, seed=3, **settings):
    module = recipe("ppo")
    update = PPOConfig(epochs=2, minibatch_size=100)
    config = module.PPORunConfig(**(SMALL | {"update": update} | settings))
    generator = make_generator(seed)
    envs = make_vector("CartPole-v1", config.num_envs, max_episode_steps=30)
    return module, config, generator, envs, module.Learner(envs, config, generator)


def run(recipe, seed=3, **settings):
    module, config, generator, envs, learner = make_run(recipe, seed, **settings)
    return learner, module.ppo(learner, envs, config, generator)


def test_runs_repeat_and_report(recipe):
    with no_global_rng():
        first, rows = run(recipe)
    second, again = run(recipe)
    assert len(rows) == 8 and str(rows) == str(again)
    for one, other in zip(first.agent.parameters(), second.agent.parameters(), strict=True):
        assert torch.equal(one, other)
    known = {"steps", "return", "learning_rate", "policy_loss", "value_loss", "entropy"}
    assert known | {"approx_kl", "clip_fraction", "grad_norm", "epochs"} == set(rows[-1])
    assert str(run(recipe, 4)[1]) != str(rows)


def kept(recipe, folder, cut_after=None, resume=False):
    """A run in a folder with normalized observations, perhaps cut as by a power failure."""
    module, config, generator, envs, learner = make_run(recipe, normalize_observations=True)
    log = module.TrainingRun(folder, config, resume)
    for _ in module.train(learner, envs, config, generator, log):
        if len(log.rows) == cut_after:
            break
    log.close()
    return learner, log


@pytest.mark.parametrize("cut_after", [2, 3, 5, 8])
def test_a_run_that_was_cut_goes_on_bit_for_bit(recipe, tmp_path, cut_after):
    whole, log = kept(recipe, tmp_path / "whole")
    kept(recipe, tmp_path / "cut", cut_after)
    resumed, again = kept(recipe, tmp_path / "cut", resume=True)
    for one, other in zip(whole.agent.parameters(), resumed.agent.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(whole.scale.var, resumed.scale.var)
    assert str(log.rows) == str(again.rows) and len(log.rows) == 8
    logs = [(tmp_path / name / "progress.csv").read_bytes() for name in ("whole", "cut")]
    assert logs[0] == logs[1]


def test_the_update_sees_what_the_policy_saw(recipe):
    """Before its first step the ratio is 1, also with normalized observations."""
    seen = []

    def update(agent, rollout, optimizer, config, generator):
        once = dataclasses.replace(config, epochs=1, minibatch_size=10_000)
        seen.append(module.ppo_update(agent, rollout, optimizer, once, generator))
        return seen[-1]

    module, config, generator, envs, learner = make_run(recipe, normalize_observations=True)
    module.ppo(learner, envs, config, generator, update=update)
    states = torch.from_numpy(envs.reset(seed=0)[0])
    raw, normal = learner.policy()(states.numpy()), learner.scale.normalize(states)
    expected = learner.agent.logits(normal).detach().numpy()
    np.testing.assert_allclose(raw, expected, rtol=1e-5, atol=1e-6)
    assert learner.scale.count > 1_900
    assert all(abs(row["approx_kl"]) < 1e-12 for row in seen)


def test_the_step_size_runs_out_along_a_line(recipe):
    config = recipe("ppo").PPORunConfig(**SMALL, learning_rate=1.0, anneal_over=2_560)
    sizes = [config.learning_rate_at(index) for index in range(config.updates)]
    assert sizes == pytest.approx([1 - index / 10 for index in range(8)])
    constant = dataclasses.replace(config, anneal_over=0)
    assert constant.learning_rate_at(7) == 1.0


def test_it_stops_when_told_but_not_for_a_few_episodes(recipe):
    _, rows = run(recipe, stop_at=22.0)
    assert rows[-1]["return"] >= 22.0 and 1 < len(rows) < 8
    module, config, _, envs, _ = make_run(recipe, stop_at=1.0)
    collector = module.Collector(envs, 0)
    assert not module.solved(collector, config)
    collector.finished = [(0, 5.0, 5)] * 19
    assert not module.solved(collector, config)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("PPORunConfig", {"steps": 0}),
        ("PPORunConfig", {"reward_scale": 0.0}),
        ("PPORunConfig", {"anneal_over": 5}),
        ("PPOConfig", {"lam": 1.1}),
        ("PPOConfig", {"epochs": 0}),
        ("PPOConfig", {"clip_eps": 0.0}),
        ("PPOConfig", {"target_kl": math.nan}),
        ("PPOConfig", {"entropy_coef": -1.0}),
    ],
)
def test_a_bad_setting_is_refused(recipe, kind, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        getattr(recipe("ppo"), kind)(**wrong)


def test_another_number_of_environments_is_refused(recipe):
    module, config, generator, _, learner = make_run(recipe)
    with pytest.raises(ValueError, match="num_envs is 8, but envs has 4"):
        module.ppo(learner, make_cartpole(4), config, generator)


def test_a_run_beside_others_is_a_run_by_itself(recipe):
    """One batch of the stacked runs gives the losses' gradients that ppo_update gives."""
    side = recipe("ppo_side_by_side")
    config = side.PPORunConfig(num_envs=4, steps=16, hidden=(8,), anneal_over=0)
    update = PPOConfig(epochs=1, minibatch_size=64, max_grad_norm=0.05, value_clip_eps=0.1)
    wrong = dataclasses.replace(update, standardize=False, entropy_coef=0.5, max_grad_norm=9.0)
    runs = side.Runs([side.Variant(u) for u in (wrong, update)], [5, 6], config, make_generator(0))
    rollout = runs.collector.collect(runs.actors.numpy_forward(), 16, make_generator(1))
    runs.collector.collect = lambda *_: rollout
    rows = slice(4, 8)
    fields = [f.name for f in dataclasses.fields(rollout)]
    own = type(rollout)(*(getattr(rollout, name)[rows] for name in fields))
    agent = side.ActorCritic(4, 2, make_generator(6), (8,))
    optimizer = torch.optim.Adam(agent.parameters(), config.learning_rate, eps=config.adam_eps)
    runs.one_update()
    chapter = recipe("ppo")
    chapter.ppo_update(agent, own, optimizer, update, make_generator(2))
    alone = [p.detach() for p in agent.actor.parameters()] + list(agent.critic.parameters())
    stacked = [
        x[1].T if x.shape[1] > 1 or index % 2 == 0 else x[1][0]
        for net in (runs.actors, runs.critics)
        for pair in zip(net.weights, net.biases, strict=True)
        for index, x in enumerate(pair)
    ]
    for one, other in zip(alone, stacked, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_returns_of_stacked_runs_are_those_of_their_own_episodes(recipe):
    side = recipe("ppo_side_by_side")
    config = side.PPORunConfig(num_envs=4, steps=64, hidden=(8,), total_steps=512)
    runs = side.Runs([side.Variant()] * 2, [0, 1], config, make_generator(0))
    for _ in range(3):
        runs.one_update()
    both = [value for known in runs.episodes.finished for value in known]
    assert sorted(both) == sorted(e.episode_return for e in runs.collector.finished)
    assert all(len(known) > 5 for known in runs.episodes.finished)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_cartpole_is_solved(recipe, seed):
    module = recipe("ppo")
    generator, envs = make_generator(seed), make_cartpole(32)
    learner = module.Learner(envs, module.CARTPOLE, generator)
    rows = module.ppo(learner, envs, module.CARTPOLE, generator)
    assert rows[-1]["return"] >= 475.0


@pytest.mark.slow
def test_acrobot_is_solved(recipe):
    module = recipe("ppo")
    generator, envs = make_generator(0), AcrobotVectorEnv(16)
    learner = module.Learner(envs, module.ACROBOT, generator)
    rows = module.ppo(learner, envs, module.ACROBOT, generator)
    assert rows[-1]["return"] >= -100.0
