"""Pictures of grid worlds: a value in each cell, an arrow for what the policy does there."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from rlcourse.support.plotting import INK, contrast
from rlcourse.support.tabular_worlds import MOVES

COLOR_MAP = "cividis"
"""From low to high; also without colour vision."""
ARROWS: dict[str, Any] = {
    "angles": "xy",
    "scale_units": "xy",
    "scale": 1,
    "width": 0.012,
    "minlength": 0.3,
    "facecolor": "white",
    "edgecolor": "black",
    "linewidth": 0.8,
}
"""White with a black rim: to be seen on any cell and on any page."""


def draw_grid_values(
    ax: Axes, values: ArrayLike, rows: Sequence[str], *, digits: int | None = 2
) -> None:
    """Colour each cell of a grid by its value; walls stay empty.

    Args:
        ax: where to draw.
        values: (S,) one for each cell, row after row.
        rows: the letters of the grid, as for ``gridworld``.
        digits: behind the point, in the numbers written into the cells; None writes none.

    Raises:
        ValueError: if there are not as many values as cells.
    """
    table = _as_table(values, rows)
    shown = [table[y, x] for y, row in enumerate(rows) for x, c in enumerate(row) if c != "#"]
    scale = mpl.colors.Normalize(min(shown), max(shown))
    for y, row in enumerate(rows):
        for x, letter in enumerate(row):
            if letter != "#":
                _cell(ax, x, y, table[y, x], scale, digits)
    _frame(ax, rows)


def draw_grid_policy(ax: Axes, policy: ArrayLike, rows: Sequence[str]) -> None:
    """Draw an arrow for each action in each free cell, as long as the action is probable.

    Args:
        ax: where to draw, alone or over ``draw_grid_values``.
        policy: (S, 4) probabilities of up, right, down, left.
        rows: the letters of the grid, as for ``gridworld``.

    Raises:
        ValueError: if the policy has not one row of four a cell.
    """
    table = np.asarray(policy, dtype=np.float64)
    cells = "".join(rows)
    if table.shape != (len(cells), 4):
        raise ValueError(f"policy must be {(len(cells), 4)} to fit the grid, got {table.shape}")
    free = [state for state, letter in enumerate(cells) if letter in "S."]
    for action, (down, right) in MOVES.items():
        length = 0.42 * table[free, action]
        y, x = np.divmod(free, len(rows[0]))
        ax.quiver(x, y, right * length, down * length, zorder=3, **ARROWS)
    _frame(ax, rows)


def _cell(
    ax: Axes, x: int, y: int, value: float, scale: mpl.colors.Normalize, digits: int | None
) -> None:
    color = mpl.colors.to_hex(mpl.colormaps[COLOR_MAP](scale(value)))
    ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor=INK, linewidth=1))
    if digits is not None:
        ink = max(("black", "white"), key=lambda c: contrast(c, color))
        ax.text(x, y + 0.38, f"{value:.{digits}f}", color=ink, ha="center", va="bottom", fontsize=9)


def _frame(ax: Axes, rows: Sequence[str]) -> None:
    ax.set_xlim(-0.5, len(rows[0]) - 0.5)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_aspect("equal")
    ax.set_axis_off()


def _as_table(values: ArrayLike, rows: Sequence[str]) -> NDArray[np.float64]:
    """(H, W)."""
    flat = np.asarray(values, dtype=np.float64)
    shape = (len(rows), len(rows[0]))
    if flat.shape != (shape[0] * shape[1],):
        raise ValueError(f"the grid has {shape[0] * shape[1]} cells, but values is {flat.shape}")
    return flat.reshape(shape)
