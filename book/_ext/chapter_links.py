"""The words "chapter 5" in a page lead to that chapter, as soon as it is there."""

import re
from collections.abc import Iterator

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from rlcourse.chapters import CHAPTERS

MENTION = re.compile(r"\b([Cc]hapter (\d+))\b")
LEAVE = (nodes.reference, nodes.title, nodes.literal, nodes.literal_block, nodes.math)
LEAVE += (nodes.raw, nodes.caption, addnodes.pending_xref, addnodes.desc_signature)
PAGES = {chapter.number: chapter.page for chapter in CHAPTERS}


def link_mentions(app: Sphinx, doctree: nodes.document) -> None:
    """Make links of all mentions in running text; not in titles, code, or links that are there."""
    here = app.env.docname
    for text in list(doctree.findall(nodes.Text)):
        if MENTION.search(text) and not _inside(text, LEAVE):
            text.parent.replace(text, list(pieces(str(text), here)))


def pieces(text: str, here: str) -> Iterator[nodes.Node]:
    """The text, cut at the mentions of chapters other than this page's own."""
    end = 0
    for match in MENTION.finditer(text):
        page = PAGES.get(int(match.group(2)))
        if page is None or page == here:
            continue
        if match.start() > end:
            yield nodes.Text(text[end : match.start()])
        words = nodes.inline(match.group(1), match.group(1), classes=["doc"])
        yield addnodes.pending_xref(
            "",
            words,
            refdomain="std",
            reftype="doc",
            reftarget=f"/{page}",
            refexplicit=True,
            refwarn=True,
            refdoc=here,
        )
        end = match.end()
    if end < len(text):
        yield nodes.Text(text[end:])


def _inside(node: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parent
    return False


def setup(app: Sphinx) -> None:
    """Look at every page after it is read."""
    app.connect("doctree-read", link_mentions)
