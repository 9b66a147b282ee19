"""One thread a process, and a browser for every test that needs one.

Playwright keeps an event loop running as long as it is open, and refuses to start where one runs
already; so would a notebook that a test executes. So it is closed again after every file.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Before torch is imported, here and in every process that a test starts: with tensors this small, more
# threads only wait for each other, and the checks of chapter 9 then take eight times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
CHROMIUM_OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The load test first, since it takes minutes; then files with many tests, as xdist would have them."""
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name != "test_load.py", -sizes[item.path]))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser process a file of tests; ``CHROMIUM`` names another program than Debian's."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).is_file():
        pytest.skip(f"needs Chromium at {CHROMIUM}: install it, or name it in CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()
