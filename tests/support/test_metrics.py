"""Statistics over seeds, curves on a grid, the log file, the progress line."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlcourse.support import metrics
from rlcourse.support.progress import Progress, format_diagnostics
from rlcourse.support.seeding import make_generator, no_global_rng


def test_the_interquartile_mean_ignores_a_quarter_at_each_end() -> None:
    assert metrics.interquartile_mean([1.0, 2.0, 3.0, 1e9]) == 2.5
    assert metrics.interquartile_mean([-1e9, 1.0, 2.0, 6.0, 5.0, 4.0, 3.0, 1e9]) == 3.5
    assert metrics.interquartile_mean([1.0, 2.0, 6.0]) == 3.0
    columns = metrics.interquartile_mean([[1.0, 9.0], [3.0, 0.0], [2.0, 1.0], [100.0, 2.0]])
    assert columns.tolist() == [2.5, 1.5]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12), st.floats(-5, 5))
def test_middles_lie_inside_and_move_along(values: list[float], shift: float) -> None:
    for statistic in (metrics.mean, metrics.interquartile_mean):
        middle = float(statistic(values))
        assert min(values) - 1e-9 <= middle <= max(values) + 1e-9
        moved = float(statistic([value + shift for value in values]))
        assert moved == pytest.approx(middle + shift, abs=1e-9)


def test_the_bootstrap_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = torch.randn(400, generator=make_generator(0), dtype=torch.float64).numpy()
    with no_global_rng():
        low, high = metrics.bootstrap_interval(
            values, make_generator(1), statistic=metrics.mean, level=0.9, resamples=4000
        )
    error = values.std() / math.sqrt(400)
    assert low == pytest.approx(values.mean() - 1.645 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.645 * error, abs=0.1 * error)


def test_the_bootstrap_keeps_seeds_whole_and_repeats() -> None:
    curve = np.arange(4.0)
    runs = np.stack([curve + offset for offset in (0.0, 1.0, 5.0, 6.0, 7.0)])
    low, high = metrics.bootstrap_interval(runs, make_generator(0))
    assert low.shape == high.shape == (4,)
    np.testing.assert_allclose(np.diff(low), 1.0)  # rows are drawn whole: all points move alike
    assert (low < high).all()
    again, _ = metrics.bootstrap_interval(runs, make_generator(0))
    assert np.array_equal(low, again)
    wide, _ = metrics.bootstrap_interval(runs, make_generator(0), level=0.99)
    assert (wide <= low).all()


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="no run"):
        metrics.bootstrap_interval([], make_generator(0))
    for level in (0.0, 1.0, 95):
        with pytest.raises(ValueError, match="level"):
            metrics.bootstrap_interval([1.0], make_generator(0), level=level)
    with pytest.raises(ValueError, match="window"):
        metrics.moving_average([1.0], 0)
    with pytest.raises(ValueError, match="increase"):
        metrics.on_grid([2, 1], [0, 0], [1])


@given(st.lists(st.floats(-10, 10), max_size=15), st.integers(1, 6))
def test_the_moving_average_by_a_loop(values: list[float], window: int) -> None:
    expected = [
        sum(values[max(0, i + 1 - window) : i + 1]) / min(window, i + 1) for i in range(len(values))
    ]
    np.testing.assert_allclose(metrics.moving_average(values, window), expected, atol=1e-10)


def test_curves_on_a_common_grid_hold_the_last_known_value() -> None:
    curve = metrics.on_grid([10, 20, 20, 40], [1.0, 2.0, 3.0, 4.0], [5, 10, 19, 20, 39, 99])
    np.testing.assert_equal(curve, [np.nan, 1.0, 1.0, 3.0, 3.0, 4.0])


def test_a_log_is_read_back_and_is_there_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "log.csv"
    with metrics.CSVLogger(path) as log:
        log.write({"step": 1, "return": torch.tensor(2.5)})
        assert metrics.read_csv(path)["return"].tolist() == [2.5]
        log.write({"step": 2, "return": np.float32(0.1)})
        with pytest.raises(ValueError, match="columns must be"):
            log.write({"step": 3, "reward": 1.0})
    columns = metrics.read_csv(path)
    assert list(columns) == ["step", "return"]
    assert columns["step"].tolist() == [1, 2]
    assert columns["return"].tolist() == [2.5, float(np.float32(0.1))]
    with pytest.raises(RuntimeError, match="with statement"):
        log.write({"step": 3, "return": 1.0})


def test_diagnostics_come_in_the_usual_order() -> None:
    line = format_diagnostics({"mine": 1, "kl": torch.tensor(0.01234), "return": 195.0})
    assert line == "return=195 kl=0.0123 mine=1"


def test_progress_goes_through_all_and_can_be_silent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for item in (progress := Progress("abc", "learning", quiet=False)):
        progress.report(kl=0.5)
        seen.append(item)
    assert seen == ["a", "b", "c"]
    assert "learning" in capsys.readouterr().err
    monkeypatch.setenv("RLCOURSE_PROGRESS", "0")
    assert list(Progress(range(3))) == [0, 1, 2]
    assert capsys.readouterr().err == ""
