"""Wheels that a GPU machine without a network lacks: list them, fetch them elsewhere, install them there.

Where there is a network, for instance on a laptop (any system; the wheels are those of Linux on x86-64)::

    python benchmarks/finale/wheels.py list
    python benchmarks/finale/wheels.py download wheels --python-version 3.12

Carry the folder over, and there, beside a PyTorch that is left as it is::

    python benchmarks/finale/wheels.py install wheels --into wheels/site
    PYTHONPATH=wheels/site python benchmarks/finale/run.py --trl-path wheels/site --json out.json

Nothing that a wheel needs is fetched with it (``--no-deps``), so that no second PyTorch comes along; what must be there
already is in ``EXPECTED``, and ``install`` says what of it is missing.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

WHEELS = {
    "trl": "1.12.0",
    "datasets": "5.2.0",
    "dill": "0.4.1",
    "multiprocess": "0.70.19",
    "gymnasium": "1.4.0",
    "farama-notifications": "0.0.6",
}
"""Package and version; all but the last two are for TRL alone."""
EXPECTED = {
    "accelerate": "accelerate",
    "cloudpickle": "cloudpickle",
    "fsspec": "fsspec",
    "huggingface-hub": "huggingface_hub",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "pytest": "pytest",
    "pytest-timeout": "pytest_timeout",
    "pyyaml": "yaml",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "tqdm": "tqdm",
    "transformers": "transformers",
    "xxhash": "xxhash",
}
"""Packages that images for GPUs usually hold, and what they are imported as."""
PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
)


def pins() -> list[str]:
    """As pip wants them."""
    return [f"{name}=={version}" for name, version in WHEELS.items()]


def download(folder: Path, python_version: str) -> list[str]:
    """The command that fetches all wheels into a folder."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", python_version]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    return [*command, "--dest", str(folder), *pins()]


def install(folder: Path, into: Path) -> list[str]:
    """The command that installs the wheels of a folder, without a network.

    Raises:
        SystemExit: if a wheel is not there.
    """
    there = {path.name.split("-")[0].replace("_", "-").lower() for path in folder.glob("*.whl")}
    if lacking := sorted(set(WHEELS) - there):
        raise SystemExit(f"{folder} lacks {', '.join(lacking)}: fetch them by `download` elsewhere")
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-compile"]
    return [*command, "--upgrade", "--target", str(into), *sorted(map(str, folder.glob("*.whl")))]


def missing() -> list[str]:
    """Expected packages that this Python does not have."""
    return [name for name, module in EXPECTED.items() if find_spec(module) is None]


def main(arguments: Sequence[str] | None = None) -> int:
    """List, download or install."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the wheels, and what must be there already")
    fetching = commands.add_parser("download", help="fetch the wheels, where there is a network")
    fetching.add_argument("folder", type=Path)
    fetching.add_argument("--python-version", default="3.12", help="of the machine with the GPU")
    putting = commands.add_parser("install", help="install them, where there is none")
    putting.add_argument("folder", type=Path)
    putting.add_argument("--into", type=Path, required=True, help="a folder for PYTHONPATH")
    asked = parser.parse_args(arguments)
    if asked.command == "list":
        print("\n".join(pins()))
        print(f"must be there already: {', '.join(EXPECTED)}")
        return 0
    if asked.command == "download":
        return subprocess.run(download(asked.folder, asked.python_version)).returncode
    if lacking := missing():
        print(f"this Python has no {', '.join(lacking)}: they are expected to be there")
    return subprocess.run(install(asked.folder, asked.into)).returncode


if __name__ == "__main__":
    raise SystemExit(main())
