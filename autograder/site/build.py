"""One build of the site, from checks to the path of its first page."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from autograder.site.execution import PageError, execute_pages
from autograder.site.instructor import stage_instructor_book
from autograder.site.kernel import sphinx_environment, write_kernel
from autograder.site.toc import check_toc

ROOT = Path(__file__).parents[2]


class SiteError(Exception):
    """The site could not be built; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where one site is built from and to."""

    root: Path
    """The repository."""
    output: Path
    """Jupyter Book writes to ``output/_build/html``."""
    solutions: bool
    """Whether this is the instructor's site."""

    @property
    def index(self) -> Path:
        """The first page."""
        return self.output / "_build" / "html" / "index.html"


def build_site(site: Site) -> Path:
    """Build a site and return the path of its first page.

    Raises:
        SiteError: if generated files are out of date, a page fails, or Sphinx warns of anything.
    """
    check_generated(site.root)
    book = site.root / "book"
    try:
        check_toc(book)
        if site.solutions:
            book = stage_instructor_book(book, site.output / "book")
    except (ValueError, RuntimeError) as error:
        raise SiteError(str(error)) from error
    try:
        cache = execute_pages(site.root, os.cpu_count() or 1)
    except PageError as error:
        raise SiteError(str(error)) from error
    run_jupyter_book(site, book, cache)
    return site.index


def run_jupyter_book(site: Site, book: Path, cache: Path) -> None:
    """Run Jupyter Book in a process of its own, with warnings as errors."""
    build = site.root / "_build"
    kernels = write_kernel(site.root, build / "jupyter")
    environment = sphinx_environment(site.root, kernels, cache)
    options = ["--config", str(site.root / "_config.yml"), "--path-output", str(site.output)]
    program = str(Path(sys.executable).with_name("jupyter-book"))
    command = [program, "build", str(book), *options, "-W", "-n", "--keep-going"]
    if subprocess.run(command, cwd=site.root, env=environment, check=False).returncode:
        raise SiteError("the site was not built; the messages above name the page and the line")
    if not site.index.is_file():
        raise SiteError(f"Jupyter Book reported success but wrote no {site.index}")


def check_generated(root: Path) -> None:
    """Refuse to build from exercise pages that are older than their source.

    Raises:
        SiteError: naming what is out of date.
    """
    command = [sys.executable, "-m", "autograder", "stale"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if result.returncode:
        found = f"{result.stdout}{result.stderr}".rstrip()
        raise SiteError(f"generated files are out of date, run: make generate\n{found}")
