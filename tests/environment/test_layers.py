"""Who may import whom: recipes, then chapters, then support; the author's side stays apart."""

import ast
import subprocess
from pathlib import Path

import pytest

from rlcourse.chapters import CHAPTERS

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = {chapter.module: chapter.number for chapter in CHAPTERS}

# What each room of the package may import of the package; chapters are compared by number.
MAY_IMPORT = {
    "support": {"support"},
    "chapter": {"support", "chapter"},
    "recipes": {"support", "chapter", "recipes", "table"},
    "checks": {"support", "checks", "table", "root"},
    "table": set(),
    "root": {"table"},
}


def module_of(path, root=ROOT):
    """The name a file is imported by; a solution goes by the name of its stub."""
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[0] == "solutions":
        parts[0] = "rlcourse"
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module):
    """The room a module of ``rlcourse`` lies in; the chapter's own name decides for chapters."""
    first = module.split(".")[1] if "." in module else ""
    if first in ("support", "recipes", "checks"):
        return first
    return {"": "root", "chapters": "table"}.get(first, "chapter")


def imported(tree, module, is_package):
    """Full names a module imports anywhere in its code; ``from a import b`` gives ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".") if is_package else module.split(".")[:-1]
            above = base[: len(base) - node.level + 1] if node.level else []
            start = ".".join(above + ([node.module] if node.module else []))
            yield from (f"{start}.{alias.name}" for alias in node.names)


def offences(path, source, root=ROOT):
    """Imports in ``source`` that a file at ``path`` must not have, each as one sentence."""
    module = module_of(path, root)
    inside = module.split(".")[0] == "rlcourse"
    room = room_of(module)
    for name in imported(ast.parse(source), module, path.name == "__init__.py"):
        top = name.split(".")[0]
        if top == "solutions":
            yield f"{module} imports {name}: say rlcourse, the overlay decides"
        elif inside and top == "autograder":
            yield f"{module} imports {name}: the package never needs the author's side"
        elif inside and top == "rlcourse":
            yield from misplaced(module, room, name)


def misplaced(module, room, name):
    """Say what is wrong with ``module``, which lies in ``room``, importing ``name``."""
    target = room_of(name)
    if target == "root" or (name.count(".") == 1 and not is_module(name)):
        target = "root"
    if target not in MAY_IMPORT[room]:
        yield f"{module} ({room}) imports {name} ({target})"
    elif room == target == "chapter":
        own, other = module.split(".")[1], name.split(".")[1]
        if NUMBERS.get(other, 0) >= NUMBERS.get(own, 0) and other != own:
            yield f"{module} imports {name}, a later chapter"


def is_module(name):
    """Whether ``rlcourse.x`` is a module, not a name such as ``overlay`` of the package itself."""
    first = name.split(".")[1]
    return first in NUMBERS or any((ROOT / "rlcourse").glob(f"{first}*"))


def python_files():
    """What git would keep; generated and submitted work may be broken, and is no part of this."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).exists()]


def test_every_import_goes_down_one_layer():
    files = python_files()
    assert ROOT / "rlcourse" / "chapters.py" in files
    assert any(path.parent.name == "solutions" for path in files)
    found = [o for path in files for o in offences(path, path.read_text(encoding="utf-8"))]
    assert not found, "\n".join(found)


def test_every_module_of_the_package_belongs_to_a_room():
    """A module beside the chapters that is no chapter would escape the rules."""
    names = {path.stem for path in (ROOT / "rlcourse").glob("*.py")} - {"__init__", "chapters"}
    assert names <= set(NUMBERS)
    assert {path.stem for path in (ROOT / "solutions").glob("*.py")} <= set(NUMBERS)


def test_solutions_are_no_package():
    assert not list((ROOT / "solutions").rglob("__init__.py"))


def test_prerequisites_come_before():
    for chapter in CHAPTERS:
        for module in chapter.prerequisites:
            assert NUMBERS[module] < chapter.number, f"{chapter.module} builds on {module}"


PLANTED = {
    "rlcourse/support/rollouts.py": [
        "from rlcourse import early",
        "from rlcourse.early import f",
        "from ..early import f",
        "def f():\n    import rlcourse.late",
        "from rlcourse.checks import check",
        "from rlcourse.recipes import run",
        "from autograder.checks import check_hidden",
        "from solutions.early import f",
    ],
    "rlcourse/early.py": ["from rlcourse.late import f", "from . import late", "import solutions"],
    "solutions/early.py": ["from rlcourse.late import f", "from rlcourse.recipes.x import run"],
    "rlcourse/recipes/run.py": ["from rlcourse.checks import check", "import autograder"],
    "rlcourse/checks/cli.py": ["from rlcourse import late", "import autograder.checks"],
    "rlcourse/__init__.py": ["from rlcourse.support import seeding", "from . import early"],
    "autograder/generate/stubs.py": ["import solutions.early"],
    "tests/test_x.py": ["from solutions import early"],
}
ALLOWED = {
    "rlcourse/support/rollouts.py": ["import torch", "from .environments import Env"],
    "solutions/late.py": ["from rlcourse.early import f", "from rlcourse.support import Rollout"],
    "rlcourse/recipes/run.py": ["from rlcourse.late import f", "from rlcourse.support import x"],
    "rlcourse/checks/cli.py": ["from rlcourse.chapters import CHAPTERS", "from . import codec"],
    "autograder/generate/stubs.py": ["from rlcourse import late", "import rlcourse.checks"],
}


def pairs(table):
    return [(path, line) for path, lines in table.items() for line in lines]


@pytest.fixture
def two_chapters(monkeypatch):
    """Two chapters in the table: ``early`` and ``late``."""
    for name in list(NUMBERS):
        monkeypatch.delitem(NUMBERS, name)
    monkeypatch.setitem(NUMBERS, "early", 2)
    monkeypatch.setitem(NUMBERS, "late", 3)


@pytest.mark.usefixtures("two_chapters")
@pytest.mark.parametrize(("path", "line"), pairs(PLANTED))
def test_a_planted_wrong_import_is_found(path, line):
    assert list(offences(ROOT / path, line))


@pytest.mark.usefixtures("two_chapters")
@pytest.mark.parametrize(("path", "line"), pairs(ALLOWED))
def test_a_right_import_is_left_alone(path, line):
    assert not list(offences(ROOT / path, line))
