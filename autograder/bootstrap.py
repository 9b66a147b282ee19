"""Make the environment of the course: ``python3 autograder/bootstrap.py``, or ``make setup``.

It runs before anything is installed, so it uses nothing but the standard library, and syntax that
a Python as old as 3.6 understands: an old ``python3`` then finds a newer one, or says what to
install.

torch comes first, in a call of its own: where pip looks decides which build (CPU or CUDA) it gets,
and ``RLCOURSE_TORCH_INDEX`` names that place. Everything else follows, pinned by constraints.txt.
An interrupted set-up goes on where it stopped; a finished one leaves a stamp and takes no time.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, List, Optional, Tuple

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 11), (3, 14)
NEEDED_GIB = 4.0
STAMP = "rlcourse-ready"
LOG = "rlcourse-setup.log"

Version = Tuple[int, int]

NO_NETWORK = re.compile(
    "name resolution|Name or service not known|nodename nor servname|getaddrinfo failed|"
    "Network is unreachable|No route to host|Connection refused|NewConnectionError|"
    "Failed to establish a new connection|NameResolutionError|ConnectTimeoutError|"
    "ReadTimeoutError|Read timed out|connect to proxy"
)
NO_DISK = re.compile("No space left on device|Disk quota exceeded|not enough space on the disk")
NO_BUILD = re.compile("ERROR: (No matching distribution found.*|Could not find a version.*)")


class SetupError(Exception):
    """The set-up cannot go on; the message is one line that says what to do."""


def text(version: Version) -> str:
    """Write (3, 11) as ``3.11``."""
    return f"{version[0]}.{version[1]}"


def version_of(command: str) -> Optional[Version]:
    """Ask an interpreter for its version; None if it does not run."""
    question = [command, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        major, minor = subprocess.check_output(question, stderr=subprocess.DEVNULL).split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def choose_python(
    asked: Optional[str], ask: Callable[[str], Optional[Version]] = version_of
) -> str:
    """Find an interpreter the pinned packages are built for.

    Args:
        asked: the interpreter the user named (``PYTHON=``), which then must do; None to search.
        ask: tells the version of a command, None if it does not run.

    Raises:
        SetupError: if there is none, with the versions found.
    """
    newest_first = range(NEWEST[1], OLDEST[1] - 1, -1)
    candidates = [asked] if asked else [sys.executable, *(f"python3.{n}" for n in newest_first)]
    found = [(command, ask(command)) for command in candidates]
    for command, version in found:
        if version and OLDEST <= version <= NEWEST:
            return command
    seen = ", ".join(f"{command} is {text(version)}" for command, version in found if version)
    seen = seen or (f"{asked} does not run" if asked else "none runs here")
    raise SetupError(
        f"the course needs Python {text(OLDEST)} to {text(NEWEST)} ({seen}); "
        f"install one, or name it: make setup PYTHON=python{text(OLDEST)}"
    )


def check_disk(folder: Path, needed_gib: float = NEEDED_GIB) -> None:
    """Refuse to start where the environment will not fit.

    Raises:
        SetupError: with what is free and what is needed.
    """
    free = shutil.disk_usage(str(folder)).free / 2**30
    if free < needed_gib:
        raise SetupError(
            f"too little disk: {folder} has {free:.1f} GiB free, this needs {needed_gib:g} GiB; "
            "free some, or put the environment elsewhere: make setup VENV=/other/disk/venv"
        )


def diagnose(output: str) -> Optional[str]:
    """Name the cause of a failed pip run in one line; None if its output tells none."""
    if NO_DISK.search(output):
        return "the disk is full: free some space (pip's cache counts), then run the command again"
    if NO_NETWORK.search(output):
        return "no network: pip cannot reach its index; connect, then run the command again"
    missing = NO_BUILD.findall(output)
    return f"pip finds no build for this machine: {missing[-1]}" if missing else None


def fingerprint(venv: Path, python: Version, extras: str) -> str:
    """Hash what the environment is made from, and where; another hash means it is out of date."""
    digest = hashlib.sha256(f"{ROOT} {venv} {text(python)} {extras}".encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def pinned(package: str) -> str:
    """Read one line of constraints.txt, such as ``torch==2.13.0``."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(pin for pin in pins if pin.startswith(package + "=="))


def interpreter(venv: Path) -> str:
    """Say where an environment keeps its interpreter."""
    return str(venv / "bin" / "python")


def ready(venv: Path, wanted: Optional[Version], extras: str) -> bool:
    """Tell whether a set-up was finished here, from these files, with the Python wanted."""
    stamp, version = venv / STAMP, version_of(interpreter(venv))
    if version is None or (wanted and version != wanted) or not stamp.exists():
        return False
    return stamp.read_text(encoding="utf-8") == fingerprint(venv, version, extras)


