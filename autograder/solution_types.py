"""Check the types of the solutions, each standing where its stub stands: part of ``make types``.

mypy follows files, not the overlay, so it is given a copy of the package (links, in a temporary
folder) in which every chapter's stub is replaced by its solution.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def overlaid(folder: Path, root: Path = ROOT) -> list[str]:
    """Link the package into ``folder``, with the solutions in place of the stubs.

    Args:
        folder: where to write ``rlcourse/``.
        root: the repository.

    Returns:
        the modules replaced, such as ``["policy_gradient"]``.
    """
    package = folder / "rlcourse"
    package.mkdir()
    solutions = {file.name: file for file in (root / "solutions").glob("*.py")}
    ours = {entry.name: entry for entry in (root / "rlcourse").iterdir()}
    for name, entry in (ours | solutions).items():
        if name != "__pycache__":
            (package / name).symlink_to(entry)
    return sorted(Path(name).stem for name in solutions)


def check_types(root: Path = ROOT) -> int:
    """Run mypy over the package with its solutions; return its exit status."""
    cache, config = root / ".mypy_cache" / "solutions", root / "pyproject.toml"
    with tempfile.TemporaryDirectory() as folder:
        modules = overlaid(Path(folder), root)
        options = ["--config-file", str(config), "--cache-dir", str(cache), "-p", "rlcourse"]
        command = [sys.executable, "-m", "mypy", *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    report = done.stdout + done.stderr
    for module in modules:
        report = report.replace(f"rlcourse/{module}.py", f"solutions/{module}.py")
    print(f"with the solutions of {', '.join(modules) or 'no chapter'}: {report}", end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(check_types())
