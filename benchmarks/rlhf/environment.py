"""Environments of their own for what a benchmark compares with, and that the course must not depend on."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TORCH = "torch==2.13.0"
"""The torch of the course."""


def python_with(folder: Path, packages: Sequence[str]) -> Path:
    """Path of a Python that has the packages (``name==version``); makes it where there is none.

    Raises:
        SystemExit: if the folder has other versions.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        for package in packages:  # in order, each from where pip finds it
            subprocess.run([str(python), "-m", "pip", "install", "-q", package], check=True)
    for package in packages:
        name, _, wanted = package.partition("==")
        code = f"from importlib.metadata import version; print(version({name!r}))"
        found = subprocess.run([str(python), "-c", code], capture_output=True, text=True)
        if found.stdout.strip().partition("+")[0] != wanted:
            said = found.stdout.strip() or "none"
            raise SystemExit(
                f"{folder} holds {name} {said}, not {wanted}: remove it, or name another"
            )
    return python
