"""FastCartPole is gymnasium's CartPole, bit for bit, through deaths, clocks and resets."""

import gymnasium
import numpy as np
import pytest

from rlcourse.support.cartpole import FastCartPole
from rlcourse.support.environments import make_cartpole


@pytest.mark.parametrize(("copies", "limit"), [(1, 500), (7, 30), (64, 500)])
def test_every_number_is_gymnasiums(copies, limit):
    theirs = gymnasium.make_vec("CartPole-v1", num_envs=copies, max_episode_steps=limit)
    ours, rng = FastCartPole(copies, limit), np.random.default_rng(0)
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    np.testing.assert_array_equal(ours.reset(seed=5)[0], theirs.reset(seed=5)[0])
    died = cut = 0
    for _ in range(400):
        actions = rng.integers(0, 2, copies)
        if limit == 30:  # balances for long enough that the clock cuts it off
            actions = (ours.state[2] + 0.5 * ours.state[3] > 0).astype(np.int64)
        answers = ours.step(actions), theirs.step(actions)
        for mine, other in zip(answers[0][:4], answers[1][:4], strict=True):
            assert mine.dtype == other.dtype
            np.testing.assert_array_equal(mine, other)
        died, cut = died + answers[0][2].sum(), cut + answers[0][3].sum()
    assert cut > 10 if limit == 30 else died > 5


@pytest.mark.parametrize("wrong", [[0, 1], [0.0, 1.0], [[0], [1]], [0, 2], [-1, 0], [0]])
def test_another_action_is_refused(wrong):
    envs = make_cartpole(2)
    envs.reset(seed=0)
    given = wrong if wrong == [0, 1] else np.array(wrong)  # a list is no array
    with pytest.raises(ValueError, match="actions must be"):
        envs.step(given)
