"""What a reader may take home: each page as a notebook, each assignment as released."""

import zipfile
from pathlib import Path

import jupytext
import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from tags import make_tag

from autograder.site.assignments import student_notebook
from rlcourse.chapters import CHAPTERS, Chapter

ROOT = Path(__file__).parents[2]
FOLDER = "downloads"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every file in an archive, so that equal content gives equal bytes."""


def assignment_files(chapter: Chapter) -> tuple[Path, Path] | None:
    """The chapter's assignment notebook and the stub that belongs to it, where both exist."""
    notebook = ROOT / "autograder" / "source" / chapter.assignment / f"{chapter.module}.ipynb"
    module = ROOT / "rlcourse" / f"{chapter.module}.py"
    return (notebook, module) if notebook.is_file() and module.is_file() else None


def download_link(env: BuildEnvironment, name: str, text: str) -> nodes.Node:
    """A link from the page being read to a file among the downloads."""
    href = "../" * env.docname.count("/") + f"{FOLDER}/{name}"
    return make_tag("a", {"class": "download", "href": href, "download": ""}, nodes.Text(text))


def write_downloads(app: Sphinx, error: Exception | None) -> None:
    """Put the notebooks and archives beside the finished pages."""
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    for chapter in CHAPTERS:
        page = Path(app.srcdir) / f"{chapter.page}.md"
        if page.is_file():
            notebook = jupytext.read(page)
            nbformat.write(notebook, folder / f"{chapter.page}.ipynb")
        if files := assignment_files(chapter):
            _write_assignment(folder / f"{chapter.assignment}.zip", chapter, *files)


def _write_assignment(archive: Path, chapter: Chapter, notebook: Path, module: Path) -> None:
    """Write the folder that a student works in: the released notebook and the module with holes."""
    released = nbformat.writes(student_notebook(notebook))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in (
            (notebook.name, released),
            (module.name, module.read_text(encoding="utf-8")),
        ):
            file.writestr(zipfile.ZipInfo(f"{chapter.assignment}/{name}", EPOCH), text)


def setup(app: Sphinx) -> None:
    """Write the downloads when the pages are finished."""
    app.connect("build-finished", write_downloads)
