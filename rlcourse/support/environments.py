"""Environments to count with, to probe an agent with, and to learn in."""

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray
from torch import Tensor

from rlcourse.support.cartpole import FastCartPole

Observation = NDArray[np.float32]
Step = tuple[Observation, float, bool, bool, dict[str, Any]]


class CounterEnv(gymnasium.Env[Observation, int]):
    """Observes [episode, step], so that every row of a rollout tells where it comes from.

    The reward is the step.

    The action changes nothing. Wrap it in ``TimeLimit`` to have it truncated.

    Args:
        length: the step at which it terminates.
        first_episode: the number of the episode that the first reset starts.
    """

    observation_space = spaces.Box(0.0, np.inf, (2,), np.float32)
    action_space: spaces.Discrete[Any] = spaces.Discrete(2)

    def __init__(self, length: int, first_episode: int = 0) -> None:
        self.length = length
        self._episode = first_episode - 1
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self._episode += 1
        self._step = 0
        return self._observe(), {}

    def step(self, action: int) -> Step:
        self._step += 1
        return self._observe(), float(self._step), self._step >= self.length, False, {}

    def _observe(self) -> Observation:
        return np.array([self._episode, self._step], dtype=np.float32)


def counter_vector(autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> SyncVectorEnv:
    """Three counters that end differently.

    The first terminates at step 3, the second is truncated at 4, the third does both at 5. Their
    episodes are numbered from 0, 1000 and 2000.
    """
    lengths = ((3, 100), (100, 4), (5, 5))

    def maker(index: int) -> Any:
        terminates, truncates = lengths[index]
        return lambda: TimeLimit(CounterEnv(terminates, 1000 * index), truncates)

    return SyncVectorEnv([maker(index) for index in range(3)], autoreset_mode=autoreset_mode)


class _Probe(gymnasium.Env[Observation, int]):
    """An environment so small that only one part of an agent can fail in it.

    Observes one number.
    """

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space: spaces.Discrete[Any] = spaces.Discrete(1)
    random_sign: ClassVar[bool] = False
    """Whether the first observation is -1 or 1 at random (else 0)."""
    length: ClassVar[int] = 1
    """Number of steps until it terminates."""

    def __init__(self) -> None:
        self._value = 0.0
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self._step = 0
        self._value = float(self.np_random.choice((-1.0, 1.0))) if self.random_sign else 0.0
        return self._observe(), {}

    def step(self, action: int) -> Step:
        reward = self.pay(self._value, action)
        self._step += 1
        self._value = 1.0
        return self._observe(), reward, self._step >= self.length, False, {}

    def pay(self, observation: float, action: int) -> float:
        """The reward of an action after this observation."""
        raise NotImplementedError

    def _observe(self) -> Observation:
        return np.array([self._value], dtype=np.float32)


class ValueProbe(_Probe):
    """One action, one step, reward 1: the value must become 1.

    Fails if the critic does not learn at all.
    """

    def pay(self, observation: float, action: int) -> float:
        return 1.0


class ObservationProbe(_Probe):
    """Reward = observation, -1 or 1: the value must become the observation.

    Fails if the critic is fed wrongly.
    """

    random_sign = True

    def pay(self, observation: float, action: int) -> float:
        return observation


class DiscountProbe(_Probe):
    """Two steps, observation 0 then 1, reward 0 then 1: values gamma, then 1.

    Fails if returns are bootstrapped or discounted wrongly.
    """

    length = 2

    def pay(self, observation: float, action: int) -> float:
        return observation


class ActionProbe(_Probe):
    """Reward -1 for action 0, 1 for action 1: the policy must choose 1.

    Fails if the actor's gradient is wrong.
    """

    action_space: spaces.Discrete[Any] = spaces.Discrete(2)

    def pay(self, observation: float, action: int) -> float:
        return 2.0 * action - 1.0


class PolicyProbe(_Probe):
    """Reward 1 for action 1 at observation 1 and for action 0 at -1, else -1.

    The policy must follow the observation, and the value become 1. Fails if rows of observations,
    actions and advantages do not belong together.
    """

    action_space: spaces.Discrete[Any] = spaces.Discrete(2)
    random_sign = True

    def pay(self, observation: float, action: int) -> float:
        return observation * (2.0 * action - 1.0)


PROBES: tuple[type[_Probe], ...] = (
    ValueProbe,
    ObservationProbe,
    DiscountProbe,
    ActionProbe,
    PolicyProbe,
)
"""In the order in which to climb: each needs what those before it need."""


@dataclass(frozen=True, slots=True)
class GaussianBandit:
    """Arms that pay normally distributed rewards."""

    means: Tensor
    """(A,) mean reward of each arm."""
    deviation: float = 1.0
    """Standard deviation of every arm's reward."""

    @classmethod
    def random(
        cls, arms: int, generator: torch.Generator, *, offset: float = 0.0
    ) -> "GaussianBandit":
        """Means drawn from a normal distribution around ``offset``.

        The testbed of Sutton and Barto (2018, section 2.3).
        """
        return cls(offset + torch.randn(arms, generator=generator))

    def pull(self, actions: Tensor, generator: torch.Generator) -> Tensor:
        """(...) one reward for each of the arms in ``actions`` (...) int64."""
        noise = torch.randn(actions.shape, generator=generator, dtype=self.means.dtype)
        return self.means[actions] + self.deviation * noise


def make_vector(env_id: str, num_envs: int, **kwargs: Any) -> VectorEnv[Any, Any, Any]:
    """Copies of a registered environment, stepped together in this process, in NEXT_STEP mode.

    CartPole has a version in NumPy that steps all copies at once (from eight copies on it is the
    faster one); the others step in turn. Subprocesses are never used: for worlds this cheap they
    are several times slower.
    """
    mode = "vector_entry_point" if env_id.startswith("CartPole") else "sync"
    return gymnasium.make_vec(env_id, num_envs=num_envs, vectorization_mode=mode, **kwargs)


def make_cartpole(num_envs: int) -> VectorEnv[Any, Any, Any]:
    """``num_envs`` copies of CartPole-v1, all stepped at once in NumPy."""
    return FastCartPole(num_envs)
