"""One thread a process, and a browser for every test that needs one.

Playwright keeps an event loop running as long as it is open, and refuses to start where one runs
already; so would a notebook that a test executes. So it is closed again after every file.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import autograder  # noqa: F401  (before what imports nbformat: it makes that quick)

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
NUMBER = re.compile(r"\[(\d+\.\d+)\b")
PAGE = re.compile(r"\[(\d\d_\w+)")
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


def group_of(test: str) -> str:
    """Name the tests that share what one of them must work out, and so run one after the other in one process.

    The checks of an exercise, which must be built; what reads a page's outputs; else those of a file.
    """
    path, _, case = test.partition("::")
    folder, file = path.split("/")[-2:]
    if file in ("test_exercises.py", "test_equivalence.py") and (found := NUMBER.search(case)):
        return f"exercise {found[1]}"
    if file == "test_mutants.py" and "[" in case:
        return f"mutants {case.partition('[')[2].rstrip(']')}"
    if folder == "book":
        found = PAGE.search(case)
        return f"page {found[1] if found else file.removeprefix('test_').removesuffix('.py')}"
    return f"{folder}/{file}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of a group together: the longest groups first, then the larger ones."""
    groups = [group_of(item.nodeid) for item in items]
    sizes = Counter(groups)
    ranks = {name: LONG.index(name) if name in LONG else len(LONG) for name in sizes}
    for item, group in zip(items, groups, strict=True):
        item.stash[GROUP] = (ranks[group], -sizes[group], group)
    items.sort(key=lambda item: item.stash[GROUP])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out groups where xdist would deal out files or classes: ``--dist loadscope``."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)


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
