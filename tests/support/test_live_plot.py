"""Curves that redraw themselves: when, with what, and that nothing happens where nobody looks."""

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

from rlcourse.support.live_plot import LivePlot, notebook_cell

mpl.use("agg")


class Cell:
    """Keeps the curves of each drawing, as a notebook's output would."""

    def __init__(self):
        self.drawings = []

    def __call__(self, drawn):
        shown = [ax for ax in drawn.axes if ax.get_visible()]
        self.drawings.append(
            {ax.get_title(loc="left"): list(ax.lines[0].get_ydata()) for ax in shown}
        )


def test_it_draws_every_so_many_steps_all_that_came_so_far():
    cell = Cell()
    plot = LivePlot(("score", "approx_kl"), every=2, show=cell)
    for step in range(5):
        plot.add({"score": step, "approx_kl": -step, "loss": 7})
    assert cell.drawings == [
        {"score": [0, 1], "approx kl": [0, -1]},
        {"score": [0, 1, 2, 3], "approx kl": [0, -1, -2, -3]},
    ]
    plot.redraw()
    assert cell.drawings[-1]["score"] == [0, 1, 2, 3, 4]


def test_no_figure_stays_open():
    plt.close("all")
    plot = LivePlot(("score", "kl", "length", "entropy"), every=1, show=Cell())
    for step in range(3):
        plot.add(dict.fromkeys(plot.columns, float(step)))
    assert plt.get_fignums() == []


def test_outside_a_notebook_nothing_happens():
    assert notebook_cell() is None
    plot = LivePlot(("score",), every=1)
    plot.add({"score": 1.0})
    plot.redraw()
    assert plot.rows == [{"score": 1.0}] and plt.get_fignums() == []


def test_in_a_notebook_one_output_is_replaced(monkeypatch):
    import IPython
    import IPython.display

    calls = []

    class Handle:
        def update(self, drawn):
            calls.append("update")

    def display(drawn, display_id):
        calls.append("display")
        return Handle()

    shell = type("Shell", (), {"kernel": object()})()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(IPython.display, "display", display)
    plot = LivePlot(("score",), every=1)
    for step in range(3):
        plot.add({"score": step})
    assert calls == ["display", "update", "update"]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="name a column"):
        LivePlot(())
    with pytest.raises(ValueError, match="every >= 1"):
        LivePlot(("score",), every=0)
    with pytest.raises(KeyError):
        LivePlot(("score",)).add({"kl": 1.0})
