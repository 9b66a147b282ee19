"""Directives that draw on the table of chapters: ``chapter-head`` and ``chapter-table``."""

from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from downloads import assignment_files, download_link
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import OptionSpec
from tags import make_tag

from rlcourse.chapters import CHAPTERS, Chapter, find_chapter


class ChapterDirective(SphinxDirective):
    """What the directives share: pieces of MyST and links that depend on the chapter."""

    def render(self, text: str, name: str, css_class: str) -> nodes.Element:
        """The element ``name`` around the nodes of ``text``."""
        element = make_tag(name, {"class": css_class})
        self.state.nested_parse(
            StringList(text.splitlines(), source="chapters"), self.content_offset, element
        )
        return element

    def page_link(self, page: str, text: str) -> str:
        """A link to a page of the book, or the bare text while that page does not exist."""
        self.env.note_dependency(self.env.doc2path(page))
        return f"[{text}](/{page}.md)" if Path(self.env.doc2path(page)).is_file() else text

    def prerequisites(self, chapter: Chapter) -> str:
        """Links to the chapters that this one builds on."""
        earlier = [find_chapter(module) for module in chapter.prerequisites]
        return ", ".join(
            self.page_link(each.page, f"{each.number} {each.title}") for each in earlier
        )

    def downloads(self, chapter: Chapter) -> list[nodes.Node]:
        """Links to the page as a notebook and to the assignment, each where it exists."""
        links: list[nodes.Node] = [
            download_link(self.env, f"{chapter.page}.ipynb", "This page as a notebook")
        ]
        if assignment_files(chapter):
            links.append(
                download_link(
                    self.env, f"{chapter.assignment}.zip", "The assignment (notebook and module)"
                )
            )
        return links


class ChapterHead(ChapterDirective):
    """The head of a narrative page: abilities, minutes, prerequisites, exercises, downloads."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[OptionSpec] = {"minutes": directives.positive_int}

    def run(self) -> list[nodes.Node]:
        chapter = find_chapter(self.arguments[0])
        if "minutes" not in self.options or not "".join(self.content).strip():
            raise self.error(
                "chapter-head needs :minutes: and a list of what the reader will be able to do"
            )
        abilities = "**After this chapter you can**\n\n" + "\n".join(self.content)
        facts = [f"- **Time** {self.options['minutes']} minutes"]
        if chapter.prerequisites:
            facts.append(f"- **Before** {self.prerequisites(chapter)}")
        exercises = self.page_link(f"exercises/{chapter.page}", chapter.name)
        facts.append(f"- **Exercises** {exercises}")
        box = self.render(abilities, "div", "chapter-head")
        box += self.render("\n".join(facts), "div", "chapter-facts")
        box += make_tag("p", {"class": "chapter-downloads"}, *self.downloads(chapter))
        return [box]


class ChapterTable(ChapterDirective):
    """All chapters that exist: number, title, what they build on, exercises, what to fetch."""

    def run(self) -> list[nodes.Node]:
        head = "| Number | Chapter | Builds on | Exercises |\n|---|---|---|---|\n"
        rows = [self._row(chapter) for chapter in CHAPTERS]
        return [self.render(head + "\n".join(rows), "div", "chapter-table")]

    def _row(self, chapter: Chapter) -> str:
        title = self.page_link(chapter.page, chapter.title)
        exercises = self.page_link(f"exercises/{chapter.page}", "exercises")
        number = chapter.label or str(chapter.number)
        cells = (number, title, self.prerequisites(chapter) or "nothing", exercises)
        return f"| {' | '.join(cells)} |"


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("chapter-head", ChapterHead)
    app.add_directive("chapter-table", ChapterTable)
