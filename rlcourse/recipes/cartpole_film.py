"""A film of CartPole: two policies side by side, each from the same start."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from rlcourse.support.animation import animation_mp4
from rlcourse.support.collector import NumpyPolicy
from rlcourse.support.environments import make_cartpole

Floats = NDArray[np.float64]
EDGE = 2.4
"""Where the track ends, to both sides of its middle."""
EVERY = 2
"""Steps from one frame to the next."""


def balance(policy: NumpyPolicy, seed: int, steps: int) -> Floats:
    """(n + 1, 4) cart and pole before the first step and after each, until the pole falls.

    Always the action that the policy prefers: no dice, no ε.

    Args:
        policy: maps observations (B, 4) to values or logits (B, 2), in NumPy.
        seed: of the start.
        steps: at most so many.
    """
    envs = make_cartpole(1)
    observation, _ = envs.reset(seed=seed)
    seen = [observation[0].astype(float)]
    for _ in range(steps):
        observation, _, terminated, truncated, _ = envs.step(policy(observation).argmax(axis=1))
        seen.append(observation[0].astype(float))
        if terminated[0] or truncated[0]:
            break
    envs.close()
    return np.array(seen)


class Stage:
    """A track, a cart and a pole, drawn once and then moved."""

    def __init__(self, ax: Axes) -> None:
        ax.set(xlim=(-EDGE - 0.5, EDGE + 0.5), ylim=(-0.5, 1.5), aspect="equal")
        ax.axis("off")
        ax.plot([-EDGE, EDGE], [0.0, 0.0], color="#748089", linewidth=1.5)
        self.cart = Rectangle((-0.3, -0.12), 0.6, 0.24, color="#3b82c4")
        ax.add_patch(self.cart)
        self.pole: Line2D = ax.plot([], [], color="#a98718", linewidth=5)[0]

    def show(self, state: Floats) -> None:
        """Move both to a state (4): place, speed, angle to the right, its speed."""
        place, _, angle, _ = state
        self.cart.set_x(place - 0.3)
        self.pole.set_data([place, place + np.sin(angle)], [0.0, np.cos(angle)])


def film(runs: Sequence[Floats], titles: Sequence[str], path: Path) -> tuple[Path, Path]:
    """Film several episodes beside each other; one that is over stands still.

    Returns:
        The paths of the film and of its poster.
    """
    fig = Figure(figsize=(3.2 * len(runs), 1.9))
    axes = [fig.add_subplot(1, len(runs), index + 1) for index in range(len(runs))]
    stages = [Stage(ax) for ax in axes]

    def draw(frame: int) -> None:
        for ax, stage, states, title in zip(axes, stages, runs, titles, strict=True):
            at = min(frame * EVERY, len(states) - 1)
            stage.show(states[at])
            ax.set_title(f"{title}: step {at}")

    frames = (max(map(len, runs)) - 1) // EVERY + 8
    return animation_mp4(fig, draw, frames, path, fps=25, dpi=80)