def usable(venv: Path, wanted: Optional[Version]) -> bool:
    """Tell whether an unfinished environment can be kept: it runs, has pip, and was not moved."""
    version = version_of(interpreter(venv))
    if version is None or not OLDEST <= version <= NEWEST or (wanted and version != wanted):
        return False
    script = venv / "bin" / "pip"  # its first lines name the interpreter it was made for
    if not script.exists() or str(venv) not in script.read_text(encoding="utf-8")[:500]:
        return False
    command = [interpreter(venv), "-m", "pip", "--version"]
    return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def create(venv: Path, python: str) -> None:
    """Create an empty environment, in place of a broken one.

    Raises:
        SetupError: if the folder holds something else, or if Python came without venv.
    """
    if venv.exists() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").exists():
        raise SetupError(f"{venv} is no Python environment; move it away first")
    command = [python, "-m", "venv", "--clear", str(venv)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode == 0:
        return
    output = made.stdout.decode(errors="replace").strip()
    if "ensurepip" in output:
        package = f"python{text(version_of(python) or OLDEST)}-venv"
        raise SetupError(f"{python} has no venv; on Debian or Ubuntu: apt install {package}")
    raise SetupError(diagnose(output) or f"{python} -m venv failed: {output.splitlines()[-1:]}")


def pip(venv: Path, arguments: List[str]) -> None:
    """Run pip in the environment, its whole output in a log, the cause of a failure in one line."""
    quietly = ["--no-input", "--disable-pip-version-check", "-c", str(ROOT / "constraints.txt")]
    command = [interpreter(venv), "-m", "pip", "install", *quietly, *arguments]
    lines = []
    with open(str(venv / LOG), "a", encoding="utf-8") as log, subprocess.Popen(
        command,
        cwd=str(ROOT),
        env=dict(os.environ, PIP_USER="0"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    ) as process:
        for line in process.stdout or ():
            log.write(line)
            lines.append(line)
            if "Downloading" in line and " MB)" in line:  # a sign of life
                print("   " + line.strip(), flush=True)
    if process.returncode != 0:
        cause = diagnose("".join(lines)) or "pip failed: " + (lines or ["no output"])[-1].strip()
        raise SetupError(f"{cause} (whole output: {venv / LOG})")


def install(venv: Path, extras: str) -> None:
    """Install torch, then everything else, then the course itself as a link to this folder."""
    index = os.environ.get("RLCOURSE_TORCH_INDEX")
    where = ["--index-url", index] if index else []
    small = index or sys.platform != "linux" or shutil.which("nvidia-smi")
    hint = "" if small else " (no GPU here: RLCOURSE_TORCH_INDEX can name an index of CPU builds)"
    steps = [
        ("1/3 pip and setuptools", [pinned("pip"), pinned("setuptools")]),
        (f"2/3 {pinned('torch')}{hint}", [pinned("torch"), *where]),
        ("3/3 everything else", ["--no-build-isolation", "-e", f".[{extras}]"]),
    ]
    for title, arguments in steps:
        start = time.monotonic()
        print(title, flush=True)
        pip(venv, arguments)
        print(f"   {time.monotonic() - start:.0f} s", flush=True)


def set_up(venv: Path, asked: Optional[str], extras: str) -> None:
    """Bring the environment up to date; do nothing if it is."""
    wanted = version_of(choose_python(asked)) if asked else None
    if ready(venv, wanted, extras):
        return
    kept = usable(venv, wanted)
    venv.parent.mkdir(parents=True, exist_ok=True)
    check_disk(venv.parent, 0.5 if kept else NEEDED_GIB)
    if not kept:
        python = choose_python(asked)
        print(f"making {venv} with {python}", flush=True)
        create(venv, python)
    install(venv, extras)
    version = version_of(interpreter(venv)) or OLDEST
    (venv / STAMP).write_text(fingerprint(venv, version, extras), encoding="utf-8")
    print(f"ready: {venv}", flush=True)


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command; 0 when the environment is ready."""
    parser = argparse.ArgumentParser(description="Make the environment of the course.")
    parser.add_argument("--python", default=os.environ.get("PYTHON"), help="interpreter to use")
    parser.add_argument("--venv", default=str(ROOT / ".venv"), help="where to put it")
    parser.add_argument("--extras", default="dev", help="which extras of pyproject.toml")
    options = parser.parse_args(arguments)
    try:
        set_up(Path(options.venv).absolute(), options.python or None, options.extras)
    except SetupError as error:
        print(f"set-up stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
