"""Environments: that each is what its docstring says."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from torch.testing import assert_close

from rlcourse.support import environments
from rlcourse.support.cartpole import FastCartPole
from rlcourse.support.seeding import make_generator, no_global_rng


def play(env: gymnasium.Env[Any, Any], actions: list[int], seed: int = 0) -> list[tuple[Any, ...]]:
    """(observation before, reward, observation after, terminated) of each step."""
    before, _ = env.reset(seed=seed)
    rows = []
    for action in actions:
        after, reward, terminated, _, _ = env.step(action)
        rows.append((before.tolist(), reward, after.tolist(), terminated))
        before = after
    return rows


def test_the_counter_counts() -> None:
    env = environments.CounterEnv(2, first_episode=7)
    assert play(env, [0, 1]) == [([7, 0], 1.0, [7, 1], False), ([7, 1], 2.0, [7, 2], True)]
    assert play(env, [0])[0][0] == [8, 0]


def test_the_three_counters_end_in_three_ways() -> None:
    envs = environments.counter_vector()
    assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert envs.reset(seed=0)[0][:, 0].tolist() == [0, 1000, 2000]
    flags = [envs.step(np.zeros(3, dtype=np.int64))[2:4] for _ in range(5)]
    assert [[bool(x) for x in flags[2][kind]] for kind in (0, 1)] == [
        [True, False, False],
        [False] * 3,
    ]
    assert flags[3][1].tolist() == [False, True, False] and not flags[3][0].any()
    assert flags[4][0][2] and flags[4][1][2]


@pytest.mark.parametrize("probe", environments.PROBES)
def test_probes_keep_gymnasiums_contract(probe: Any) -> None:
    check_env(probe(), skip_render_check=True)


def signs(probe: Any) -> set[float]:
    return {play(probe(), [0], seed)[0][0][0] for seed in range(20)}


def test_probes_by_hand() -> None:
    assert play(environments.ValueProbe(), [0])[0][::3] == ([0.0], True)
    assert play(environments.ValueProbe(), [0])[0][1] == 1.0
    assert signs(environments.ObservationProbe) == {-1.0, 1.0}
    assert signs(environments.PolicyProbe) == {-1.0, 1.0}
    assert signs(environments.ActionProbe) == {0.0}
    for seed in range(10):
        (before, reward, _, over) = play(environments.ObservationProbe(), [0], seed)[0]
        assert reward == before[0] and over
        for action in (0, 1):
            (before, reward, _, over) = play(environments.PolicyProbe(), [action], seed)[0]
            assert reward == (1.0 if (before[0] > 0) == (action == 1) else -1.0) and over
    first, second = play(environments.DiscountProbe(), [0, 0])
    assert first == ([0.0], 0.0, [1.0], False)
    assert second[:2] == ([1.0], 1.0) and second[3]
    assert [play(environments.ActionProbe(), [a])[0][1] for a in (0, 1)] == [-1.0, 1.0]


def test_a_probe_can_be_played_again() -> None:
    env = environments.DiscountProbe()
    assert play(env, [0, 0]) == play(env, [0, 0])


def test_the_bandit_pays_its_means_with_the_deviation() -> None:
    bandit = environments.GaussianBandit(torch.tensor([-1.0, 4.0]), deviation=0.5)
    actions = torch.tensor([0, 1]).repeat(50_000)
    with no_global_rng():
        rewards = bandit.pull(actions, make_generator(0)).reshape(-1, 2)
    # four standard errors: 4 * 0.5 / sqrt(50,000) = 0.009
    assert_close(rewards.mean(0), bandit.means, atol=0.009, rtol=0)
    assert_close(rewards.std(0), torch.tensor([0.5, 0.5]), atol=0.007, rtol=0)
    assert torch.equal(bandit.pull(actions, make_generator(0)).reshape(-1, 2), rewards)
    assert bandit.pull(torch.zeros(2, 3, dtype=torch.int64), make_generator(0)).shape == (2, 3)


def test_random_bandits_are_drawn_around_the_offset() -> None:
    means = environments.GaussianBandit.random(10_000, make_generator(0), offset=4.0).means
    assert means.mean().item() == pytest.approx(4.0, abs=0.04)
    assert means.std().item() == pytest.approx(1.0, abs=0.03)


def test_vector_environments_are_the_fast_ones_and_reset_at_the_next_step() -> None:
    cartpole, acrobot = environments.make_cartpole(3), environments.make_vector("Acrobot-v1", 2)
    assert isinstance(cartpole, FastCartPole)
    assert type(acrobot.unwrapped).__name__ == "SyncVectorEnv"
    for envs, count in ((cartpole, 3), (acrobot, 2)):
        assert envs.num_envs == count
        assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP


def test_the_fast_cartpole_is_the_slow_one() -> None:
    fast, slow = environments.make_cartpole(2), gymnasium.make("CartPole-v1")
    fast.reset(seed=3)
    slow.reset(seed=0)
    slow.unwrapped.state = tuple(fast.unwrapped.state[:, 1])  # type: ignore[attr-defined]
    for action in np.random.default_rng(0).integers(0, 2, 100):
        many = fast.step(np.array([0, action]))
        one = slow.step(int(action))
        assert np.array_equal(one[0], many[0][1])
        assert one[1:4] == (many[1][1], many[2][1], many[3][1])
        if one[2]:
            return
    raise AssertionError("the pole never fell")


def test_other_settings_reach_the_environment() -> None:
    envs = environments.make_vector("CartPole-v1", 2, max_episode_steps=3)
    envs.reset(seed=0)
    cut = [envs.step(np.array([0, 1]))[3].any() for _ in range(3)]
    assert cut == [False, False, True]
