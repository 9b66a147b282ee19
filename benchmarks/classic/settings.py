"""What all three are asked to do, and how it is counted. Imports neither the course nor a peer."""

import json
import time
from collections import deque
from dataclasses import dataclass
from statistics import mean

import torch

SOLVED, RECENT = 475.0, 20
"""CartPole counts as solved when the mean return of so many episodes is this."""


@dataclass(frozen=True, slots=True)
class Work:
    """Settings of PPO under the names of its paper; networks are two times 64 with tanh."""

    total_steps: int
    num_envs: int
    steps: int
    epochs: int
    minibatch_size: int
    learning_rate: float
    anneal: bool
    gamma: float
    lam: float
    clip_eps: float
    value_clip_eps: float | None
    entropy_coef: float
    critic_coef: float
    """Weight of *half* the mean squared error of the critic."""
    anneal_clip: bool = False


CLEANRL_DEFAULTS = Work(
    500_000, 4, 128, 4, 128, 2.5e-4, True, 0.99, 0.95, 0.2, 0.2, 0.01, critic_coef=0.5
)
"""Those that CleanRL's ppo.py has without any option."""

SAME_WORK = Work(10_240, 4, 128, 4, 128, 2.5e-4, True, 0.99, 0.95, 0.2, 0.2, 0.01, critic_coef=0.5)
"""The same, but for so few steps that speed can be compared in many rounds."""

ZOO = Work(
    100_000, 8, 32, 20, 256, 1e-3, True, 0.98, 0.8, 0.2, None, 0.0, critic_coef=1.0,
    anneal_clip=True,
)  # fmt: skip
"""Those that stable-baselines3's zoo gives for CartPole-v1."""

WORKS = {"same": SAME_WORK, "zoo": ZOO, "defaults": CLEANRL_DEFAULTS}


class Reached(Exception):
    """The threshold was reached."""


class Meter:
    """Counts time from ``start``, and notices when the last episodes were good enough.

    Args:
        until_solved: whether to raise ``Reached`` then.
    """

    def __init__(self, until_solved: bool) -> None:
        self.until_solved, self.reached = until_solved, False
        self.returns: deque[float] = deque(maxlen=RECENT)
        self.start()

    def start(self) -> None:
        """Set the clocks to zero."""
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def episode(self, episode_return: float) -> None:
        """Note an episode that ended."""
        self.returns.append(episode_return)
        if len(self.returns) == RECENT and mean(self.returns) >= SOLVED:
            self.reached = True
            if self.until_solved:
                raise Reached

    def report(self, steps: int) -> None:
        """Print one line for ``run.py``."""
        cpu, wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        line = {"steps": steps, "cpu": cpu, "wall": wall, "reached": self.reached}
        print(json.dumps(line), flush=True)


def warm_up() -> None:
    """One core, and one step of an optimizer: the first in a process imports a great deal."""
    torch.set_num_threads(1)
    layer = torch.nn.Linear(4, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 4)).sum().backward()
    torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
    optimizer.step()
