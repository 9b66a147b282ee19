"""The ``drawing`` directive: an SVG file inside the page, in the colours of the theme."""

from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import OptionSpec
from tags import make_tag

SVG = "http://www.w3.org/2000/svg"


def inline_svg(file: Path, description: str) -> nodes.Node:
    """The drawing of ``file`` as one image with a spoken description."""
    ElementTree.register_namespace("", SVG)
    root = ElementTree.parse(file).getroot()
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.set("role", "img")
    root.set("aria-label", description)
    return nodes.raw("", ElementTree.tostring(root, encoding="unicode"), format="html")


class Drawing(SphinxDirective):
    """``{drawing} file.svg`` with ``:alt:`` and a caption; classes of drawings.css colour it."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[OptionSpec] = {
        "alt": directives.unchanged_required,
        "class": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        relative, absolute = self.env.relfn2path(self.arguments[0])
        if not Path(absolute).is_file():
            raise self.error(f"there is no drawing {relative}")
        if not self.options.get("alt"):
            raise self.error("a drawing needs :alt:, what it shows in words")
        self.env.note_dependency(absolute)
        css_class = f"drawing {self.options.get('class', '')}".strip()
        figure = make_tag(
            "figure", {"class": css_class}, inline_svg(Path(absolute), self.options["alt"])
        )
        if "".join(self.content).strip():
            caption = make_tag("figcaption")
            self.state.nested_parse(self.content, self.content_offset, caption)
            figure += caption
        return [figure]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("drawing", Drawing)
