"""The Jupyter kernel that executes the pages: the only process of a build that sees the solutions.

Sphinx itself imports the stubs, so that reference pages and highlighted sources carry no solution.
"""

import json
import os
import sys
from pathlib import Path

from autograder.pipeline.result import write_atomically


def write_kernel(root: Path, folder: Path) -> Path:
    """Describe a ``python3`` kernel that sees ``solutions``; returns a ``JUPYTER_PATH``."""
    spec = folder / "kernels" / "python3"
    spec.mkdir(parents=True, exist_ok=True)
    description = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "env": kernel_environment(root),
    }
    write_atomically(spec / "kernel.json", (json.dumps(description, indent=1) + "\n").encode())
    return folder


def kernel_environment(root: Path) -> dict[str, str]:
    """What differs in the kernel from the process that starts it."""
    return {
        "RLCOURSE_OVERLAY": str(root / "solutions"),
        "PYTHONPATH": str(root),
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        # A progress bar in a cell's output becomes a widget, and a widget asks a server for its script.
        "RLCOURSE_PROGRESS": "0",
    }


def sphinx_environment(root: Path, kernels: Path, cache: Path) -> dict[str, str]:
    """The environment of the building process: no overlay, our kernel and our cache."""
    environment = {key: value for key, value in os.environ.items() if key != "RLCOURSE_OVERLAY"}
    others = [environment[key] for key in ("JUPYTER_PATH",) if key in environment]
    return environment | {
        "JUPYTER_PATH": os.pathsep.join([str(kernels), *others]),
        "RLCOURSE_EXECUTION_CACHE": str(cache),
        "PYTHONPATH": str(root),
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
    }
