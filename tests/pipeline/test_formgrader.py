"""What a student's cells may do in the browser of an instructor who looks at them in nbgrader's formgrader."""

from pathlib import Path

import pytest
from nbconvert.exporters import HTMLExporter
from nbformat import v4
from nbgrader.server_extensions.formgrader import handlers
from traitlets.config import Config

from autograder.pipeline.course import Course
from autograder.pipeline.nbgrader_tools import nbgrader_config

HOSTILE = "<script>harm(1)</script> <img src=x onerror=harm(2)> [link](javascript:harm(3))"
SHOWN = {"index": 0, "total": 1, "base_url": "", "submission_id": "s", "notebook_id": "n"}


def page(config: Config) -> str:
    """The page that formgrader makes of a submission, with its template and this configuration."""
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    output = v4.new_output("display_data", {"text/html": "<script>harm(4)</script><b>bold</b>"})
    cells = [
        v4.new_markdown_cell(f"Some *text*. {HOSTILE}"),
        v4.new_code_cell("x = 1", outputs=[output]),
    ]
    html, _ = HTMLExporter(config=config).from_notebook_node(
        v4.new_notebook(cells=cells), resources=dict(SHOWN)
    )
    return str(html)


@pytest.mark.parametrize("harm", ["<script>harm(1)", "onerror=", 'href="javascript:', "harm(4)</s"])
def test_nothing_of_a_students_own_cells_runs_in_formgrader(tmp_path: Path, harm: str) -> None:
    assert harm in page(Config()), "nbgrader alone lets it through"
    ours = page(nbgrader_config(Course(tmp_path)))
    assert harm not in ours
    assert "<em>text</em>" in ours and "bold" in ours
