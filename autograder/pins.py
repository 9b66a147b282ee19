"""Write constraints.txt from the packages installed now: ``make constraints``."""

import re
import subprocess
import sys
from pathlib import Path

HEADER = """\
# Every package of the course's environment, as it was tested together. torch is named without its
# build: RLCOURSE_TORCH_INDEX, or the configuration of pip, decides between CPU and CUDA.
# To renew: change pyproject.toml, install, then `make constraints`.
"""


def portable(freeze: str) -> list[str]:
    """Keep what ``pip freeze`` says that holds on any machine.

    Args:
        freeze: its output, one package a line.

    Returns:
        lines ``name==version`` without a local build such as ``+cpu``; the course itself left out.

    Raises:
        ValueError: if a package came from a file or a repository, which no other machine has.
    """
    pins = []
    for line in freeze.splitlines():
        if line.startswith("-e ") or re.match("rlcourse[ =]", line):
            continue
        if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", line):
            raise ValueError(f"{line!r} is no release of a package index; install one instead")
        pins.append(line.split("+")[0])
    return pins


def main() -> int:
    """Ask pip and write the file."""
    command = [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    file = Path(__file__).resolve().parent.parent / "constraints.txt"
    file.write_text(HEADER + "\n".join(portable(answer)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
