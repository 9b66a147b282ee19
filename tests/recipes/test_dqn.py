"""DQN: one run and many, its bugs, the exact worlds, and a run that was cut."""

import math
from dataclasses import replace

import pytest
import torch

from rlcourse.support.collector import Collector
from rlcourse.support.environments import CounterEnv, make_cartpole, make_vector
from rlcourse.support.networks import mlp
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import make_generator, no_global_rng
from rlcourse.support.tabular import chain, random_mdp

SHORT = {"total_steps": 1_600, "hidden": (16,), "learning_starts": 100, "log_every": 2}


@pytest.fixture(scope="module")
def config(recipe):
    return recipe("dqn_config").DQNConfig(**SHORT)


def run(recipe, seed, config):
    module = recipe("dqn")
    generator, envs = make_generator(seed), make_cartpole(8)
    online = module.make_q_network(envs, config, generator)
    rows = module.dqn(online, envs, config, generator)
    envs.close()
    return online, rows


def test_runs_repeat_and_report(recipe, config):
    with no_global_rng():
        first, rows = run(recipe, 3, config)
    second, again = run(recipe, 3, config)
    assert len(rows) == 1_600 // 64 and str(rows) == str(again)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    assert set(rows[-1]) == {"steps", "return", "epsilon", "td_loss", "q_values", "grad_norm"}
    assert math.isnan(rows[0]["td_loss"]) and not math.isnan(rows[-1]["td_loss"])
    assert rows[0]["epsilon"] > rows[-1]["epsilon"] > 0.5
    assert str(run(recipe, 4, config)[1]) != str(rows)
    assert str(run(recipe, 3, replace(config, double=False))[1]) != str(rows)


def test_only_steps_that_somebody_lived_are_stored_and_each_with_its_true_successor(recipe):
    """The counter shows [episode, step]: row by row it says whether a successor is the true one."""
    from gymnasium.vector import AutoresetMode, SyncVectorEnv
    from gymnasium.wrappers import TimeLimit

    module = recipe("dqn")
    for length, limit, terminates in ((3, 10, True), (10, 3, False)):
        worlds = [lambda length=length, limit=limit: TimeLimit(CounterEnv(length), limit)] * 2
        envs = SyncVectorEnv(worlds, autoreset_mode=AutoresetMode.NEXT_STEP)
        rollout = Collector(envs, 0).collect(
            lambda x: torch.zeros(2, 2).numpy(), 11, make_generator(0)
        )
        rows = module.transitions_of(rollout, 0.9)
        step, following = rows.observations[:, 1], rows.next_observations[:, 1]
        assert torch.equal(following, step + 1), "a successor that is no successor"
        assert torch.equal(rows.observations[:, 0], rows.next_observations[:, 0])
        last = following == 3
        assert last.sum() == 6 and len(rows.actions) == 18
        expected = torch.where(last & terminates, 0.0, 0.9)
        torch.testing.assert_close(rows.discounts, expected)


def test_an_explorer_draws_what_epsilon_greedy_says(recipe):
    import numpy as np

    policy = recipe("dqn").explorer(lambda x: np.array([[1.0, 5.0, 2.0]]), 0.3)
    np.testing.assert_allclose(np.exp(policy(np.zeros((1, 1)))), [[0.1, 0.8, 0.1]])


def test_one_member_of_many_is_a_single_run(recipe, config):
    """Same weights, same draws: an ensemble of one does what the plain recipe does."""
    many, single = recipe("dqn_many"), recipe("dqn")
    config = replace(config, total_steps=400, max_grad_norm=0.5, log_every=4)
    envs, generator = make_cartpole(8), make_generator(0)
    online = mlp((4, *config.hidden, 2), make_generator(7), activation=torch.nn.ReLU)
    rows = single.dqn(online, envs, config, generator)
    envs = make_cartpole(8)
    steps, returns, _ = many.dqn_many(envs, config, [7], make_generator(0))
    assert steps[-1] == 384
    assert rows[-1]["return"] == pytest.approx(returns[0, -1].item(), rel=1e-5)


