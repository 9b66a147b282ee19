"""Drawings of chapter 2: the triangle of policies over three actions, the letters of a grid."""

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from rlcourse.support.plotting import INK

CORNERS = torch.tensor([[0.0, 1.0], [-(3**0.5) / 2, -0.5], [3**0.5 / 2, -0.5]]).double()
"""Where the three sure choices lie: at the top, on the left, on the right."""


def to_triangle(vectors: Tensor) -> Tensor:
    """(..., 2) place of a policy (..., 3), or direction of a vector (..., 3) that sums to 0."""
    return vectors.double() @ CORNERS


def draw_triangle(ax: Axes, labels: Sequence[str]) -> None:
    """The triangle of all policies over three actions; each corner is a sure choice."""
    outline = torch.cat([CORNERS, CORNERS[:1]])
    ax.plot(outline[:, 0], outline[:, 1], color=INK, linewidth=1.2)
    for (x, y), label in zip(CORNERS.tolist(), labels, strict=True):
        ax.text(x, y + (0.2 if y > 0 else -0.24), label, ha="center", va="center")
    ax.margins(x=0.15)
    ax.set_aspect("equal")
    ax.set_axis_off()


def draw_arrow(ax: Axes, start: Tensor, vector: Tensor, **style: Any) -> None:
    """An arrow from a policy (3,) along a direction (3,) in the triangle."""
    tail = to_triangle(start)
    head = tail + to_triangle(vector)
    arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 13} | style
    ax.annotate("", xy=tuple(head.tolist()), xytext=tuple(tail.tolist()), arrowprops=arrow)


def draw_grid_letters(ax: Axes, rows: Sequence[str]) -> None:
    """The cells of a grid, drawn as ``gridworld`` takes it: walls dark, ends tinted."""
    for y, row in enumerate(rows):
        for x, letter in enumerate(row):
            shade = {"#": 0.7, ".": 0.0, "S": 0.0}.get(letter, 0.2)
            cell = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=INK, alpha=shade, linewidth=0)
            edge = Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1)
            ax.add_patch(cell)
            ax.add_patch(edge)
            if letter not in ".#":
                place = (x - 0.36, y - 0.34) if letter == "S" else (x, y)
                ax.text(place[0], place[1], letter, ha="center", va="center", fontweight="bold")
