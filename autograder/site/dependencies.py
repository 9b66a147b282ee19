"""Which files of the course does a piece of code stand on?"""

import ast
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = "rlcourse"
MODULE_NAME = re.compile(rf"{PACKAGE}(\.\w+)+")
PARSING = threading.Lock()
"""Python 3.11 counts how deep it parses once for all threads: two at a time may end with a SystemError."""


def dependencies(sources: Iterable[str], root: Path) -> set[Path]:
    """The files that some sources import, and all that those import in turn.

    A chapter's module is the author's solution, as on the pages. A string that is the name of a
    module counts as an import of it.

    Args:
        sources: Python code.
        root: the repository.

    Raises:
        SyntaxError: if a source is not Python.
    """
    found: set[Path] = set()
    waiting = {name for source in sources for name in imported_modules(source)} | {PACKAGE}
    while waiting:
        for file in module_files(waiting.pop(), root):
            if file not in found:
                found.add(file)
                waiting |= set(imported_modules(file.read_text("utf-8")))
    return found


def imported_modules(source: str) -> Iterator[str]:
    """Full names of the modules of this package that a source mentions, and of their parents."""
    with PARSING:
        tree = ast.parse(source)
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value] if MODULE_NAME.fullmatch(node.value) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == PACKAGE:
                yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def module_files(name: str, root: Path) -> list[Path]:
    """The file of a module, or none if the name is not that of a module."""
    _, *parts = name.split(".")
    if len(parts) == 1 and (solution := root / "solutions" / f"{parts[0]}.py").is_file():
        return [solution]
    place = root.joinpath(PACKAGE, *parts)
    candidates = [place.with_suffix(".py")] if parts else []
    return [file for file in [*candidates, place / "__init__.py"] if file.is_file()]
