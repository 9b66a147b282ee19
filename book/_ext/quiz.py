"""The ``quiz`` directive: a question whose every answer, right or wrong, is explained.

Each answer is a native ``details`` element, so a quiz needs no script and
works from the keyboard.
"""

import re
from textwrap import dedent

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tags import make_tag

OPTION = re.compile(r"^- \[([ xX])\] ", re.MULTILINE)
VERDICTS = {True: "Right.", False: "Not quite."}


class Quiz(SphinxDirective):
    """Parse a question followed by ``- [x] answer`` items, each with an indented explanation."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        question, *parts = OPTION.split("\n".join(self.content))
        options = list(zip(parts[::2], parts[1::2], strict=True))
        if not question.strip() or len(options) < 2:
            raise self.error(
                "a quiz needs a question and at least two answers '- [x] ...' / '- [ ] ...'"
            )
        if not any(mark.strip() for mark, _ in options):
            raise self.error("a quiz needs a right answer: mark it '- [x]'")
        name = f"quiz-{self.env.new_serialno('quiz')}"
        title = make_tag("p", {"class": "quiz-title", "id": name}, nodes.Text("Check yourself"))
        asked = make_tag("div", {"class": "quiz-question"}, *self._parse(question))
        answers = [self._answer(bool(mark.strip()), text, name) for mark, text in options]
        box = {"class": "quiz", "role": "group", "aria-labelledby": name}
        return [make_tag("div", box, title, asked, *answers)]

    def _answer(self, right: bool, text: str, name: str) -> nodes.Node:
        """One answer: its summary is what is claimed, its inside says why it holds or fails."""
        claim, _, reason = text.partition("\n\n")
        if not reason.strip():
            raise self.error(
                f"the answer {claim.strip()!r} has no explanation (an indented paragraph below it)"
            )
        summary = make_tag("summary", {}, *_inline(self._parse(dedent("  " + claim))))
        verdict = nodes.paragraph("", "", nodes.strong("", VERDICTS[right]))
        kind = {"class": "quiz-right" if right else "quiz-wrong", "name": name}
        return make_tag("details", kind, summary, verdict, *self._parse(dedent(reason)))

    def _parse(self, text: str) -> list[nodes.Node]:
        box = nodes.container()
        self.state.nested_parse(
            StringList(text.splitlines(), source=self.get_source_info()[0]),
            self.content_offset,
            box,
        )
        return list(box.children)


def _inline(parsed: list[nodes.Node]) -> list[nodes.Node]:
    """The content of a lone paragraph, since a summary may hold only a phrase."""
    if len(parsed) == 1 and isinstance(parsed[0], nodes.paragraph):
        return list(parsed[0].children)
    return parsed


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("quiz", Quiz)
