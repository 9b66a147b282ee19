"""Short films for the pages: a drawing that changes, as mp4 with a still picture in front."""

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray

MACRO_BLOCK = 16
"""Players want widths and heights in multiples of so many pixels."""


def animation_mp4(
    fig: Figure,
    draw: Callable[[int], None],
    frames: int,
    path: str | Path,
    *,
    fps: int = 20,
    dpi: int = 120,
    background: str = "white",
) -> tuple[Path, Path]:
    """Film a figure.

    Args:
        fig: its size is rounded to what players can show; its background is filled, since mp4 knows
            no transparency.
        draw: changes the figure to show frame 0, 1, ...
        frames: how many.
        path: of the film, ending in ``.mp4``.
        fps: frames a second.
        dpi: pixels an inch.
        background: colour behind the axes.

    Returns:
        The paths of the film and of its poster, the last frame as PNG beside it.

    Raises:
        ValueError: if there are no frames, or the path has another ending.
        ImportError: if imageio-ffmpeg, which brings the encoder, is not installed.
    """
    film = Path(path)
    if film.suffix != ".mp4" or frames < 1:
        raise ValueError(f"a film needs a path ending in .mp4 and a frame, got {film} and {frames}")
    pixels = [max(1, round(inches * dpi / MACRO_BLOCK)) * MACRO_BLOCK for inches in _size(fig)]
    fig.set_size_inches(pixels[0] / dpi, pixels[1] / dpi)
    fig.set_dpi(dpi)
    fig.set_facecolor(background)
    canvas = FigureCanvasAgg(fig)
    _encode(film, canvas, draw, frames, fps)
    poster = film.with_suffix(".png")
    imsave(poster, _pixels(canvas))
    return film, poster


def video_html(movie: Path, poster: Path, label: str) -> str:
    """A player that holds the film itself, so that the page needs no second file.

    Args:
        movie: the mp4.
        poster: the picture that stands until it is played.
        label: what the film shows, for those who cannot see it.
    """
    sources = [base64.b64encode(path.read_bytes()).decode() for path in (movie, poster)]
    return (
        f'<video controls muted playsinline preload="none" style="max-width: 100%; height: auto" '
        f'aria-label="{label}" poster="data:image/png;base64,{sources[1]}">'
        f'<source src="data:video/mp4;base64,{sources[0]}" type="video/mp4">{label}</video>'
    )


def _encode(
    film: Path, canvas: FigureCanvasAgg, draw: Callable[[int], None], frames: int, fps: int
) -> None:
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError("films need an encoder: pip install imageio-ffmpeg") from error
    size = canvas.get_width_height(physical=True)
    writer = imageio_ffmpeg.write_frames(
        str(film), size, fps=fps, macro_block_size=MACRO_BLOCK, codec="libx264", quality=7
    )
    writer.send(None)
    try:
        for frame in range(frames):
            draw(frame)
            writer.send(_pixels(canvas))
    finally:
        writer.close()


def _pixels(canvas: FigureCanvasAgg) -> NDArray[np.uint8]:
    """(height, width, 3) the figure as it is now."""
    canvas.draw()  # type: ignore[no-untyped-call]
    rgba = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(rgba[:, :, :3])


def _size(fig: Figure) -> tuple[float, float]:
    width, height = fig.get_size_inches()
    return float(width), float(height)
