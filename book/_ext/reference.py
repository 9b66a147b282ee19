"""Reference pages that list every module of a package by themselves, from the docstrings.

A line ``<!-- modules of rlcourse.support -->`` in a page becomes one section a module.
"""

import pkgutil
import re
from importlib import import_module

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from rlcourse.chapters import CHAPTERS

MARKER = re.compile(r"^<!-- modules of ([\w.]+) -->$", re.MULTILINE)
CHAPTERS_MARKER = "<!-- modules of the chapters -->"
SECTION = """
## `{name}`

```{{eval-rst}}
.. automodule:: {module}
   :members:
```
"""


def section(module: str) -> str:
    """The section of one module, as MyST."""
    return SECTION.format(name=module.rpartition(".")[2], module=module)


def package_sections(match: re.Match[str]) -> str:
    """One section for each public module of the package named in the marker."""
    package = import_module(match.group(1))
    names = sorted(
        info.name
        for info in pkgutil.iter_modules(package.__path__)
        if not info.name.startswith("_")
    )
    sections = [section(f"{package.__name__}.{name}") for name in names]
    return "\n".join(sections) or "Nothing here yet."


def expand(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace the markers of a page."""
    if not page.startswith("reference/"):
        return
    chapters = "\n".join(section(f"rlcourse.{chapter.module}") for chapter in CHAPTERS)
    source[0] = MARKER.sub(package_sections, source[0].replace(CHAPTERS_MARKER, chapters))


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Pages that depend on the code or on the table of chapters are read again at every build."""
    return [page for page in env.found_docs if page.startswith("reference/") or page == "index"]


def setup(app: Sphinx) -> None:
    """Connect both hooks."""
    app.connect("source-read", expand)
    app.connect("env-get-outdated", outdated)
