"""Many Acrobots at once do what gymnasium's does one by one."""

import gymnasium
import numpy as np
import pytest

from rlcourse.support.acrobot import AcrobotVectorEnv


def test_it_moves_as_gymnasiums_does() -> None:
    rng, envs = np.random.default_rng(0), AcrobotVectorEnv(6)
    envs.reset(seed=1)
    singles = [gymnasium.make("Acrobot-v1").unwrapped for _ in range(6)]
    for index, single in enumerate(singles):
        single.reset(seed=0)
        single.state = envs.state[:, index].copy()
    ended = np.zeros(6, dtype=bool)
    for _ in range(400):
        actions = rng.integers(3, size=6)
        seen, rewards, terminated, _, _ = envs.step(actions)
        for index in np.flatnonzero(~ended):
            one = singles[index].step(actions[index])
            np.testing.assert_allclose(seen[index], one[0], atol=1e-5)
            assert rewards[index] == one[1] and terminated[index] == one[2]
            envs.state[:, index] = singles[index].state  # chaos: keep rounding from growing
        ended |= terminated


def test_an_episode_ends_by_itself_and_by_the_clock_and_starts_anew() -> None:
    envs = AcrobotVectorEnv(2, max_episode_steps=3)
    envs.reset(seed=0)
    flags = [envs.step(np.zeros(2, dtype=int))[2:4] for _ in range(3)]
    assert [bool(truncated.all()) for _, truncated in flags] == [False, False, True]
    seen, rewards, terminated, truncated, _ = envs.step(np.zeros(2, dtype=int))
    assert (np.abs(seen[:, 1]) <= 0.1).all() and (rewards == 0).all()
    assert not (terminated | truncated).any() and (envs.steps == 0).all()
    envs.state[:, 0] = [3.0, 0.0, 0.0, 0.0]  # upright
    _, rewards, terminated, _, _ = envs.step(np.zeros(2, dtype=int))
    assert terminated.tolist() == [True, False] and rewards.tolist() == [0.0, -1.0]


def test_angles_stay_within_one_turn_and_speeds_within_their_limits() -> None:
    envs = AcrobotVectorEnv(1)
    envs.reset(seed=0)
    envs.state[:, 0] = [3.1, -3.1, 12.0, -28.0]
    for _ in range(20):
        envs.step(np.array([2]))
        assert (np.abs(envs.state[:2]) <= np.pi).all()
        assert np.abs(envs.state[2]) <= 4 * np.pi and np.abs(envs.state[3]) <= 9 * np.pi


@pytest.mark.parametrize("seed", [0, 1])
def test_a_seed_repeats_its_starts(seed: int) -> None:
    envs = AcrobotVectorEnv(3)
    assert np.array_equal(envs.reset(seed=seed)[0], envs.reset(seed=seed)[0])
    assert not np.array_equal(envs.reset(seed=seed)[0], envs.reset(seed=seed + 7)[0])
