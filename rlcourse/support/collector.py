"""The one way in which this course collects experience from many environments at once.

Acting is done in NumPy: for worlds and networks this small it is several times faster than through
torch. Needs gymnasium's NEXT_STEP autoreset (its default since 1.0): at the step that ends an
episode the environment returns the true last observation, and the step after that ignores the
action and only resets. That step is no transition; it is masked.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from rlcourse.support.environment_state import environment_state, restore_environment
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import numpy_generator

NumpyPolicy = Callable[[NDArray[Any]], NDArray[np.floating[Any]]]
"""Maps observations (B, ...) to logits (B, A), both NumPy arrays."""


class FinishedEpisode(NamedTuple):
    """What is reported of an episode when it ends."""

    at: int
    """Steps of all environments together up to and with its last one (resets do not count)."""
    episode_return: float
    """Undiscounted sum of its rewards."""
    length: int
    """Its number of steps."""


class Collector:
    """Steps ``B`` environments and goes on where the call before stopped.

    Args:
        envs: vector environment with discrete actions, in NEXT_STEP mode.
        seed: seeds the environments at their first reset.

    Raises:
        ValueError: if the environments reset in another mode, or their actions are not discrete.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], seed: int) -> None:
        self._num_actions = _check_vector_env(envs)
        self.envs = envs
        self.finished: list[FinishedEpisode] = []
        """All episodes that have ended so far, in the order in which they did."""
        self.total_steps = 0
        """Steps taken so far, all environments together; resets do not count."""
        self._observations, _ = envs.reset(seed=seed)
        self._resets_next = np.zeros(envs.num_envs, dtype=bool)
        self._open_returns = np.zeros(envs.num_envs)
        self._open_lengths = np.zeros(envs.num_envs, dtype=np.int64)

    def collect(self, policy: NumpyPolicy, steps: int, generator: torch.Generator) -> Rollout:
        """Take ``steps`` steps in each environment with actions sampled from the policy.

        Args:
            policy: maps observations (B, ...) to logits (B, A), in NumPy.
            steps: T, at least 1.
            generator: decides the actions; advanced.

        Returns:
            A rollout of B rows and T columns. Rows start in the middle of an episode where the call
            before stopped there, and hold several episodes with a masked column between.
        """
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        batch, rng = self.envs.num_envs, numpy_generator(generator)
        observations = np.empty((steps + 1, *self._observations.shape), self._dtype())
        actions = np.empty((steps, batch), dtype=np.int64)
        rewards = np.zeros((steps, batch), dtype=np.float32)
        terminated, ends, mask = (np.zeros((steps, batch), dtype=bool) for _ in range(3))
        noise = gumbel((steps, batch, self._num_actions), rng)
        for t in range(steps):
            observations[t] = self._observations
            mask[t] = ~self._resets_next
            actions[t] = likeliest(policy(observations[t]), noise[t])
            self._observations, rewards[t], terminated[t], truncated, _ = self.envs.step(actions[t])
            self._resets_next = ends[t] = terminated[t] | truncated
        observations[steps] = self._observations
        rewards *= mask
        self._close_episodes(rewards, ends, mask)
        return Rollout(
            observations=_batch_first(observations),
            actions=_batch_first(actions),
            rewards=_batch_first(rewards),
            terminated=_batch_first(terminated),
            ends=_batch_first(ends),
            mask=_batch_first(mask.astype(np.float32)),
        )

    def recent_return(self, episodes: int = 20) -> float:
        """Mean return of the last episodes that ended; NaN before the first one has."""
        returns = [episode.episode_return for episode in self.finished[-episodes:]]
        return float(np.mean(returns)) if returns else float("nan")

    def state_dict(self) -> dict[str, Any]:
        """All that the next ``collect`` depends on but its policy and generator, environments too.

        Tensors and plain values only, for a checkpoint.
        """
        return {
            "environments": environment_state(self.envs),
            "finished": [tuple(episode) for episode in self.finished],
            "total_steps": self.total_steps,
            "observations": torch.from_numpy(np.array(self._observations)),
            "resets_next": torch.from_numpy(self._resets_next.copy()),
            "open_returns": torch.from_numpy(self._open_returns.copy()),
            "open_lengths": torch.from_numpy(self._open_lengths.copy()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the collector stopped whose ``state_dict`` this is.

        Args:
            state: of a collector of as many environments of the same make.
        """
        restore_environment(self.envs, state["environments"])
        self.finished = [FinishedEpisode(*episode) for episode in state["finished"]]
        self.total_steps = state["total_steps"]
        self._observations = state["observations"].numpy().copy()
        self._resets_next = state["resets_next"].numpy().copy()
        self._open_returns = state["open_returns"].numpy().copy()
        self._open_lengths = state["open_lengths"].numpy().copy()

    def _dtype(self) -> type[np.generic]:
        discrete = isinstance(self.envs.single_observation_space, spaces.Discrete)
        return np.int64 if discrete else np.float32

    def _close_episodes(
        self, rewards: NDArray[Any], ends: NDArray[Any], mask: NDArray[Any]
    ) -> None:
        """Note the episodes that ended in these columns (T, B), and carry the open ones over."""
        summed, counted = rewards.cumsum(axis=0, dtype=np.float64), mask.cumsum(axis=0)
        steps_so_far = self.total_steps + mask.sum(axis=1).cumsum()
        for t, b in np.argwhere(ends):
            total, length = (
                self._open_returns[b] + summed[t, b],
                self._open_lengths[b] + counted[t, b],
            )
            self.finished.append(FinishedEpisode(int(steps_so_far[t]), float(total), int(length)))
            self._open_returns[b], self._open_lengths[b] = -summed[t, b], -counted[t, b]
        self._open_returns += summed[-1]
        self._open_lengths += counted[-1]
        self.total_steps = int(steps_so_far[-1])


def sample_actions(logits: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """(B,) actions from softmax(logits) (B, A): the largest logit after adding Gumbel noise."""
    return likeliest(logits, gumbel(np.shape(logits), rng))


def gumbel(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise with which the largest of some logits is a sample of their softmax."""
    return -np.log(rng.standard_exponential(shape))


def likeliest(logits: NDArray[Any], noise: NDArray[np.float64]) -> NDArray[np.int64]:
    """(B,) the largest of each row's logits (B, A) plus noise (B, A)."""
    if not isinstance(logits, np.ndarray) or logits.ndim != 2 or logits.shape != noise.shape:
        raise TypeError(
            "the policy must return a NumPy array (B, A) of logits; "
            "rlcourse.support.networks.numpy_forward turns a network into such a policy"
        )
    actions: NDArray[np.int64] = (logits + noise).argmax(1)
    return actions


def evaluate(envs: VectorEnv[Any, Any, Any], policy: NumpyPolicy, seed: int) -> NDArray[np.float64]:
    """(B,) return of the first episode in each environment, always taking the likeliest action.

    Args:
        envs: vector environment with discrete actions whose episodes end; reset here.
        policy: maps observations (B, ...) to logits (B, A), in NumPy.
        seed: seeds the reset.
    """
    observations, _ = envs.reset(seed=seed)
    returns, running = np.zeros(envs.num_envs), np.ones(envs.num_envs, dtype=bool)
    while running.any():
        actions = policy(observations).argmax(axis=1)
        observations, rewards, terminated, truncated, _ = envs.step(actions)
        returns += rewards * running
        running &= ~(terminated | truncated)
    return returns


def _check_vector_env(envs: VectorEnv[Any, Any, Any]) -> int:
    """How many actions there are, if the environments will do."""
    if not isinstance(envs, VectorEnv):
        raise ValueError(f"envs must be a gymnasium vector environment, got {type(envs).__name__}")
    mode = envs.metadata.get("autoreset_mode")
    if mode != AutoresetMode.NEXT_STEP:
        raise ValueError(
            f"envs must reset in AutoresetMode.NEXT_STEP, got {mode}: in other modes the "
            "observation after an episode's last step is not the one that truly followed"
        )
    if not isinstance(envs.single_action_space, spaces.Discrete):
        raise ValueError(f"actions must be discrete, got {envs.single_action_space}")
    return int(envs.single_action_space.n)


def _batch_first(x: NDArray[Any]) -> torch.Tensor:
    """(B, T, ...) from (T, B, ...)."""
    return torch.from_numpy(x).transpose(0, 1).contiguous()
