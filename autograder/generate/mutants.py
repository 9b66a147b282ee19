"""Break each solution on purpose, in process: every mutant must fail some check of its exercise."""

import ast
import copy
import gc
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.checks.build import build
from autograder.checks.registry import earlier_chapters_of, load_module, specs
from autograder.checks.spec import ExerciseSpec
from autograder.generate.stubs import Region, regions
from rlcourse.chapters import CHAPTERS, find_chapter
from rlcourse.checks.runner import run_checks
from rlcourse.checks.subject import LocalSubject

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENTS = Path(__file__).with_name("equivalents")
SECONDS = 3.0
"""CPU time after which a mutant counts as looping, and so as caught."""
AGAIN = 0.5
"""CPU seconds after which the alarm rings again, where the mutant's own code swallowed it."""

SWAPS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.Pow: ast.Mult,
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
RENAMES = {
    "minimum": "maximum",
    "maximum": "minimum",
    "min": "max",
    "max": "min",
    "argmax": "argmin",
    "mean": "sum",
    "sum": "mean",
    "exp": "expm1",
    "log_softmax": "softmax",
    "softmax": "log_softmax",
    "zeros_like": "ones_like",
    "zeros": "ones",
}
DROPPED = {"detach", "clamp", "clone", "exp", "log", "abs", "flip", "cumsum", "float", "squeeze"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change to one node of one exercise's solution."""

    exercise: str
    line: str
    """The line of the solution that was changed."""
    change: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.exercise} `{self.line}` {self.change}"


def variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Small wrong replacements of a node."""
    if isinstance(node, ast.BinOp):
        yield from _operator_variants(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        yield "drop", node.operand
    elif isinstance(node, ast.BoolOp):
        yield "and/or", ast.BoolOp(_other_bool(node.op), node.values)
        yield from (("one side", value) for value in node.values)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        changed = copy.deepcopy(node)
        changed.ops[0] = COMPARISONS[type(node.ops[0])]()
        yield "comparison", changed
    elif isinstance(node, ast.Constant):
        yield from _constant_variants(node.value)
    elif isinstance(node, ast.Call):
        yield from _call_variants(node)
    elif isinstance(node, ast.Subscript):
        yield from _slice_variants(node)


def _operator_variants(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    if type(node.op) in SWAPS:
        changed = copy.deepcopy(node)
        changed.op = SWAPS[type(node.op)]()
        yield "operator", changed
    yield "left only", node.left
    yield "right only", node.right


def _other_bool(operator: ast.boolop) -> ast.boolop:
    return ast.And() if isinstance(operator, ast.Or) else ast.Or()


def _constant_variants(value: Any) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(value, bool):
        yield "not", ast.Constant(not value)
    elif isinstance(value, int | float):
        yield "plus 1", ast.Constant(value + 1)
        if value == 1:
            yield "minus 1", ast.Constant(0)


def _call_variants(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.func, ast.Attribute):
        if node.func.attr in RENAMES:
            changed = copy.deepcopy(node)
            assert isinstance(changed.func, ast.Attribute)
            changed.func.attr = RENAMES[node.func.attr]
            yield "rename", changed
        on_a_value = not isinstance(node.func.value, ast.Name)
        if node.func.attr in {"detach", "clone"} or (node.func.attr in DROPPED and on_a_value):
            yield f"drop {node.func.attr}", node.func.value
    if isinstance(node.func, ast.Name) and node.func.id == "reversed":
        yield "drop reversed", node.args[0]
    for index in range(len(node.args) - 1):
        changed = copy.deepcopy(node)
        changed.args[index : index + 2] = reversed(changed.args[index : index + 2])
        yield "swap arguments", changed
    for index, keyword in enumerate(node.keywords):
        if keyword.arg not in {"dtype"}:
            changed = copy.deepcopy(node)
            del changed.keywords[index]
            yield f"drop {keyword.arg}=", changed


def _slice_variants(node: ast.Subscript) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.slice, ast.Slice) and (node.slice.lower or node.slice.upper):
        changed = copy.deepcopy(node)
        changed.slice = ast.Slice()
        yield "whole slice", changed


class Replace(ast.NodeTransformer):
    """Put one node in place of another, counted in visiting order."""

    def __init__(self, target: int, new: ast.AST) -> None:
        self.target, self.new, self.count = target, new, -1

    def generic_visit(self, node: ast.AST) -> ast.AST:
        self.count += 1
        return self.new if self.count == self.target else super().generic_visit(node)


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of every solution region of a file."""
    tree = ast.parse(source)
    order: list[ast.AST] = []

    class Order(ast.NodeVisitor):
        def generic_visit(self, node: ast.AST) -> None:
            order.append(node)
            super().generic_visit(node)

    Order().visit(tree)
    spans, lines = regions(source), source.splitlines()
    for index, node in enumerate(order):
        region = _region_of(node, spans)
        if region is None:
            continue
        for kind, new in variants(node):
            broken = Replace(index, new).visit(copy.deepcopy(tree))
            change = f"{kind}: {ast.unparse(node)} -> {ast.unparse(new)}"
            text = ast.unparse(ast.fix_missing_locations(broken))
            yield Mutant(region.number, lines[_line(node) - 1].strip(), change, text)


