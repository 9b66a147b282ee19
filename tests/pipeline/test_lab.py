"""A student's whole way, in a browser: open JupyterLab, fail, write, pass, submit, be graded, read the feedback."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from autograder.pipeline.collect import collect
from autograder.pipeline.course import REPOSITORY, Course, put_environment_first
from autograder.pipeline.feedback import feedback
from autograder.pipeline.grade import Options, grade
from autograder.pipeline.gradebook import gradebook_rows
from autograder.pipeline.workspace import lab_command, lay_out
from rlcourse.chapters import Chapter

MINUTE = 60_000.0
pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def workspace(course: Course, tmp_path: Path) -> Path:
    return lay_out(course, tmp_path / "workspace").folder


@pytest.fixture
def lab(workspace: Path, tmp_path: Path) -> Iterator[str]:
    """JupyterLab as ``make lab`` starts it, without its token; yields the address."""
    put_environment_first()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--no-browser"]
    settings += ["--IdentityProvider.token=", "--ServerApp.ip=127.0.0.1"]
    home = {
        name: str(tmp_path / name)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    environment = {key: value for key, value in os.environ.items() if key != "RLCOURSE_OVERLAY"}
    log = (tmp_path / "lab.log").open("w")
    process = subprocess.Popen(
        [*lab_command(workspace), *settings],
        cwd=workspace,
        env={**environment, **home, "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "lab")},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/api/status", process)
        yield address
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(720):
        assert process.poll() is None, "JupyterLab ended by itself"
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("JupyterLab did not start within three minutes")


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(2 * MINUTE)
    yield page
    page.close()


def run_all(page: Page, notebook: Path) -> list[str]:
    """Click *Run All Cells* and save; return the text of every check's output, from the file."""
    before = notebook.stat().st_mtime_ns
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    for _ in range(240):
        page.wait_for_timeout(500)
        page.keyboard.press("Control+s")
        page.wait_for_timeout(500)
        cells = saved_cells(notebook)
        done = all(cell["execution_count"] for cell in cells if cell["cell_type"] == "code")
        if cells and done and notebook.stat().st_mtime_ns != before and all_run(page):
            return [json.dumps(c["outputs"]) for c in cells if c["id"].endswith("-visible")]
    raise AssertionError("the notebook did not finish within four minutes")


def saved_cells(notebook: Path) -> list[dict[str, Any]]:
    """The cells in the file; none while JupyterLab is writing it."""
    try:
        cells: list[dict[str, Any]] = json.loads(notebook.read_text())["cells"]
        return cells
    except ValueError:
        return []


def all_run(page: Page) -> bool:
    """Whether no cell waits any more (JupyterLab shows a star)."""
    return page.get_by_text("[*]:").count() == 0


def clear(page: Page) -> None:
    page.get_by_role("menuitem", name="Edit", exact=True).click()
    page.get_by_role("menuitem", name="Clear Outputs of All Cells", exact=True).click()


@pytest.mark.timeout(580)
def test_a_students_whole_way(
    course: Course,
    chapter: Chapter,
    workspace: Path,
    lab: str,
    page: Page,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = workspace / "assignments" / "ch02"
    notebook = folder / "policy_gradient.ipynb"
    page.goto(f"{lab}/lab/tree/assignments/ch02/policy_gradient.ipynb")
    page.locator(".jp-RenderedMarkdown h2").first.wait_for()
    page.wait_for_timeout(3000)
    assert page.locator(".Toastify__toast").count() == 0, "JupyterLab asks the student something"

    red = run_all(page, notebook)
    assert len(red) == 6 and all("not started yet" in text and '"error"' in text for text in red)
    shown_in_red = page.locator("[data-mime-type='application/vnd.jupyter.stderr']")
    shown_in_red.first.wait_for(state="attached")

    solution = REPOSITORY / "solutions" / "policy_gradient.py"
    (folder / "policy_gradient.py").write_text(solution.read_text())
    clear(page)
    green = run_all(page, notebook)
    assert len(green) == 6 and all("passed" in text and '"error"' not in text for text in green)
    assert shown_in_red.count() == 0
    page.locator(".jp-OutputArea").get_by_text("passed").first.wait_for()

    inbox = tmp_path / "inbox"
    inbox.mkdir()
    command = Path(sys.executable).with_name("rlcourse")
    monkeypatch.setenv("RLCOURSE_STUDENT", "jane")
    done = subprocess.run(
        [command, "submit", "ch02", "--to", inbox], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Handed in" in done.stdout, done.stderr

    assert not collect(course, inbox).refusals
    summary = grade(course, chapter, Options(), lambda line: None)
    (row,) = gradebook_rows(course, "ch02")
    assert summary.exit_code == 0 and row.student == "jane"
    assert row.score == row.max_score > 0

    (path,) = feedback(course, chapter)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert f"{row.max_score:g} of {row.max_score:g} points" in page.inner_text("body")
    assert all(url.startswith("file:") for url in requests), "feedback fetches nothing"
