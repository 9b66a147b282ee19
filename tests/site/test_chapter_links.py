"""Mentions of chapters become links, in running text only."""

import sys
from pathlib import Path

import pytest
from docutils import nodes
from sphinx.addnodes import pending_xref

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def links(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    import chapter_links

    yield chapter_links
    sys.modules.pop("chapter_links", None)


def targets(found):
    return [node["reftarget"] for node in found if isinstance(node, pending_xref)]


def test_a_mention_becomes_a_link_and_the_text_stays(links):
    text = "As in chapter 2, and in chapter 4."
    found = list(links.pieces(text, "03_baselines"))
    assert targets(found) == ["/02_policy_gradient", "/04_value_functions"]
    assert "".join(node.astext() for node in found) == text


@pytest.mark.parametrize("text", ["chapter 99 of it", "chapters 2 to 4", "chapter twenty"])
def test_what_names_no_page_stays_text(links, text):
    assert not targets(links.pieces(text, "03_baselines"))


def test_a_page_does_not_link_to_itself(links):
    assert not targets(links.pieces("this is chapter 3", "03_baselines"))


@pytest.mark.parametrize("kind", [nodes.title, nodes.literal, nodes.reference, nodes.math])
def test_titles_code_and_links_are_left_alone(links, kind):
    class App:
        class env:
            docname = "index"

    document = nodes.document(None, None)
    document += nodes.paragraph("", "", kind("", "chapter 2"), nodes.Text("chapter 2"))
    links.link_mentions(App, document)
    assert len(list(document.findall(pending_xref))) == 1
    assert isinstance(document[0][0], kind) and document[0][0].astext() == "chapter 2"
