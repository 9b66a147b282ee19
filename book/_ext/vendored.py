"""MathJax from the installed package instead of a distant server: only the files in use."""

import importlib.metadata
import shutil
from pathlib import Path

from sphinx.application import Sphinx

FONTS = "output/chtml/fonts/woff-v2"


def mathjax_folder() -> Path:
    """Where the package ``sphinx-mathjax-offline`` keeps MathJax.

    Raises:
        importlib.metadata.PackageNotFoundError: if the extra for the book is not installed.
    """
    package = importlib.metadata.distribution("sphinx-mathjax-offline")
    return Path(str(package.locate_file("sphinx-mathjax-offline/static/mathjax")))


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy one bundle and its fonts beside the pages."""
    if error or app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / "vendor" / "mathjax"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source / "tex-chtml.js", target)
    shutil.copytree(source / FONTS, target / FONTS, dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Copy MathJax when the pages are finished."""
    app.connect("build-finished", copy_mathjax)
