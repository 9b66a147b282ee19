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


GROUP = pytest.StashKey[tuple[int, int, str]]()
LONG = (
    "sandbox/test_load.py",
    *(
        "page 11_instruct_gpt",
        "page 09_language_policy",
        "page 10_reward_model",
        "page 12_gpt2_ppo",
    ),
    *("exercise 11.4", "exercise 8.5", "recipes/test_ppo_gpt2.py", "mutants instruct_gpt"),
    *("site/test_build.py", "sandbox/test_isolation.py", "pipeline/test_engine.py"),
    *("generate/test_write.py", "recipes/test_reward_model.py", "recipes/test_instruct_gpt.py"),
    *("mutants ppo", "recipes/test_value_functions.py", "mutants gpt2_ppo"),
)
"""What takes longest, in this order: it comes first, so that no process waits for it at the end."""


def group_of(item: pytest.Item) -> str:
    """Tests that share what one of them must work out, and so run one after the other.

    The checks of an exercise, which must be built; what reads a page's outputs; else those of a file.
    """
    params = item.callspec.params if hasattr(item, "callspec") else {}
    folder, file = item.path.parent.name, item.path.name
    if file in ("test_exercises.py", "test_equivalence.py") and params:
        return f"exercise {params.get('number') or params['spec'].number}"
    if file == "test_mutants.py" and params:
        return f"mutants {params['chapter'].module}"
    if folder == "book":
        return f"page {params.get('page') or params.get('name') or item.path.stem.removeprefix('test_')}"
    return f"{folder}/{file}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of a group together: the longest groups first, then the larger ones."""
    groups = [group_of(item) for item in items]
    sizes = Counter(groups)
    ranks = {name: LONG.index(name) if name in LONG else len(LONG) for name in sizes}
    for item, group in zip(items, groups, strict=True):
        item.stash[GROUP] = (ranks[group], -sizes[group], group)
    items.sort(key=lambda item: item.stash[GROUP])


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
