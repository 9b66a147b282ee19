"""Play a tabular MDP as a gymnasium environment."""

from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces

from rlcourse.support.mdp import TabularMDP


class TabularEnv(gymnasium.Env[Any, Any]):
    """Samples states by the MDP's probabilities and pays its expected rewards.

    It never truncates; wrap it in ``gymnasium.wrappers.TimeLimit`` for a clock.

    Args:
        mdp: the world to play.
        observation: ``"one_hot"`` shows float32 (S,), ``"index"`` the number of the state.
    """

    def __init__(
        self, mdp: TabularMDP, observation: Literal["one_hot", "index"] = "one_hot"
    ) -> None:
        if observation not in ("one_hot", "index"):
            raise ValueError(f'observation must be "one_hot" or "index", got {observation!r}')
        self.mdp = mdp
        self.observation_space: spaces.Space[Any] = (
            spaces.Box(0.0, 1.0, (mdp.num_states,), np.float32)
            if observation == "one_hot"
            else spaces.Discrete(mdp.num_states)
        )
        self.action_space: spaces.Discrete[Any] = spaces.Discrete(mdp.num_actions)
        self._one_hot = (
            np.eye(mdp.num_states, dtype=np.float32) if observation == "one_hot" else None
        )
        self._start = mdp.start.double().cumsum(dim=0).numpy()
        self._cumulative = mdp.transitions.double().cumsum(dim=2).numpy()
        self._rewards = mdp.rewards.tolist()
        self._terminal = mdp.terminal.tolist()
        self._state: int | None = None

    @property
    def state(self) -> int:
        """The number of the state the world is in."""
        if self._state is None:
            raise RuntimeError("call reset before acting")
        return self._state

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._state = self._draw(self._start)
        return self._observe(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act.

        Raises:
            RuntimeError: before the first reset, or after termination.
        """
        if self._terminal[self.state]:
            raise RuntimeError("the episode is over: call reset before acting again")
        reward = self._rewards[self.state][action]
        self._state = self._draw(self._cumulative[self.state, action])
        return self._observe(), reward, self._terminal[self._state], False, {}

    def _draw(self, cumulative: np.ndarray[Any, np.dtype[np.float64]]) -> int:
        """The first state whose cumulative probability exceeds a uniform number."""
        return int(cumulative.searchsorted(self.np_random.random() * cumulative[-1], side="right"))

    def _observe(self) -> Any:
        return self.state if self._one_hot is None else self._one_hot[self.state].copy()
