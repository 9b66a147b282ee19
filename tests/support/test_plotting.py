"""Figures: to be read on white and on near-black, with the numbers they were given."""

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.quiver import Quiver

from rlcourse.support import metrics, plotting
from rlcourse.support.animation import animation_mp4
from rlcourse.support.plotting_grids import draw_grid_policy, draw_grid_values
from rlcourse.support.seeding import make_generator, no_global_rng

PAGES = {"white": "#ffffff", "dark": "#14191d"}
GRID = ("S.", "#G")


@pytest.fixture(autouse=True)
def _leave_no_figure() -> Iterator[None]:
    with mpl.rc_context():
        yield
    plt.close("all")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("color", [*plotting.COLORS, plotting.INK])
def test_every_colour_can_be_read_on_both_pages(color: str, page: str) -> None:
    assert plotting.contrast(color, PAGES[page]) >= 3.0


def test_contrast_is_the_standards() -> None:
    assert plotting.contrast("white", "black") == pytest.approx(21.0)
    assert plotting.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert plotting.contrast("#123456", "#123456") == 1.0


def as_seen_without_green(color: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Linear RGB as a deuteranope sees it (Machado et al., 2009, severity 1)."""
    matrix = np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    )
    rgb = np.array(to_rgb(color))
    seen = np.clip(
        matrix @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4), 0, 1
    )
    return np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)


def test_the_first_colours_differ_also_without_green() -> None:
    first = [as_seen_without_green(color) for color in plotting.COLORS[:3]]
    gaps = [np.abs(a - b).max() for i, a in enumerate(first) for b in first[:i]]
    assert min(gaps) > 0.1


def test_nothing_is_filled_behind_the_axes_and_text_is_ink() -> None:
    fig, ax = plotting.figure(3, 2)
    ax.set_title("title")
    note = ax.text(0.5, 0.5, "note")
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png")
    buffer.seek(0)
    picture = plt.imread(buffer)
    assert picture[0, 0, 3] == 0 and (picture[..., 3] == 0).mean() > 0.8
    for text in (note, ax.title, ax.xaxis.label, *ax.get_xticklabels()):
        assert text.get_color() == plotting.INK


def test_the_same_figure_gives_the_same_svg() -> None:
    def svg() -> bytes:
        fig, ax = plotting.figure(3, 2)
        ax.plot([1, 2, 1])
        buffer = io.BytesIO()
        fig.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()

    assert svg() == svg()


def test_panels_come_row_after_row() -> None:
    fig, axes = plotting.panels(2, 3, 6, 4)
    assert len(axes) == 6
    fig.canvas.draw()
    tops = [ax.get_position().y1 for ax in axes]
    assert tops[0] == pytest.approx(tops[2]) and tops[0] > tops[3]


def test_learning_curves_show_the_middle_and_its_interval() -> None:
    _, ax = plotting.figure()
    runs = np.array([[0.0, 1.0], [2.0, 5.0], [4.0, 9.0], [90.0, 11.0]])
    with no_global_rng():
        line = plotting.learning_curves(ax, [10, 20], runs, "name", make_generator(0))
    assert line.get_ydata().tolist() == metrics.interquartile_mean(runs).tolist() == [3.0, 7.0]
    assert line.get_xdata().tolist() == [10, 20] and line.get_label() == "name"
    low, high = metrics.bootstrap_interval(runs, make_generator(0))
    (band,) = ax.collections
    corners = {(x, y) for x, y in band.get_paths()[0].vertices.tolist()}
    assert {(10.0, low[0]), (10.0, high[0]), (20.0, low[1]), (20.0, high[1])} <= corners
    assert to_rgb(band.get_facecolor()[0][:3]) == to_rgb(str(line.get_color()))
    assert band.get_facecolor()[0][3] < 0.5
    with pytest.raises(ValueError, match="seeds, 3"):
        plotting.learning_curves(ax, [1, 2, 3], runs, "name", make_generator(0))


def test_names_stand_at_the_ends_of_their_lines_and_apart() -> None:
    _, ax = plotting.figure()
    for name, end in (("low", 0.0), ("twin", 0.01), ("high", 1.0)):
        ax.plot([0, 1], [0.5, end], label=name)
    ax.plot([0, 1], [0, 1])
    plotting.label_lines(ax)
    names = {text.get_text(): text for text in ax.texts}
    assert set(names) == {"low", "twin", "high"}
    heights = {name: text.xy[1] for name, text in names.items()}  # type: ignore[attr-defined]
    assert heights["twin"] - heights["low"] >= 0.074
    end = ax.transAxes.inverted().transform(ax.transData.transform((1.0, 1.0)))
    assert heights["high"] == pytest.approx(end[1]) and names["high"].xy[0] == pytest.approx(end[0])  # type: ignore[attr-defined]
    assert [names["low"].get_color(), names["twin"].get_color()] == list(plotting.COLORS[:2])


def test_names_of_curves_that_stop_early_or_miss_values() -> None:
    _, ax = plotting.figure()
    ax.plot([0, 1, 2], [0.0, 1.0, np.nan], label="diverged")
    ax.plot([0, 2], [0.0, 0.0], label="whole")
    plotting.label_lines(ax)
    diverged = next(text for text in ax.texts if text.get_text() == "diverged")
    data = ax.transData.inverted().transform(ax.transAxes.transform(diverged.xy))  # type: ignore[attr-defined]
    assert data.tolist() == pytest.approx([1.0, 1.0])


def test_arrows_point_where_the_gradients_do() -> None:
    _, ax = plotting.figure()
    samples = np.array([[1.0, 0.0], [0.0, 3.0]])
    plotting.gradient_arrows(ax, [5.0, 5.0], samples, [0.5, 1.0], scale=2.0)
    many, mean, exact = (c for c in ax.collections if isinstance(c, Quiver))
    assert np.column_stack([many.U, many.V]).tolist() == (2 * samples).tolist()
    assert [mean.U.tolist(), mean.V.tolist()] == [[1.0], [3.0]]
    assert [exact.U.tolist(), exact.V.tolist()] == [[1.0], [2.0]]
    assert ax.get_xlim()[1] >= 7.0 and ax.get_ylim()[1] >= 11.0 and ax.get_xlim()[0] <= 5.0


def test_grid_values_are_written_in_their_cells_and_can_be_read() -> None:
    _, ax = plotting.figure()
    draw_grid_values(ax, [0.0, 0.5, 99.0, 1.0], GRID, digits=1)
    assert {t.get_text(): t.get_position()[0] for t in ax.texts} == {"0.0": 0, "0.5": 1, "1.0": 1}
    assert len(ax.patches) == 3
    for text, cell in zip(ax.texts, ax.patches, strict=True):
        color = mpl.colors.to_hex(cell.get_facecolor())
        assert plotting.contrast(str(text.get_color()), color) >= 4.5
    # the wall's value sets no colour: the largest visible one has the brightest cell
    brightest = mpl.colormaps["cividis"](1.0)
    assert ax.patches[-1].get_facecolor() == pytest.approx(brightest, abs=0.01)
    with pytest.raises(ValueError, match="4 cells"):
        draw_grid_values(ax, [1.0, 2.0], GRID)


def test_grid_arrows_point_in_the_direction_of_the_action() -> None:
    _, ax = plotting.figure()
    policy = np.tile([0.1, 0.2, 0.3, 0.4], (4, 1))
    draw_grid_policy(ax, policy, GRID)
    up, right, down, left = (c for c in ax.collections if isinstance(c, Quiver))
    assert ax.yaxis_inverted()  # rows go down the page, so up is negative
    assert (up.V < 0).all() and (down.V > 0).all() and (left.U < 0).all() and (right.U > 0).all()
    assert left.U[0] == pytest.approx(-2 * right.U[0])
    assert up.XY.tolist() == [[0, 0], [1, 0]]  # the two free cells
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        draw_grid_policy(ax, policy[:2], GRID)


def test_a_film_has_its_frames_and_a_poster(tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    fig, ax = plotting.figure(2.03, 1.51)
    ax.set_axis_off()

    def draw(frame: int) -> None:
        ax.clear()
        ax.axvspan(0, 1, color="black" if frame == 2 else "red")

    film, poster = animation_mp4(fig, draw, 3, tmp_path / "film.mp4", fps=5, dpi=100)
    decode = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(film), "-f", "rawvideo"]
    raw = subprocess.run([*decode, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    assert plt.imread(poster).shape[:2] == (144, 208)  # 151 x 203, in multiples of 16
    frames = np.frombuffer(raw.stdout, np.uint8).reshape(-1, 144, 208, 3)
    assert len(frames) == 3
    middle = [frame[72, 104].astype(int).tolist() for frame in frames]
    assert middle[0][0] > 200 > 60 > middle[0][1] and max(middle[2]) < 60
    assert min(frames[0][1, 1]) > 240  # the page is filled: films know no transparency
    assert plt.imread(poster)[72, 104, :3].max() < 0.2


def test_films_that_cannot_be_are_refused(tmp_path: Path) -> None:
    fig, _ = plotting.figure()
    for path, frames in ((tmp_path / "film.gif", 2), (tmp_path / "film.mp4", 0)):
        with pytest.raises(ValueError, match=r"\.mp4"):
            animation_mp4(fig, lambda frame: None, frames, path)


def test_the_style_holds_from_then_on() -> None:
    mpl.rcParams["axes.edgecolor"] = "black"
    plotting.set_style()
    assert mpl.rcParams["axes.edgecolor"] == plotting.INK
    _, ax = plt.subplots()
    assert ax.spines["left"].get_edgecolor()[:3] == pytest.approx(to_rgb(plotting.INK))
    assert not ax.spines["top"].get_visible()
