"""When must a page be executed again? When the code it runs has changed.

The execution cache of Jupyter Book looks at a page's own cells only, so that a change in
``rlcourse`` would leave old numbers on the site. The cache therefore lives in a folder named after
a hash of that code and of what it stands on.
"""

import hashlib
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CODE = ("rlcourse", "solutions")
PINS = ("constraints.txt", "pyproject.toml")
LIBRARIES = ("torch", "numpy", "matplotlib", "gymnasium", "ipykernel", "myst-nb")
KEPT = 3
"""How many of the latest caches stay: going back and forth between states is quick."""


def code_files(root: Path) -> Iterator[Path]:
    """The files whose content can change what a page prints."""
    for folder in CODE:
        files = sorted((root / folder).rglob("*"))
        yield from (file for file in files if file.is_file() and "__pycache__" not in file.parts)
    yield from (root / name for name in PINS if (root / name).is_file())


def code_key(root: Path) -> str:
    """A short hash of the code, the pins and the installed libraries."""
    digest = hashlib.sha256(platform.python_version().encode())
    for name in LIBRARIES:
        digest.update(f"{name}={_installed(name)}".encode())
    for file in code_files(root):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def execution_cache(root: Path, build: Path) -> Path:
    """The folder for the outputs of pages run with the code as it is now; old ones go."""
    folder = build / "executed" / code_key(root)
    folder.mkdir(parents=True, exist_ok=True)
    folder.touch()
    others = sorted(folder.parent.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in others[KEPT:]:
        shutil.rmtree(old)
    return folder


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
