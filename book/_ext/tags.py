"""A document node that becomes one HTML element: what the course's own directives are made of."""

from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


class tag(nodes.General, nodes.Element):
    """An HTML element; ``node["tag"]`` names it and ``node["html"]`` holds its attributes."""


def make_tag(name: str, attributes: dict[str, str] | None = None, *children: nodes.Node) -> tag:
    """Build the node of an element ``<name ...>`` around ``children``."""
    node = tag()
    node["tag"] = name
    node["html"] = attributes or {}
    node += list(children)
    return node


def _visit(translator: HTML5Translator, node: tag) -> None:
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in node["html"].items())
    translator.body.append(f"<{node['tag']}{attributes}>")


def _depart(translator: HTML5Translator, node: tag) -> None:
    translator.body.append(f"</{node['tag']}>\n")


def _ignore(translator: object, node: tag) -> None:
    """Other output formats keep the content and drop the element."""


def setup(app: Sphinx) -> None:
    """Register the node for HTML and for the formats that ignore it."""
    plain = (_ignore, _ignore)
    app.add_node(tag, html=(_visit, _depart), latex=plain, text=plain, man=plain, texinfo=plain)
