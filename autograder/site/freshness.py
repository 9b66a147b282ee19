"""When must a page be executed again? When the code that it runs has changed.

The execution cache of Jupyter Book looks at a page's own cells only, so that a change in
``rlcourse`` would leave old numbers on the site.
"""

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from autograder.site.dependencies import dependencies

CODE = ("rlcourse", "solutions")
PINS = ("constraints.txt",)
DATA = "rlcourse/data"
LIBRARIES = ("torch", "numpy", "matplotlib", "gymnasium", "ipykernel", "myst-nb")


def code_key(root: Path) -> str:
    """A short hash of all code of the course, of its data, the pins and the libraries."""
    folders = [sorted((root / folder).rglob("*")) for folder in CODE]
    return _key([file for files in folders for file in files], root, [])


def page_key(sources: Iterable[str], root: Path) -> str:
    """A short hash of a page's code cells and of all that they stand on.

    Args:
        sources: the page's code cells.
        root: the repository.
    """
    sources = list(sources)
    data = sorted((root / DATA).rglob("*"))
    return _key([*sorted(dependencies(sources, root)), *data], root, sources)


def _key(files: Iterable[Path], root: Path, sources: Iterable[str]) -> str:
    digest = hashlib.sha256(platform.python_version().encode())
    for name in LIBRARIES:
        digest.update(f"{name}={_installed(name)}".encode())
    for source in sources:
        digest.update(source.encode() + b"\0")
    for file in [*files, *(root / name for name in PINS)]:
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
