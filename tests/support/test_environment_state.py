"""An environment that was put back does what the first one would have done."""

import io
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import SyncVectorEnv

from rlcourse.support.environment_state import environment_state, restore_environment
from rlcourse.support.environments import PolicyProbe, counter_vector, make_vector


def probes() -> SyncVectorEnv:
    return SyncVectorEnv([PolicyProbe] * 3)


MAKERS = {
    "CartPole, all at once": lambda: make_vector("CartPole-v1", 3, max_episode_steps=15),
    "Acrobot, one by one": lambda: make_vector("Acrobot-v1", 3, max_episode_steps=15),
    "FrozenLake": lambda: make_vector("FrozenLake-v1", 3),
    "counters": counter_vector,
    "probes": probes,
}


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def steps(envs: Any, count: int, rng: np.random.Generator) -> list[Any]:
    """What so many steps show."""
    size = envs.single_action_space.n
    seen = [envs.step(rng.integers(size, size=envs.num_envs))[:4] for _ in range(count)]
    return [np.array(part).tolist() for step in seen for part in step]


@pytest.mark.parametrize("name", MAKERS)
def test_it_goes_on_as_it_would_have(name: str) -> None:
    for cut in (0, 1, 7, 15, 16):  # before the first step, within an episode, around its end
        envs = MAKERS[name]()
        envs.reset(seed=3)
        steps(envs, cut, np.random.default_rng(0))
        saved = through_a_file(environment_state(envs))
        expected = steps(envs, 40, np.random.default_rng(1))
        other = MAKERS[name]()
        other.reset(seed=8)
        steps(other, 5, np.random.default_rng(2))
        restore_environment(other, saved)
        assert steps(other, 40, np.random.default_rng(1)) == expected


def test_the_saved_state_is_a_copy() -> None:
    envs = make_vector("CartPole-v1", 2)
    envs.reset(seed=0)
    saved = environment_state(envs)
    before = str(saved)
    steps(envs, 5, np.random.default_rng(0))
    assert str(saved) == before
    restore_environment(envs, saved)
    steps(envs, 5, np.random.default_rng(0))
    assert str(saved) == before


def test_another_number_of_copies_is_refused() -> None:
    saved = environment_state(make_vector("Acrobot-v1", 2))
    with pytest.raises(ValueError, match="holds 3 environments, the saved state 2"):
        restore_environment(make_vector("Acrobot-v1", 3), saved)


def test_what_cannot_be_told_in_numbers_is_refused() -> None:
    class Odd(gymnasium.Env[Any, int]):
        def __init__(self) -> None:
            self.secret = {1, 2}

    with pytest.raises(TypeError, match="secret is a set"):
        environment_state(Odd())
