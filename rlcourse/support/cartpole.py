"""CartPole-v1 for many copies: gymnasium's own, number for number, with less around each step.

For networks as small as the course's, a third of gymnasium's step goes into looking whether each
action is allowed and into resets that no copy needs. See ``benchmarks/classic``.
"""

from typing import Any

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


class FastCartPole(CartPoleVectorEnv):
    """B copies stepped at once, in NEXT_STEP mode, with gymnasium's Euler integration.

    Args:
        num_envs: B.
        max_episode_steps: when the clock cuts an episode off.
    """

    state: Any
    """(4, B) place, speed, angle and its speed; gymnasium has declared it as None."""

    def __init__(self, num_envs: int, max_episode_steps: int = 500) -> None:
        super().__init__(num_envs, max_episode_steps)

    def step(
        self, action: NDArray[np.integer[Any]]
    ) -> tuple[Floats, Floats, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """As gymnasium's.

        Args:
            action: (B,) integers, 0 to push to the left and 1 to the right.

        Raises:
            ValueError: if they are anything else.
        """
        if getattr(action, "shape", None) != (self.num_envs,) or action.dtype.kind not in "iu":
            raise ValueError(f"actions must be ({self.num_envs},) integers of NumPy, got {action}")
        if action.min() < 0 or action.max() > 1:
            raise ValueError(f"actions must be 0 or 1, got {action}")
        self.state = self._moved(action)
        terminated = np.abs(self.state[0]) > self.x_threshold
        terminated |= np.abs(self.state[2]) > self.theta_threshold_radians
        self.steps += 1
        truncated = self.steps >= self.max_episode_steps
        rewards = np.ones(self.num_envs, dtype=np.float32)
        over = self.prev_done
        if over.any():
            start = self.np_random.uniform(self.low, self.high, size=(4, over.sum()))
            self.state[:, over], self.steps[over], rewards[over] = start, 0, 0.0
            terminated[over] = truncated[over] = False
        self.prev_done = terminated | truncated
        return self.state.T.astype(np.float32), rewards, terminated, truncated, {}

    def _moved(self, action: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """(4, B) place, speed, angle and its speed after 0.02 seconds.

        Florian (2007), *Correct equations for the dynamics of the cart-pole system*, eq. 23 and 24.
        """
        _, speed, angle, spin = self.state
        cosine, sine = np.cos(angle), np.sin(angle)
        force = np.array((-self.force_mag, self.force_mag))[action]
        pushed = (force + self.polemass_length * np.square(spin) * sine) / self.total_mass
        inertia = self.length * (4.0 / 3.0 - self.masspole * np.square(cosine) / self.total_mass)
        turning = (self.gravity * sine - cosine * pushed) / inertia
        moving = pushed - self.polemass_length * turning * cosine / self.total_mass
        change = np.array((speed, moving, spin, turning))
        state: NDArray[np.float64] = self.state + self.tau * change
        return state
