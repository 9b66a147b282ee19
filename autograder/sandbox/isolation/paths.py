"""What the student's process can see of the file system, and what it never may."""

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

WORK = "/submission"
"""Where the submission's files lie in a sandbox with a root of its own."""
_SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime",
    "/etc/alternatives", "/sys/devices/system/cpu",
)  # fmt: skip
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class View:
    """The allow-list of one sandbox."""

    readable: tuple[str, ...]
    """Files and folders that can be read, and nothing else besides the work folder."""
    hidden: tuple[str, ...]
    """Folders that must stay out of sight even if they lie below a readable one."""

    def exposed(self) -> list[str]:
        """Return the hidden folders that lie below a readable one."""
        return [
            secret
            for secret in self.hidden
            if any(Path(secret).is_relative_to(path) for path in self.readable)
        ]


def default_view(secrets: tuple[str, ...] = ()) -> View:
    """Return the allow-list: Python, its packages, the course's package; never the author's side.

    Args:
        secrets: further folders to hide, such as the one of an author's solutions.
    """
    import rlcourse

    package = Path(rlcourse.__file__).resolve().parent
    here = Path(__file__).resolve().parents[2]
    python = (sys.prefix, sys.base_prefix, *_site_packages())
    readable = [*_SYSTEM, *python, *_parents_of_links(sys.executable), str(package)]
    hidden = [str(here), *(str(Path(secret).resolve()) for secret in secrets)]
    existing = dict.fromkeys(path for path in readable if os.path.lexists(path))
    top = [path for path in existing if not _below_another(path, existing)]
    return View(tuple(top), tuple(dict.fromkeys(hidden)))


def _site_packages() -> list[str]:
    paths = sysconfig.get_paths()
    return [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]


def _parents_of_links(executable: str) -> list[str]:
    """Return the folders of the real interpreter, which may lie outside of the environment."""
    real = Path(executable).resolve()
    return [str(real.parent.parent)] if real.parent.name == "bin" else [str(real)]


def _below_another(path: str, paths: dict[str, None]) -> bool:
    return any(other != path and Path(path).is_relative_to(other) for other in paths)
