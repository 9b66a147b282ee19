"""What a GPU is good for: the tests that need one, then the benchmark. ``make gpu`` runs it.

On a machine without a GPU it says so and ends well, so that nobody takes silence for success. Where the course is not
installed and there is no network, run this file itself by the Python that has PyTorch; see ``wheels.py``. Options are
handed to ``run.py``.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
MARK = "pytest.mark." + "gpu"


def tests() -> list[str]:
    """Files that hold a test marked ``gpu``; others may need packages that a GPU machine lacks."""
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    return [str(file) for file in files if MARK in file.read_text("utf-8")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests, and if they pass the benchmark; the first failure's exit status."""
    if not torch.cuda.is_available():
        print("There is no GPU here: no test that needs one was run, and nothing was measured.")
        return 0
    print(f"GPU: {torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    options = list(sys.argv[1:] if arguments is None else arguments)
    environment = os.environ | {"PYTHONPATH": _with_repository(os.environ.get("PYTHONPATH"))}
    # Another PyTorch may warn where the pinned one does not.
    checks = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-W", "default", *tests()]
    figures = [sys.executable, str(HERE / "run.py"), *options]
    for command in (checks, figures):
        status = subprocess.run(command, cwd=REPOSITORY, env=environment).returncode
        if status:
            return status
    return 0


def _with_repository(path: str | None) -> str:
    return os.pathsep.join([str(REPOSITORY), path] if path else [str(REPOSITORY)])


if __name__ == "__main__":
    raise SystemExit(main())
