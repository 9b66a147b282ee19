"""The ``widget`` directive: an interactive element around its stand-in, a table or figure.

The script of a widget is loaded only by the pages that use it, as plain deferred files, so that the
site also works when it is opened from a folder.
"""

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import OptionSpec
from tags import make_tag, tag

WIDGETS: dict[str, tuple[str, ...]] = {
    "rl-policy-gradient": ("logits", "rewards", "samples", "seed"),
    "rl-baseline-variance": ("probabilities", "rewards", "baseline"),
    "rl-gae-lambda": ("rewards", "values", "gamma", "lambda"),
    "rl-n-step": ("n", "step-size", "seed"),
    "rl-max-bias": ("actions", "noise", "gap"),
    "rl-ppo-clip": ("clip-eps", "advantage", "ratio"),
    "rl-trust-region": ("logits", "advantages", "sure", "step", "budget"),
}
"""Every widget and its attributes; the script is ``_assets/_static/widgets/<name>.js``."""


class Widget(SphinxDirective):
    """``{widget} rl-ppo-clip``: attributes as options, the static stand-in as content."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[OptionSpec] = {
        name: directives.unchanged for names in WIDGETS.values() for name in names
    }

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in WIDGETS:
            raise self.error(f"no widget is called {name!r}; there are {', '.join(WIDGETS)}")
        if foreign := set(self.options) - set(WIDGETS[name]):
            raise self.error(
                f"{name} has no {', '.join(foreign)}; it has {', '.join(WIDGETS[name])}"
            )
        if not "".join(self.content).strip():
            raise self.error(f"{name} needs a table or figure inside, for readers without scripts")
        element = make_tag(name, dict(self.options))
        self.state.nested_parse(self.content, self.content_offset, element)
        return [make_tag("div", {"class": "rl-frame"}, element)]


def load_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Give a page the scripts of the widgets on it, after the shared drawing helpers."""
    if doctree is None:
        return
    used = sorted({node["tag"] for node in doctree.findall(tag) if node["tag"] in WIDGETS})
    for name in ["common", *used] if used else []:
        app.add_js_file(f"widgets/{name}.js", defer="defer")


def setup(app: Sphinx) -> None:
    """Register the directive and the hook that loads the scripts."""
    app.add_directive("widget", Widget)
    app.connect("html-page-context", load_scripts)