def _region_of(node: ast.AST, spans: list[Region]) -> Region | None:
    line = _line(node)
    return next((region for region in spans if region.first < line < region.last), None)


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def survives(mutant: Mutant, spec: ExerciseSpec, exercises: list[Any]) -> bool:
    """Whether a mutant passes the visible and the hidden checks of its exercise."""
    module = types.ModuleType(find_chapter(mutant.exercise).module)
    try:
        with cpu_limit(SECONDS):
            exec(compile(mutant.source, f"<{mutant.name}>", "exec"), module.__dict__)
            subject = LocalSubject(module)
            return all(
                run_checks(item, (check,), subject).passed
                for item in exercises
                for check in item.checks  # one by one: most mutants fall at the first
            )
    except (Exception, Looping):
        return False


class Looping(BaseException):
    """A mutant used up its CPU time. Not an Exception, so that no check mistakes it for the mutant's own."""


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`Looping` in the main thread after so much CPU time.

    Python drops an exception raised inside a finalizer or a callback of the garbage collector.
    So the collector rests meanwhile, and the alarm rings again until it is heard.
    """

    def stop(*_: Any) -> None:
        raise Looping

    collecting = gc.isenabled()
    gc.disable()
    before: Callable[..., Any] | int | None = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if collecting:
            gc.enable()


def equivalents(module: str) -> dict[str, str]:
    """A chapter's mutants known to change nothing, with the reason: ``name  # reason`` a line."""
    path = EQUIVALENTS / f"{module}.txt"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    pairs = (line.split("  # ", 1) for line in lines if line and not line.startswith("#"))
    return {name.strip(): reason for name, reason in pairs}


def survivors(module: str) -> tuple[int, list[str]]:
    """Number of mutants of a chapter, and the names of those that no check notices."""
    known = {spec.number: spec for spec in specs(module)}
    built = {
        number: [build(spec, hidden) for hidden in (False, True)] for number, spec in known.items()
    }
    reference = load_module("solutions", module)
    for number, items in built.items():
        for item in items:
            report = run_checks(item, item.checks, LocalSubject(reference))
            assert report.passed, f"the reference fails {number}: {report.findings}"
    total, alive = 0, []
    with earlier_chapters_of(ROOT / "solutions"):
        for mutant in mutants((ROOT / "solutions" / f"{module}.py").read_text("utf-8")):
            total += 1
            if survives(mutant, known[mutant.exercise], built[mutant.exercise]):
                alive.append(mutant.name)
    return total, alive


def main(arguments: list[str]) -> int:
    """Print the survivors of the chapters named, or of all; fail if one is not a known equivalent."""
    import torch

    torch.set_num_threads(1)
    chapters = [find_chapter(text) for text in arguments] or list(CHAPTERS)
    status = 0
    for chapter in chapters:
        known = equivalents(chapter.module)
        start = time.process_time()
        total, alive = survivors(chapter.module)
        new = [name for name in alive if name not in known]
        for name in new:
            print(f"SURVIVED {chapter.module} {name}")
        seconds = time.process_time() - start
        print(
            f"{chapter.module}: {total} mutants, {len(new)} survivors, "
            f"{len(alive) - len(new)} known equivalents, {seconds:.0f} CPU s"
        )
        status |= bool(new)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
