"""Many Acrobots stepped at once in NumPy, some thirty times as fast as one after the other."""

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control.acrobot import AcrobotEnv
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class AcrobotVectorEnv(VectorEnv[Any, Any, Any]):
    """``num_envs`` copies of Acrobot-v1: two links, a motor in the elbow, reward -1 a step.

    The equations of motion are those of gymnasium's environment, called on all copies together.

    Args:
        num_envs: B, how many.
        max_episode_steps: after so many the clock cuts an episode off.
    """

    def __init__(self, num_envs: int, max_episode_steps: int = 500) -> None:
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self._one = AcrobotEnv()
        self.single_observation_space = self._one.observation_space
        self.single_action_space: spaces.Discrete[Any] = spaces.Discrete(3)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.state: Floats = np.zeros((4, num_envs))
        """Two angles and their velocities, of each copy."""
        self.steps = np.zeros(num_envs, dtype=np.int64)
        self.prev_done = np.zeros(num_envs, dtype=bool)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start all copies anew, hanging almost still."""
        super().reset(seed=seed)
        self.state = self._starts(self.num_envs)
        self.steps[:] = 0
        self.prev_done[:] = False
        return self._observe(), {}

    def step(
        self, actions: Any
    ) -> tuple[NDArray[np.float32], Floats, NDArray[np.bool], NDArray[np.bool], dict[str, Any]]:
        """One step of each copy; one whose episode is over ignores its action and starts anew."""
        torque = np.asarray(self._one.AVAIL_TORQUE)[np.asarray(actions)]
        self.state = self._move(torque)
        self.steps += 1
        fresh = self.prev_done
        self.state[:, fresh] = self._starts(int(fresh.sum()))
        self.steps[fresh] = 0
        angle, other = self.state[0], self.state[1]
        terminated = (-np.cos(angle) - np.cos(other + angle) > 1.0) & ~fresh
        truncated = self.steps >= self.max_episode_steps
        rewards = np.where(terminated | fresh, 0.0, -1.0)
        self.prev_done = terminated | truncated
        return self._observe(), rewards, terminated, truncated, {}

    def _starts(self, count: int) -> Floats:
        drawn = self.np_random.uniform(-0.1, 0.1, size=(4, count))
        return drawn.astype(np.float32).astype(np.float64)

    def _move(self, torque: Floats) -> Floats:
        """One step of fourth-order Runge-Kutta for the state (4, B)."""
        dt, start = self._one.dt, np.vstack([self.state, torque])
        k1 = self._change(start)
        k2 = self._change(start + dt / 2 * k1)
        k3 = self._change(start + dt / 2 * k2)
        k4 = self._change(start + dt * k3)
        moved = (start + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4))[:4]
        moved[:2] = (moved[:2] + np.pi) % (2 * np.pi) - np.pi
        fastest = np.array([[self._one.MAX_VEL_1], [self._one.MAX_VEL_2]])
        moved[2:] = moved[2:].clip(-fastest, fastest)
        return np.asarray(moved)

    def _change(self, state: Floats) -> Floats:
        changes = self._one._dsdt(state)
        return np.stack([np.broadcast_to(change, state.shape[1:]) for change in changes])

    def _observe(self) -> NDArray[np.float32]:
        """(B, 6) cosine and sine of both angles, and the two velocities."""
        first, second, *velocities = self.state
        parts = [np.cos(first), np.sin(first), np.cos(second), np.sin(second), *velocities]
        return np.stack(parts, axis=1).astype(np.float32)
