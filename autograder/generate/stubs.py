"""Make a chapter's stub from its solution: every solution region becomes a NotImplementedError."""

import ast
import re
from dataclasses import dataclass

BEGIN = re.compile(r"^(?P<indent>\s*)### BEGIN SOLUTION (?P<number>\d+\.\d+)$")
END = re.compile(r"^\s*### END SOLUTION$")
MARKER = re.compile(r"(BEGIN|END)\s+SOLUTION", re.IGNORECASE)

HEADER = """\
# Generated from the authors' solutions/{module}.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401 (what the holes need is imported already)
"""


class BadMarker(SyntaxError):
    """A solution file whose regions cannot be taken out safely. Nothing is written."""


@dataclass(frozen=True, slots=True)
class Region:
    """One solution region."""

    number: str
    first: int
    """Line of the BEGIN marker, from 1."""
    last: int
    """Line of the END marker."""
    indent: str
    lines: tuple[str, ...]

    @property
    def size(self) -> int:
        """Lines that say something."""
        return sum(bool(line.strip()) for line in self.lines)


def regions(source: str) -> list[Region]:
    """The solution regions of a file, in order.

    Raises:
        BadMarker: for a malformed, nested, unopened or unclosed marker.
    """
    found: list[Region] = []
    opened: tuple[str, int, str] | None = None
    lines = source.splitlines()
    for number, line in enumerate(lines, 1):
        if begin := BEGIN.match(line):
            if opened:
                raise BadMarker(f"line {number}: BEGIN SOLUTION inside exercise {opened[0]}")
            opened = begin["number"], number, begin["indent"]
        elif END.match(line):
            if not opened:
                raise BadMarker(f"line {number}: END SOLUTION without a BEGIN")
            exercise, first, indent = opened
            found.append(Region(exercise, first, number, indent, tuple(lines[first : number - 1])))
            opened = None
        elif MARKER.search(line) and "###" in line:
            raise BadMarker(f"line {number}: malformed marker {line.strip()!r}")
    if opened:
        raise BadMarker(f"exercise {opened[0]} (line {opened[1]}): no END SOLUTION")
    return found


def stub(source: str, module: str) -> str:
    """The source with every solution region replaced.

    Raises:
        BadMarker: for bad markers, an empty region, one that does not run to the end of its function, or one whose
            removal would change a name, a signature or a docstring.
    """
    lines = source.splitlines()
    owners = functions_by_line(source)
    for region in reversed(regions(source)):
        if region.size == 0:
            raise BadMarker(f"exercise {region.number} (line {region.first}): nothing to solve")
        owner, end = owners.get(region.first, ("", 0))
        if not owner or end >= region.last:
            raise BadMarker(
                f"exercise {region.number} (line {region.first}): "
                "a region must run to the end of its function"
            )
        several = "lines" if region.size > 1 else "line"
        lines[region.first - 1 : region.last] = [
            f"{region.indent}# Exercise {region.number}: your code here "
            f"({region.size} {several} in our solution).",
            f'{region.indent}raise NotImplementedError("Exercise {region.number}: write {owner}")',
        ]
    text = HEADER.format(module=module) + "\n".join(lines) + "\n"
    if interface(text) != interface(source):
        raise BadMarker("a solution region changes a name, a signature or a docstring")
    return text


def functions_by_line(source: str) -> dict[int, tuple[str, int]]:
    """For each line: the innermost function around it and the last line of code outside any region after it.

    The second number is the last line of the function's own code that follows the region, or 0.
    """
    tree = ast.parse(source)
    spans = [(region.first, region.last) for region in regions(source)]
    found: dict[int, tuple[str, int]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        for first, last in spans:
            if node.lineno < first and (node.end_lineno or 0) >= first:
                behind = [item.lineno for item in node.body if item.lineno > last]
                found[first] = (node.name, max(behind, default=0))
    return found


def interface(source: str) -> list[str]:
    """Names, signatures, decorators and docstrings without bodies: must survive the stripping."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            decorators = ",".join(ast.unparse(item) for item in node.decorator_list)
            shape = ast.unparse(node.args) if isinstance(node, ast.FunctionDef) else ""
            result = getattr(node, "returns", None)
            returns = ast.unparse(result) if result else ""
            found.append(
                f"@{decorators} {node.name}({shape}) -> {returns} {ast.get_docstring(node)!r}"
            )
    return found


def signature(source: str, name: str) -> str:
    """The ``def`` line of a function, or the ``class`` line with the signatures of its public methods."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _def_line(node)
        if isinstance(node, ast.ClassDef) and node.name == name:
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            return "\n".join([f"class {name}:", *(f"    {_def_line(item)}" for item in methods)])
    raise KeyError(f"no function or class {name}")


def _def_line(node: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"def {node.name}({ast.unparse(node.args)}){returns}: ..."
    if len(line) <= 92:
        return line
    arguments = ast.unparse(node.args).split(", ")
    inner = "".join(f"\n    {argument}," for argument in _rejoin(arguments))
    return f"def {node.name}({inner}\n){returns}: ..."


def _rejoin(parts: list[str]) -> list[str]:
    """Undo splits inside brackets."""
    joined: list[str] = []
    for part in parts:
        if joined and joined[-1].count("[") > joined[-1].count("]"):
            joined[-1] += ", " + part
        else:
            joined.append(part)
    return joined
