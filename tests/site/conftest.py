"""One build of the public site for all tests here, a server for it, and pages in the browser."""

import fcntl
import hashlib
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from autograder.site.freshness import code_key

ROOT = Path(__file__).resolve().parents[2]


def content_key():
    """A hash of all that a site is built from."""
    digest = hashlib.sha256(code_key(ROOT).encode())
    folders = [ROOT / "book", ROOT / "autograder" / "site", ROOT / "autograder" / "source"]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    for file in sorted([*files, ROOT / "_config.yml"]):
        if "__pycache__" not in file.parts:
            digest.update(str(file).encode() + file.read_bytes())
    return digest.hexdigest()


def build_once(name, *options):
    """Build a site under ``_build`` unless that has been done for exactly these sources."""
    output = ROOT / "_build" / name
    output.mkdir(parents=True, exist_ok=True)
    stamp = output / "built-from"
    with (output / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != content_key():
            command = [sys.executable, "-m", "autograder.site", "--output", str(output), *options]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-6000:]
            stamp.write_text(content_key())
    return output / "_build" / "html"


@pytest.fixture(scope="session")
def site():
    """The folder of the public site; ``RLCOURSE_SITE`` names one that is already built."""
    if given := os.environ.get("RLCOURSE_SITE"):
        return Path(given).resolve()
    return build_once("test-site")


@pytest.fixture(scope="session")
def instructor_site():
    """The folder of the instructor's site."""
    return build_once("test-instructor", "--solutions")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture(scope="session")
def address(site):
    """The address of a local server of the public site."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def open_page(chromium):
    """Open a page in a theme at a width: ``open_page(url, theme="dark", width=360)``."""
    contexts = []

    def open_it(url, theme="light", width=1280, **options):
        context = chromium.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        script = f"localStorage.setItem('mode','{theme}');localStorage.setItem('theme','{theme}')"
        context.add_init_script(script)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda m: m.type in ("error", "warning") and page.said.append(m.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(url, wait_until="load")
        return page

    yield open_it
    for context in contexts:
        context.close()
