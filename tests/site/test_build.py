"""The build command: what sees the solutions, what is executed again, what stops it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.site import build, instructor
from autograder.site.__main__ import main
from autograder.site.assignments import student_notebook
from autograder.site.freshness import code_key
from autograder.site.kernel import sphinx_environment, write_kernel
from rlcourse.chapters import CHAPTERS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def repository(tmp_path):
    """A small copy of what the key reads."""
    for name in ("rlcourse/support/a.py", "solutions/b.py", "constraints.txt", "book/page.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    return tmp_path


@pytest.mark.parametrize("name", ["rlcourse/support/a.py", "solutions/b.py", "constraints.txt"])
def test_a_change_of_code_or_pins_executes_pages_again(repository, name):
    before = code_key(repository)
    (repository / name).write_text("x = 2\n")
    assert code_key(repository) != before


def test_a_new_data_file_executes_pages_again_but_a_page_does_not(repository):
    before = code_key(repository)
    (repository / "book" / "page.md").write_text("new prose")
    (repository / "rlcourse" / "__pycache__").mkdir()
    (repository / "rlcourse" / "__pycache__" / "a.pyc").write_text("y")
    assert code_key(repository) == before
    (repository / "rlcourse" / "table.csv").write_text("1,2")
    assert code_key(repository) != before


def test_only_the_kernel_sees_the_solutions(tmp_path, monkeypatch):
    monkeypatch.setenv("RLCOURSE_OVERLAY", str(ROOT / "solutions"))
    kernels = write_kernel(ROOT, tmp_path / "kernels")
    environment = sphinx_environment(ROOT, kernels, tmp_path)
    assert "RLCOURSE_OVERLAY" not in environment
    assert str(ROOT / "solutions") not in "\n".join(environment.values())
    spec = json.loads((kernels / "kernels" / "python3" / "kernel.json").read_text())
    assert spec["env"]["RLCOURSE_OVERLAY"] == str(ROOT / "solutions")
    assert environment["JUPYTER_PATH"].startswith(str(kernels))


def test_stale_pages_are_not_built(monkeypatch, capsys):
    def stale(command, **options):
        return subprocess.CompletedProcess(command, 1, "book/exercises/02.md is stale", "")

    monkeypatch.setattr(build.subprocess, "run", stale)
    assert main([]) == 1
    said = capsys.readouterr().err
    assert "make generate" in said and "02.md is stale" in said


def test_the_instructors_book_adds_solutions_and_forgets_old_files(tmp_path):
    target = tmp_path / "copy"
    (target / "solutions").mkdir(parents=True)
    (target / "solutions" / "99_gone.md").write_text("old")
    instructor.stage_instructor_book(ROOT / "book", target)
    pages = {file.stem for file in (target / "solutions").iterdir()}
    assert pages == {chapter.page for chapter in CHAPTERS}
    assert "solutions/" in (target / "_toc.yml").read_text()
    assert not (ROOT / "book" / "solutions").exists()
    untouched = (target / "index.md").stat().st_mtime_ns
    instructor.stage_instructor_book(ROOT / "book", target)
    assert (target / "index.md").stat().st_mtime_ns == untouched


def test_a_students_notebook_has_no_hidden_test():
    source = ROOT / "autograder" / "source" / CHAPTERS[0].assignment / f"{CHAPTERS[0].module}.ipynb"
    assert "check_hidden" in source.read_text("utf-8")
    cells = student_notebook(source).cells
    text = "\n".join(cell.source for cell in cells)
    assert "check_hidden" not in text and "HIDDEN" not in text and "rlcourse" in text
    tests = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert tests and all(cell.metadata["editable"] is False for cell in tests)


def test_a_notebook_that_is_no_assignment_is_refused(tmp_path):
    file = tmp_path / "plain.ipynb"
    file.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    with pytest.raises(ValueError, match="make generate"):
        student_notebook(file)


HEAD = (ROOT / "book" / f"{CHAPTERS[0].page}.md").read_text("utf-8").partition("\n# ")[0]
GOOD = """
::::{quiz}
One?

- [x] 1

  Because.

- [ ] 2

  Not so.
::::
"""
BAD = {
    "a failing cell": ("```{code-cell} python\n1 / 0\n```", "ZeroDivisionError"),
    "an answer without a reason": (GOOD.replace("  Not so.", ""), "has no explanation"),
    "a quiz without a right answer": (GOOD.replace("[x]", "[ ]"), "needs a right answer"),
    "an unknown widget": (":::{widget} rl-nothing\nx\n:::", "no widget is called"),
    "a widget without a stand-in": (":::{widget} rl-ppo-clip\n:::", "needs a table or figure"),
    "a broken link": ("[x](#nowhere)", "nowhere"),
    "a drawing without words": (":::{drawing} _static/favicon.svg\n:::", "needs :alt:"),
}


def mini_book(folder, body):
    """A repository with one page, and the real settings, extension and commands."""
    for name in ("rlcourse", "solutions", "book/_ext", "book/_static", "book/_assets"):
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "autograder").symlink_to(ROOT / "autograder")
    (folder / "book" / "references.bib").write_text("")
    (folder / "book" / "index.md").write_text(f"{HEAD}\n\n# Page\n\n{body}\n")
    (folder / "book" / "other.md").write_text("# Another page\n\nNothing here.\n")
    toc = "format: jb-book\nroot: index\nchapters:\n- file: other\n"
    (folder / "book" / "_toc.yml").write_text(toc)
    return build.Site(folder, folder, solutions=False)


@pytest.fixture
def only_sphinx(monkeypatch):
    monkeypatch.setattr(build, "check_generated", lambda root: None)
    monkeypatch.setattr(build, "check_toc", lambda book: None)


@pytest.mark.slow
@pytest.mark.parametrize("fault", BAD)
def test_a_faulty_page_stops_the_build(tmp_path, only_sphinx, capfd, fault):
    body, message = BAD[fault]
    with pytest.raises(build.SiteError) as caught:
        build.build_site(mini_book(tmp_path, body))
    said = "".join([*capfd.readouterr(), str(caught.value)])
    assert message in said


@pytest.mark.slow
def test_a_page_runs_with_solutions_and_again_after_a_change(tmp_path, only_sphinx):
    body = (
        GOOD + "```{code-cell} python\nfrom rlcourse.answer import ANSWER\nprint('is', ANSWER)\n```"
    )
    site = mini_book(tmp_path, body)
    for name, value in (("rlcourse", "'a stub'"), ("solutions", "'solved'")):
        (tmp_path / name / "answer.py").write_text(f"ANSWER = {value}\n")
    assert "is solved" in build.build_site(site).read_text("utf-8")
    (tmp_path / "solutions" / "answer.py").write_text("ANSWER = 'solved anew'\n")
    assert "is solved anew" in build.build_site(site).read_text("utf-8")


def test_the_command_explains_itself():
    command = [sys.executable, "-m", "autograder.site", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--solutions" in done.stdout
