"""A film of Acrobot's swing: two policies side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from rlcourse.support.acrobot import AcrobotVectorEnv
from rlcourse.support.animation import animation_mp4
from rlcourse.support.collector import NumpyPolicy, sample_actions

Floats = NDArray[np.float64]
BLUE, GREY = "#3b82c4", "#748089"


def swing(policy: NumpyPolicy, seed: int, steps: int) -> Floats:
    """(n, 2) both angles before each step, with sampled actions, until the tip is up.

    Args:
        policy: maps observations (B, 6) to logits (B, 3), in NumPy.
        seed: of the start and the actions.
        steps: at most so many.
    """
    envs, rng = AcrobotVectorEnv(1, max_episode_steps=steps), np.random.default_rng(seed)
    observation, _ = envs.reset(seed=seed)
    angles = [envs.state[:2, 0].copy()]
    for _ in range(steps):
        actions = sample_actions(policy(observation), rng)
        observation, _, terminated, truncated, _ = envs.step(actions)
        angles.append(envs.state[:2, 0].copy())
        if terminated[0] or truncated[0]:
            break
    return np.array(angles)


def joints(angles: Floats) -> tuple[Floats, Floats]:
    """Horizontal and vertical places (3) of shoulder, elbow and tip, for two angles."""
    first, second = angles[0], angles[0] + angles[1]
    across = np.array([0.0, np.sin(first), np.sin(first) + np.sin(second)])
    up = np.array([0.0, -np.cos(first), -np.cos(first) - np.cos(second)])
    return across, up


def empty_stage(ax: Axes, color: str) -> tuple[Line2D, Line2D]:
    """The line which the tip must reach; the way of the tip and an arm, to be moved."""
    ax.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
    ax.axis("off")
    ax.axhline(1.0, color="#a98718", linestyle="--", linewidth=1.5)
    (way,) = ax.plot([], [], color=color, linewidth=1.5, alpha=0.45)
    (arm,) = ax.plot([], [], color=color, linewidth=6, marker="o", markersize=10)
    return way, arm


def film(swings: Sequence[Floats], titles: Sequence[str], path: Path) -> tuple[Path, Path]:
    """Film several swings beside each other, each tip with the way it has gone.

    One that is over stands still, and says so. The last one is drawn in blue, those before in grey.

    Returns:
        The paths of the film and of its poster.
    """
    fig = Figure(figsize=(2.8 * len(swings), 3.0))
    axes = [fig.add_subplot(1, len(swings), index + 1) for index in range(len(swings))]
    colors = [GREY] * (len(swings) - 1) + [BLUE]
    stages = [empty_stage(ax, color) for ax, color in zip(axes, colors, strict=True)]
    ways = [np.array([np.array(joints(pair))[:, 2] for pair in angles]) for angles in swings]
    longest = max(map(len, swings))

    def draw(frame: int) -> None:
        for ax, (line, arm), angles, way, title in zip(
            axes, stages, swings, ways, titles, strict=True
        ):
            at = min(frame, len(angles) - 1)
            line.set_data(*way[: at + 1].T)
            arm.set_data(*joints(angles[at]))
            up = way[at, 1] > 1.0
            ax.set_title(f"{title}: up after {at} steps" if up else f"{title}: step {at}")

    return animation_mp4(fig, draw, longest + 8, path, fps=12, dpi=80)