@pytest.mark.parametrize(("double", "longest"), [(False, 0.05), (True, 100.0)])
def test_an_update_of_many_is_the_update_of_each(recipe, config, double, longest):
    """Once with gradients that are shortened, by another factor for each member, once without."""
    many, single = recipe("dqn_many"), recipe("dqn")
    config = replace(config, double=double, max_grad_norm=longest)
    sizes, generator = (3, 8, 2), make_generator(0)
    together, targets = (many.make_q_ensemble(sizes, seeds) for seeds in ([1, 2], [3, 4]))
    optimizer = torch.optim.SGD(together.parameters(), 0.1)
    alone = [mlp(sizes, make_generator(seed), activation=torch.nn.ReLU) for seed in (1, 2)]
    judges = [mlp(sizes, make_generator(seed), activation=torch.nn.ReLU) for seed in (3, 4)]
    optimizers = [torch.optim.SGD(network.parameters(), 0.1) for network in alone]
    for _ in range(3):
        x, following = torch.randn(2, 12, 3, generator=generator)
        rewards = torch.randn(12, generator=generator) * torch.arange(12)
        actions = torch.randint(2, (12,), generator=generator)
        batch = single.Transitions(x, actions, rewards, torch.full((12,), 0.9), following)
        many.ensemble_update(together, targets, optimizer, batch, config)
        for k, (network, judge) in enumerate(zip(alone, judges, strict=True)):
            part = single.Transitions(*(column[6 * k : 6 * k + 6] for column in batch))
            single.dqn_update(network, judge, optimizers[k], part, config)
    for k, network in enumerate(alone):
        torch.testing.assert_close(together.weights[0][k].T, network[0].weight)
        torch.testing.assert_close(together.biases[1][k, 0], network[2].bias)


def test_members_are_separate_networks(recipe):
    many = recipe("dqn_many")
    ensemble = many.make_q_ensemble((3, 5, 2), [1, 2])
    x = torch.randn(6, 3, generator=make_generator(0))
    for index, seed in enumerate((1, 2)):
        alone = mlp((3, 5, 2), make_generator(seed), activation=torch.nn.ReLU)
        mine = slice(3 * index, 3 * index + 3)
        torch.testing.assert_close(ensemble(x)[mine], alone(x[mine]))
    acting = torch.from_numpy(ensemble.numpy_forward()(x.numpy()))
    torch.testing.assert_close(acting, ensemble(x).detach())
    ensemble(x)[:3].square().sum().mul(100).backward()
    before = [p.grad.clone() for p in ensemble.parameters()]
    ensemble.shorten_gradients(0.5)
    norm = torch.stack([p.grad[0].square().sum() for p in ensemble.parameters()]).sum().sqrt()
    assert norm.item() == pytest.approx(0.5, rel=1e-4)
    assert all(not p.grad[1].any() for p in ensemble.parameters())
    ratio = [
        p.grad[0].sum() / g[0].sum() for p, g in zip(ensemble.parameters(), before, strict=True)
    ]
    torch.testing.assert_close(torch.stack(ratio), ratio[0].expand(len(ratio)))


def test_a_ledger_closes_each_episode_in_its_own_account(recipe):
    ledger = recipe("dqn_many").Ledger(2, 2)
    ones, no = torch.ones(4, 1), torch.zeros(4, 1, dtype=torch.bool)
    ends = torch.zeros(4, 2, dtype=torch.bool)
    ends[3, 1] = True
    pays, two = torch.tensor([[1.0, 2.0]]).expand(4, 2), torch.ones(4, 2)
    terms = torch.zeros(4, 2, dtype=torch.bool)
    ledger.read(Rollout(torch.zeros(4, 3, 1), two.long(), pays, terms, ends, two))
    ledger.read(Rollout(torch.zeros(4, 2, 1), no.long(), 3 * ones, no, no, ones))
    assert ledger.closed == [[], [3.0]] and ledger.open.tolist() == [6.0, 6.0, 6.0, 3.0]
    assert ledger.recent()[1] == 3.0 and ledger.recent()[0].isnan()


def kept(recipe, config, folder, cut_after=None, resume=False):
    """A run in a folder, perhaps cut after so many rows as by a power failure."""
    module = recipe("dqn")
    generator, envs = make_generator(3), make_vector("CartPole-v1", 8, max_episode_steps=30)
    online = module.make_q_network(envs, config, generator)
    run = module.TrainingRun(folder, config, resume)
    for _ in module.train(online, envs, config, generator, run):
        if len(run.rows) == cut_after:
            break
    run.close()
    return online, run


@pytest.mark.parametrize("cut_after", [1, 3, 8, 20])
def test_a_run_that_was_cut_goes_on_bit_for_bit(recipe, config, tmp_path, cut_after):
    """The buffer is full long before the end, so the ring is cut in the middle of a round."""
    config = replace(config, capacity=300, save_every=3, target_every=7)
    whole, run = kept(recipe, config, tmp_path / "whole")
    kept(recipe, config, tmp_path / "cut", cut_after)
    resumed, again = kept(recipe, config, tmp_path / "cut", resume=True)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    assert str(run.rows) == str(again.rows) and len(run.rows) == 25
    logs = [(tmp_path / name / "progress.csv").read_bytes() for name in ("whole", "cut")]
    assert logs[0] == logs[1]


