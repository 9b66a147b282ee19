"""Curves of a run that redraw themselves in a notebook while it trains."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from rlcourse.support.plotting import BLUE, panels

Show = Callable[[Figure], None]
"""Puts a figure in the place of the one before."""
WIDEST = 3
"""Panels side by side at most."""


class LivePlot:
    """One panel for each chosen column; ``add`` a row of numbers after each step.

    Outside a notebook nothing is drawn, and nothing goes wrong.

    Args:
        columns: names to draw; a row may have more.
        every: steps from one drawing to the next, at least 1.
        show: where drawings go; by default the output of the notebook's cell, if there is a notebook.

    Raises:
        ValueError: if there is nothing to draw, or ``every`` is less than 1.
    """

    def __init__(self, columns: Sequence[str], every: int = 5, show: Show | None = None) -> None:
        if not columns or every < 1:
            raise ValueError(f"name a column at least, and every >= 1; got {columns}, {every}")
        self.columns, self.every = list(columns), every
        self.rows: list[dict[str, float]] = []
        self._show = show or notebook_cell()

    def add(self, row: Mapping[str, float]) -> None:
        """Keep the numbers of a step, and draw if it is time to.

        Raises:
            KeyError: if a column is missing.
        """
        self.rows.append({name: float(row[name]) for name in self.columns})
        if len(self.rows) % self.every == 0:
            self.redraw()

    def redraw(self) -> None:
        """Draw all rows so far, for instance those that came after the last drawing."""
        if self._show is None or not self.rows:
            return
        drawn = self.figure()
        self._show(drawn)
        plt.close(drawn)

    def figure(self) -> Figure:
        """The curves so far."""
        across = min(WIDEST, len(self.columns))
        down = -(-len(self.columns) // across)
        drawn, axes = panels(down, across, 3.2 * across, 2.2 * down, sharex=True)
        steps = range(1, len(self.rows) + 1)
        for ax, name in zip(axes, self.columns, strict=False):
            ax.plot(steps, [row[name] for row in self.rows], color=BLUE)
            ax.set_title(name.replace("_", " "), fontsize=10)
        for ax in axes[len(self.columns) :]:
            ax.set_visible(False)
        return drawn


def notebook_cell() -> Show | None:
    """Replaces one output of the present cell again and again; None where no notebook runs."""
    try:
        from IPython import display as cell
        from IPython import get_ipython
    except ImportError:
        return None
    shell: Any = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display: Any = cell.display
    shown = list[Any]()

    def show(drawn: Figure) -> None:
        if shown:
            shown[0].update(drawn)
        else:
            shown.append(display(drawn, display_id=True))

    return show
