"""nbgrader's feedback without the instructor's side: no hidden code, no traceback, no script, nothing fetched."""

import re
from typing import Any

import nh3
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade

from autograder.pipeline.messages import shown_message

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: .6rem; border-radius: 4px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem .4rem 0; border-bottom: 1px solid #8886; }
.number { text-align: right; white-space: nowrap; }
.pass { color: #1a7f37; } .fail { color: #cf222e; }
@media (prefers-color-scheme: dark) { .pass { color: #3fb950; } .fail { color: #ff7b72; } a { color: #79c0ff; } }
"""
TAG_NAMES = """
a abbr b blockquote br caption code dd div dl dt em h1 h2 h3 h4 h5 h6 hr i img li ol p pre s section
small span strong sub sup table tbody td tfoot th thead tr u ul
"""
TAGS = set(TAG_NAMES.split())
ATTRIBUTES = {
    "*": {"class", "id"},
    "a": {"href"},
    "img": {"src", "alt"},
    "td": {"colspan", "rowspan"},
}
HIDDEN = re.compile(
    r"^[^\n]*BEGIN HIDDEN TESTS.*?(?:END HIDDEN TESTS[^\n]*|\Z)", re.DOTALL | re.MULTILINE
)


def clean(fragment: str) -> str:
    """A fragment of HTML with text and tables only: no script, no style, no form, no frame, no foreign address."""
    return nh3.clean(
        fragment,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_only_inline,
        url_schemes={"data", "mailto"},
        clean_content_tags={"script", "style", "svg", "math", "iframe", "object"},
    )


def safe_markdown(source: str) -> str:
    """A Markdown cell as HTML, cleaned."""
    return clean(markdown2html(source))


def _only_inline(tag: str, name: str, value: str) -> str | None:
    """Pictures must be in the page itself; links lead within the page, or to a person's address."""
    if name == "src":
        return value if re.match(r"data:image/(png|jpeg|gif);base64,", value) else None
    if name == "href":
        return (
            value
            if value.startswith(("#", "mailto:")) or re.fullmatch(r"[\w-]+\.html", value)
            else None
        )
    return value


def page(title: str, body: str) -> str:
    """A whole page around a fragment that is made safe here."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{nh3.clean_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{clean(body)}\n</body>\n</html>\n"
    )


class HideInstructorsSide(NbGraderPreprocessor):  # type: ignore[misc]
    """Take hidden tests and everything they said, save the message, out of the notebook a student gets back."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        hidden = HIDDEN.search(cell.source) is not None
        cell.source = HIDDEN.sub("# hidden tests", cell.source)
        if cell.cell_type == "code" and is_grade(cell):
            grade_id = cell.metadata.nbgrader["grade_id"]
            cell.outputs = [
                _told(out, grade_id, hidden) for out in cell.outputs if _keep(out, hidden)
            ]
        return cell, resources


def _keep(output: NotebookNode, hidden: bool) -> bool:
    """What the student's code printed on hidden inputs stays hidden."""
    return output.output_type == "error" or (output.output_type == "stream" and not hidden)


def _told(output: NotebookNode, grade_id: str, hidden: bool) -> NotebookNode:
    if output.output_type == "error":
        text = shown_message(grade_id, output.ename, "\n".join(output.traceback), hidden)
        output.evalue, output.traceback = text.split("\n")[0], text.split("\n")
    return output


class SafeHTMLExporter(HTMLExporter):
    """nbgrader's feedback page, sanitized and dressed anew."""

    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: Any = None, **kwargs: Any
    ) -> tuple[str, Any]:
        html, resources = super().from_notebook_node(nb, resources=resources, **kwargs)
        body = re.search(r"<body[^>]*>(.*)</body>", html, re.DOTALL)
        name = resources.get("nbgrader", {}).get("notebook", "notebook")
        return page(f"Feedback: {name}", body.group(1) if body else ""), resources
