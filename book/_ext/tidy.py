"""Take out of each page what stock extensions put there and the course does not use."""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

DISTANT_ICONS = re.compile(r'<link rel="stylesheet"\s+href="https://maxcdn[^"]*">')
ICON_SCRIPT = re.compile(r'<script[^>]*src="[^"]*scripts/fontawesome\.js[^"]*"></script>')
LONG_SIGNATURE = re.compile(r'(<span class="sig-paren">\(</span>)\s*<dl>(.*?)</dl>', re.DOTALL)
REPLACEMENTS = {
    # Names and roles that accessibility demands.
    '<summary><span class="toctree-toggle"': (
        '<summary aria-label="Show or hide the sections"><span class="toctree-toggle"'
    ),
    '<div id="pst-primary-sidebar" class': (
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Contents and search" class'
    ),
    'role="doc-biblioentry"': 'role="listitem"',
}


def drop_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Drop the scripts of thebe, which needs a server, and what is listed twice."""
    kept: dict[tuple[str, str], Any] = {}
    for script in context.get("script_files", []):
        name = str(getattr(script, "filename", None) or "")
        body = str(getattr(script, "attributes", {}).get("body") or "")
        if "thebe" not in name and "thebe" not in body.lower():
            kept.setdefault((name, body), script)
    context["script_files"] = list(kept.values())


def polish(app: Sphinx, error: Exception | None) -> None:
    """Mend in the finished pages what no option of the theme reaches."""
    if error or app.builder.format != "html":
        return
    for file in Path(app.outdir).rglob("*.html"):
        before = file.read_text(encoding="utf-8")
        after = ICON_SCRIPT.sub("", DISTANT_ICONS.sub("", before))
        for old, new in REPLACEMENTS.items():
            after = after.replace(old, new)
        after = LONG_SIGNATURE.sub(_lines_of_parameters, after)
        if after != before:
            file.write_text(after, encoding="utf-8")


def _lines_of_parameters(match: re.Match[str]) -> str:
    """Parameters one a line without a list of definitions, which would define no term."""
    lines = match[2].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f"{match[1]}{lines}"


def setup(app: Sphinx) -> None:
    """Connect both passes, late enough to see what the theme has added."""
    app.connect("html-page-context", drop_scripts, priority=900)
    app.connect("build-finished", polish)
