"""Figures that can be read on a white page and on a dark one.

Nothing is filled behind the axes, and every colour keeps a contrast of at least 3 to 1 with white
and with near-black; so one file serves both themes. Lines carry their name at their end.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from cycler import cycler
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from rlcourse.support.metrics import Statistic, bootstrap_interval, interquartile_mean

BLUE, ORANGE, GREEN, VIOLET, GOLD, PINK = COLORS = (
    "#3b82c4",
    "#d9622b",
    "#2f9e6e",
    "#8467d7",
    "#a98718",
    "#c2559d",
)
"""Colours of lines, in the order in which they are used."""
INK = "#748089"
"""Colour of text, axes and ticks."""

STYLE: Any = {
    "figure.facecolor": "none",
    "figure.figsize": (7.0, 3.6),
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "none",
    "savefig.transparent": True,
    "savefig.bbox": "tight",
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLORS),
    "text.color": INK,
    "font.size": 11,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "rlcourse",
}


def set_style() -> None:
    """Use this style for every figure from here on; in a notebook, show figures as SVG."""
    mpl.rcParams.update(STYLE)
    try:
        import IPython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # outside a notebook
        return
    if IPython.get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None})  # type: ignore[no-untyped-call]


def figure(width: float = 7.0, height: float = 3.6) -> tuple[Figure, Axes]:
    """One set of axes in this style, which is set; ``width`` and ``height`` in inches."""
    fig, axes = panels(1, 1, width, height)
    return fig, axes[0]


def panels(
    rows: int, columns: int, width: float = 7.0, height: float = 3.6, **kwargs: Any
) -> tuple[Figure, list[Axes]]:
    """Several axes in this style, which is set; row after row.

    Args:
        rows: of axes.
        columns: of axes.
        width: of the whole figure, in inches.
        height: of the whole figure, in inches.
        kwargs: for ``matplotlib.pyplot.subplots``, such as ``sharey=True``.
    """
    mpl.rcParams.update(STYLE)
    fig, grid = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **kwargs)
    return fig, list(grid.flat)


def learning_curves(
    ax: Axes,
    steps: ArrayLike,
    runs: ArrayLike,
    label: str,
    generator: torch.Generator,
    *,
    color: str | None = None,
    statistic: Statistic = interquartile_mean,
    level: float = 0.95,
) -> Line2D:
    """Draw the middle of several seeds as a line and its bootstrap interval as a band.

    Args:
        ax: where to draw.
        steps: (P,) horizontal positions.
        runs: (S, P) one row a seed.
        label: name of the line; ``label_lines`` writes it.
        generator: for the bootstrap; advanced.
        color: of line and band; the next of ``COLORS`` by default.
        statistic: the middle, over seeds.
        level: of the interval.

    Raises:
        ValueError: if ``runs`` is not (S, P).
    """
    at, values = np.asarray(steps, dtype=np.float64), np.asarray(runs, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(at):
        raise ValueError(f"runs must be (seeds, {len(at)}) to fit steps, got {values.shape}")
    low, high = bootstrap_interval(values, generator, statistic=statistic, level=level)
    (line,) = ax.plot(at, statistic(values), label=label, color=color)
    ax.fill_between(at, low, high, color=line.get_color(), alpha=0.22, linewidth=0)
    return line


def label_lines(ax: Axes, gap: float = 0.075) -> None:
    """Write each labelled line's name at its right end, in its colour, instead of a legend.

    Names that would overlap are pushed apart. Call it when all is drawn and the limits are final.

    Args:
        ax: whose lines to name.
        gap: smallest distance between two names, as a fraction of the height of the axes.
    """
    lines = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    if not lines:
        return
    ax.get_xlim(), ax.get_ylim()  # settles limits that are still to be computed
    ends = [_last_point(ax, line) for line in lines]
    heights = _spread([y for _, y in ends], gap)
    for line, (x, _), height in zip(lines, ends, heights, strict=True):
        ax.annotate(
            str(line.get_label()),
            (x, height),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            color=line.get_color(),
            va="center",
            annotation_clip=False,
        )


def gradient_arrows(
    ax: Axes, origin: ArrayLike, samples: ArrayLike, exact: ArrayLike, scale: float = 1.0
) -> None:
    """Draw sampled gradients as thin arrows from ``origin``, their mean and the exact one as thick.

    Args:
        ax: where to draw; both axes get the same scale.
        origin: (2,) the parameters.
        samples: (N, 2) gradients.
        exact: (2,) the gradient they estimate.
        scale: length of an arrow for a gradient of length 1.
    """
    start, many = np.asarray(origin, dtype=np.float64), np.asarray(samples, dtype=np.float64)
    _arrows(ax, start, scale * many, BLUE, width=0.003, alpha=0.5)
    mean = many.mean(axis=0, keepdims=True)
    _arrows(ax, start, scale * mean, BLUE, width=0.009, label="mean of the samples")
    truth = np.asarray(exact, dtype=np.float64)[None]
    _arrows(ax, start, scale * truth, ORANGE, width=0.006, label="exact")
    tips = start + scale * np.concatenate([many, mean, truth])
    ax.update_datalim(np.concatenate([tips, start[None]]))
    ax.set_aspect("equal", adjustable="datalim")
    ax.autoscale_view()


def contrast(color: str, background: str) -> float:
    """Contrast ratio of two colours, from 1 to 21 (WCAG 2.2)."""
    lights = sorted(_luminance(c) for c in (color, background))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(color: str) -> float:
    channels = np.array(mpl.colors.to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


def _last_point(ax: Axes, line: Line2D) -> tuple[float, float]:
    """The last finite point of a line, in fractions of the axes."""
    data = np.column_stack([line.get_xdata(), line.get_ydata()]).astype(np.float64)
    finite = data[np.isfinite(data).all(axis=1)]
    x, y = ax.transAxes.inverted().transform(ax.transData.transform(finite[-1]))
    return float(x), float(y)


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """The heights, moved as little as their order allows, with at least ``gap`` between two."""
    order = np.argsort(heights, kind="stable")
    placed = np.array(heights, dtype=np.float64)[order]
    for _ in range(200):
        shortage = gap - np.diff(placed)
        if (shortage <= 1e-9).all():
            break
        push = np.maximum(shortage, 0.0) / 2
        placed[1:] += push
        placed[:-1] -= push
    result = np.empty_like(placed)
    result[order] = placed
    return [float(height) for height in result]


def _arrows(
    ax: Axes, start: NDArray[Any], vectors: NDArray[Any], color: str, **kwargs: Any
) -> None:
    xy = np.broadcast_to(start, vectors.shape)
    ax.quiver(
        *xy.T, *vectors.T, angles="xy", scale_units="xy", scale=1, color=color, zorder=2, **kwargs
    )
