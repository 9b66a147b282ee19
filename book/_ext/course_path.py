"""The ``course-path`` directive: the way through the course, wide for desks, tall for phones."""

from dataclasses import dataclass
from html import escape
from itertools import pairwise

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tags import make_tag

from rlcourse.chapters import CHAPTERS


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop on the way."""

    number: int
    """The chapter's number."""
    label: str
    """Its idea; a line break where the wide picture breaks it."""

    @property
    def name(self) -> str:
        """Its idea on one line."""
        return self.label.replace("\n", " ")


STOPS = (
    Stop(1, "Language\nmodels"),
    Stop(2, "Policy\ngradient"),
    Stop(3, "Variance and\nbaselines"),
    Stop(4, "Value\nfunctions"),
    Stop(5, "Q-learning\nand DQN"),
    Stop(6, "Advantage,\nactor–critic"),
    Stop(7, "Off-policy\nand KL"),
    Stop(8, "PPO"),
    Stop(9, "A language model\nas a policy"),
    Stop(10, "Reward models\nfrom people"),
    Stop(11, "InstructGPT"),
    Stop(12, "GPT-2\non a GPU"),
    Stop(13, "What came\nafter"),
)
COLUMNS, STEP, ROW, TALL = 4, 190, 130, 52
DESCRIPTION = "The path of the course, one stop a chapter: "


def wide_points() -> list[tuple[int, int]]:
    """Centres of the stops on a way that turns back at the end of each row."""
    points = []
    for index in range(len(STOPS)):
        row, column = divmod(index, COLUMNS)
        points.append(
            (STEP // 2 + STEP * (column if row % 2 == 0 else COLUMNS - 1 - column), 36 + ROW * row)
        )
    return points


def tall_points() -> list[tuple[int, int]]:
    """Centres of the stops on a way that runs straight down."""
    return [(32, 32 + TALL * index) for index in range(len(STOPS))]


def wide_line(points: list[tuple[int, int]]) -> str:
    """The way itself: straight along a row, an arc down to the next one."""
    steps = [f"M{points[0][0]} {points[0][1]}"]
    for (_, y), (next_x, next_y) in pairwise(points):
        turn = 1 if next_x > STEP * COLUMNS / 2 else 0
        half = ROW // 2
        steps.append(
            f"L{next_x} {next_y}" if y == next_y else f"A{half} {half} 0 0 {turn} {next_x} {next_y}"
        )
    return " ".join(steps)


def stop_drawing(stop: Stop, x: int, y: int, wide: bool) -> str:
    """A numbered disc, filled when the chapter is there, and its idea below or beside it."""
    state = "ready" if stop.number in {chapter.number for chapter in CHAPTERS} else "planned"
    number = f'<text class="number" x="{x}" y="{y + 6}">{stop.number}</text>'
    disc = f'<circle cx="{x}" cy="{y}" r="21"/>{number}'
    if wide:
        lines = enumerate(stop.label.splitlines())
        label = "".join(
            f'<text x="{x}" y="{y + 44 + 21 * row}">{escape(line)}</text>' for row, line in lines
        )
    else:
        label = f'<text class="beside" x="{x + 36}" y="{y + 6}">{escape(stop.name)}</text>'
    return f'<g class="{state}">{disc}{label}</g>'


def drawing(wide: bool) -> str:
    """The whole picture as SVG text."""
    points = wide_points() if wide else tall_points()
    line = wide_line(points) if wide else f"M{points[0][0]} {points[0][1]} V{points[-1][1]}"
    width = STEP * COLUMNS if wide else 320
    height = points[-1][1] + (76 if wide else 34)
    names = ", ".join(f"{stop.number} {stop.name}" for stop in STOPS)
    stops = "".join(
        stop_drawing(stop, x, y, wide) for stop, (x, y) in zip(STOPS, points, strict=True)
    )
    shape = "wide" if wide else "tall"
    return (
        f'<svg class="course-path {shape}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(DESCRIPTION + names)}"><path class="way" d="{line}"/>{stops}</svg>'
    )


class CoursePath(SphinxDirective):
    """The picture in both shapes; the style sheet shows the one that fits."""

    def run(self) -> list[nodes.Node]:
        shapes = nodes.raw("", drawing(wide=True) + drawing(wide=False), format="html")
        legend = "One stop is one chapter; the last is an epilogue."
        caption = make_tag("figcaption", {}, nodes.Text(legend))
        return [make_tag("figure", {"class": "drawing"}, shapes, caption)]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("course-path", CoursePath)
