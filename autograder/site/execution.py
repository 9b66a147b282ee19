"""Executes the pages whose code has changed, several at once; Jupyter Book then finds them done.

Results are kept in ``_build/executed/<page>-<key>.ipynb``. Tests read the same files, so that what
they assert is what the site prints, and no page is executed twice.
"""

import asyncio
import copy
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from myst_nb.core.read import read_myst_markdown_notebook
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.site.dependencies import dependencies
from autograder.site.freshness import page_key
from autograder.site.kernel import write_kernel

KEPT = 3
"""How many results of each page stay: going back and forth between states is quick."""
TIMEOUT = 300
"""Seconds of a cell, as in ``_config.yml``."""
LOADED = """
import sys, time
print(time.process_time())
print("\\n".join(
    module.__file__ for name, module in list(sys.modules.items())
    if name.partition(".")[0] == "rlcourse" and getattr(module, "__file__", None)
))
"""


class PageError(Exception):
    """A page could not be executed; the message names it and shows what went wrong."""


def read_page(page: Path) -> NotebookNode:
    """A page as the notebook that Jupyter Book makes of it."""
    notebook: NotebookNode = read_myst_markdown_notebook(page.read_text("utf-8"), path=page)
    return notebook


def executable_pages(book: Path) -> list[Path]:
    """The pages that hold code cells."""
    return sorted(
        page for page in book.glob("*.md") if "\n```{code-cell}" in page.read_text("utf-8")
    )


def executed_page(page: Path, root: Path) -> NotebookNode:
    """A page with its outputs, executed now unless that has been done for exactly this code.

    Raises:
        PageError: if a cell raises, takes too long, or runs code that the key does not cover.
    """
    notebook = read_page(page)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    folder = root / "_build" / "executed"
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / f"{page.stem}.lock"):
        kept = folder / f"{page.stem}-{page_key(sources, root)}.ipynb"
        if not kept.is_file():
            _execute(notebook, page, root)
            cpu_seconds, *loaded = _printed(notebook.cells.pop())
            _check_loaded(loaded, sources, page, root)
            notebook.metadata["cpu_seconds"] = round(float(cpu_seconds), 1)
            unfinished = kept.with_suffix(".part")
            nbformat.write(notebook, unfinished)
            os.replace(unfinished, kept)
        kept.touch()
        _forget_old(folder, page.stem)
        result: NotebookNode = nbformat.read(kept, as_version=4)
        _describe_as(notebook, result)
        return result


def _describe_as(page: NotebookNode, result: NotebookNode) -> None:
    """Give kept cells the captions and tags of today, which Jupyter Book's cache compares too."""
    present, kept = (
        [cell for cell in each.cells if cell.cell_type == "code"] for each in (page, result)
    )
    for today, cell in zip(present, kept, strict=True):
        cell.metadata = today.metadata


def execute_pages(root: Path, jobs: int) -> Path:
    """Execute what must be, print how long each page takes, and fill Jupyter Book's cache.

    Returns:
        the folder of that cache.

    Raises:
        PageError: naming every page that failed; the others are kept.
    """
    pages = executable_pages(root / "book")
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {page: pool.submit(executed_page, page, root) for page in pages}
    failures = [str(error) for each in waiting.values() if (error := each.exception())]
    if failures:
        raise PageError("\n\n".join(failures))
    folder = root / "_build" / "jupyter_cache"
    shutil.rmtree(folder, ignore_errors=True)
    cache = get_cache(folder)
    for page, result in waiting.items():
        notebook = result.result()
        seconds, cpu = notebook.metadata["execution_seconds"], notebook.metadata["cpu_seconds"]
        print(f"{page.stem}: {seconds:.0f} s to execute, {cpu:.0f} s of one core", flush=True)
        bundle = CacheBundleIn(notebook, str(page), data={"execution_seconds": seconds})
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return Path(folder)


def _execute(notebook: NotebookNode, page: Path, root: Path) -> None:
    """Run all cells, and one more that tells which files were imported."""
    kernels = write_kernel(root, root / "_build" / "jupyter")
    finder = KernelSpecManager(kernel_dirs=[str(kernels / "kernels")], ensure_native_kernel=False)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=finder)
    notebook.cells.append(new_code_cell(LOADED))
    place = {"metadata": {"path": str(page.parent)}}
    client = NotebookClient(
        notebook, km=manager, timeout=TIMEOUT, resources=place, record_timing=False
    )
    environment = {key: value for key, value in os.environ.items() if key != "RLCOURSE_OVERLAY"}
    described = copy.deepcopy(notebook.metadata)
    start = time.monotonic()
    try:
        # A kernel that nbclient has not made itself it would leave running.
        asyncio.run(client.async_execute(env=environment, cleanup_kc=True))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise PageError(f"{page}: {error}") from error
    # What the client adds to the metadata (times of cells too) would hide the page from the cache.
    notebook.metadata |= described
    notebook.metadata["execution_seconds"] = round(time.monotonic() - start, 2)


def _printed(cell: NotebookNode) -> list[str]:
    return "".join(output.get("text", "") for output in cell.outputs).splitlines()


def _check_loaded(loaded: list[str], sources: list[str], page: Path, root: Path) -> None:
    """Refuse a result that stands on files which the search for imports has not found.

    Raises:
        PageError: naming them.
    """
    files = {Path(line).resolve() for line in loaded if line}
    missed = sorted(map(str, files - {file.resolve() for file in dependencies(sources, root)}))
    if missed:
        raise PageError(
            f"{page}: imports {', '.join(missed)} by a name made at run time, so that a change there "
            "would leave old numbers on the page; write the module's full name out"
        )


def _forget_old(folder: Path, name: str) -> None:
    results = sorted(folder.glob(f"{name}-*.ipynb"), key=lambda each: each.stat().st_mtime)
    for old in results[:-KEPT]:
        old.unlink()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Let one process (or thread) at a time work on a page."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