def test_the_command_trains_and_goes_on(recipe, tmp_path, capsys):
    module = recipe("dqn")
    arguments = [str(tmp_path / "run"), "--seed", "1", "--steps", "800"]
    module.main(arguments)
    assert "best mean return" in capsys.readouterr().out
    with pytest.raises(FileExistsError, match="resume"):
        module.main(arguments)
    module.main([*arguments, "--resume"])
    with pytest.raises(ValueError, match="double"):
        module.main([*arguments, "--resume", "--plain"])


@pytest.mark.parametrize(
    "wrong",
    [{"gamma": 1.1}, {"capacity": 0}, {"tau": -0.1}, {"learning_rate": 0.0}, {"updates": 0}],
)
def test_a_bad_setting_is_refused(recipe, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        recipe("dqn_config").DQNConfig(**wrong)


def test_the_largest_guess_is_what_sampling_says(recipe):
    bias = recipe("maximization_bias")
    guesses = torch.randn(200_000, 10, generator=make_generator(0)).max(dim=1).values
    assert bias.expected_maximum(10, 1.0) == pytest.approx(guesses.mean().item(), abs=0.01)
    assert bias.expected_maximum(2, 3.0) == pytest.approx(3 / math.sqrt(math.pi), abs=1e-6)
    assert bias.expected_maximum(1, 1.0) == pytest.approx(0.0, abs=1e-9)


def test_without_noise_nobody_is_led_astray(recipe):
    bias = recipe("maximization_bias")
    world = bias.LeftOrRight(deviation=0.0, episodes=100, runs=200)
    for double in (False, True):
        share = bias.share_going_left(world, double, make_generator(0))
        assert share[-20:].mean() < 0.12


def test_noise_leads_one_table_astray_and_two_much_less(recipe):
    bias = recipe("maximization_bias")
    world = bias.LeftOrRight(episodes=50, runs=300)
    plain, double = (
        bias.share_going_left(world, d, make_generator(0))[-10:] for d in (False, True)
    )
    assert plain.mean() > 0.7 and double.mean() < 0.3


def test_optimal_values_obey_bellman_and_a_chain_is_known(recipe):
    exact = recipe("exact_q")
    mdp = random_mdp(5, 3, 0.9, make_generator(1))
    q = exact.optimal_q(mdp)
    again = mdp.rewards + 0.9 * mdp.continuing @ q.max(dim=1).values
    torch.testing.assert_close(q, again)
    idle = exact.nothing_matters(4, 3, 0.9)
    assert not exact.optimal_q(idle).any()
    assert exact.overestimation(idle, torch.full((2, 4, 3), 1.5)).tolist() == [1.5, 1.5]


def test_transitions_come_from_the_table(recipe):
    exact = recipe("exact_q")
    mdp = random_mdp(4, 2, 0.9, make_generator(2))
    rows = exact.draw_transitions(mdp, 0.0, 40_000, make_generator(0))
    states, following = rows.observations.argmax(dim=1), rows.next_observations.argmax(dim=1)
    assert not mdp.terminal[states].any()
    torch.testing.assert_close(rows.rewards, mdp.rewards[states, rows.actions].float())
    assert torch.equal(rows.discounts == 0, mdp.terminal[following])
    here = (states == 1) & (rows.actions == 0)
    seen = torch.bincount(following[here], minlength=4) / here.sum()
    torch.testing.assert_close(seen.double(), mdp.transitions[1, 0], atol=0.03, rtol=0.0)


def test_both_agents_find_the_exact_values_of_a_chain(recipe):
    exact = recipe("exact_q")
    mdp = chain(5, gamma=0.9)
    settings = exact.FitConfig(updates=800, target_every=20)
    for loss in (exact.dqn_loss, exact.double_dqn_loss):
        q = exact.fit(mdp, exact.every_transition(mdp), settings, [0, 1], make_generator(0), loss)
        assert exact.worst_error(mdp, q)[-1].max() < 0.03


@pytest.mark.slow
def test_cartpole_is_learned_on_the_way(recipe):
    """Best mean of 20 episodes within 10,000 steps; the last value says little (DQN forgets)."""
    config = recipe("dqn_config").DQNConfig()
    _, rows = run(recipe, 0, config)
    assert max(row["return"] for row in rows[5:]) >= 90.0
