"""Numbers about runs: several seeds, an honest middle, an interval, a log file.

A learning curve is reported as the interquartile mean over seeds with a bootstrap interval
(Agarwal et al., 2021): the mean of three seeds alone says little.
"""

import csv
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Maps runs (S, ...) to one number (...) each, over the seeds."""


def mean(runs: ArrayLike) -> Floats:
    """(...) mean over the seeds of ``runs`` (S, ...)."""
    return np.asarray(np.asarray(runs, dtype=np.float64).mean(axis=0))


def interquartile_mean(runs: ArrayLike) -> Floats:
    """(...) mean over the middle half of the seeds of ``runs`` (S, ...).

    A quarter of the seeds, rounded down, is left out at each end: none of three, one of four.
    """
    ordered = np.sort(np.asarray(runs, dtype=np.float64), axis=0)
    cut = len(ordered) // 4
    return np.asarray(ordered[cut : len(ordered) - cut].mean(axis=0))


def bootstrap_interval(
    runs: ArrayLike,
    generator: torch.Generator,
    *,
    statistic: Statistic = interquartile_mean,
    level: float = 0.95,
    resamples: int = 1000,
) -> tuple[Floats, Floats]:
    """Where a statistic of the seeds would fall, had other seeds of the same kind been drawn.

    Args:
        runs: (S, ...) one row a seed.
        generator: decides which seeds are drawn again; advanced.
        statistic: of the rows.
        level: how much of the resampled statistics the interval holds.
        resamples: how often as many seeds are drawn with replacement.

    Returns:
        (...) lower and (...) upper end.

    Raises:
        ValueError: if there is no run, or ``level`` is no probability strictly inside (0, 1).
    """
    values = np.asarray(runs, dtype=np.float64)
    if not len(values):
        raise ValueError("there is no run to resample")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    drawn = torch.randint(len(values), (resamples, len(values)), generator=generator).numpy()
    statistics = np.stack([statistic(values[rows]) for rows in drawn])
    low, high = np.quantile(statistics, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(low), np.asarray(high)


def moving_average(values: ArrayLike, window: int) -> Floats:
    """(N,) mean of the last ``window`` values up to each; of as many as there are at the start.

    Raises:
        ValueError: if ``window`` is not positive.
    """
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    array = np.asarray(values, dtype=np.float64)
    sums = np.concatenate([[0.0], array.cumsum()])
    stop = np.arange(1, len(array) + 1)
    start = np.maximum(stop - window, 0)
    return np.asarray((sums[stop] - sums[start]) / (stop - start))


def on_grid(steps: ArrayLike, values: ArrayLike, grid: ArrayLike) -> Floats:
    """(P,) the last value known at each point of ``grid``; NaN before the first.

    Brings runs that report at different steps to common ones, without inventing values between.

    Args:
        steps: (N,) increasing steps at which values became known.
        values: (N,).
        grid: (P,).

    Raises:
        ValueError: if ``steps`` decrease somewhere.
    """
    at, known = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if (np.diff(at) < 0).any():
        raise ValueError("steps must increase")
    index = at.searchsorted(np.asarray(grid, dtype=np.float64), side="right")
    return np.asarray(np.concatenate([[math.nan], known])[index])


class CSVLogger:
    """Writes each row of numbers to a file at once, so that an interrupted run keeps its log.

    Use it in a ``with`` statement. The first row decides the columns.

    Args:
        path: of the file; its folder is made if need be, an old file is replaced.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: TextIO | None = None
        self._writer: csv.DictWriter[str] | None = None

    def __enter__(self) -> "CSVLogger":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("w", newline="", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a row.

        Raises:
            RuntimeError: outside the ``with`` statement.
            ValueError: if the columns are not those of the first row.
        """
        if self._file is None:
            raise RuntimeError("use the logger in a with statement: with CSVLogger(path) as log")
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(row))
            self._writer.writeheader()
        if list(row) != list(self._writer.fieldnames):
            raise ValueError(f"columns must be {list(self._writer.fieldnames)}, got {list(row)}")
        self._writer.writerow({name: _plain(value) for name, value in row.items()})
        self._file.flush()


def read_csv(path: str | Path) -> dict[str, Floats]:
    """The columns of a file that ``CSVLogger`` wrote, by name."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0]) if rows else []
    return {name: np.array([float(row[name]) for row in rows]) for name in names}


def _plain(value: Any) -> Any:
    """A Python number from a tensor or array of one element."""
    return value.item() if hasattr(value, "item") else value
