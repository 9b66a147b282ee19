"""Write a chapter's exercise page, and its solution page for the instructor's site."""

from collections.abc import Iterator
from pathlib import Path

from autograder.checks.registry import specs
from autograder.checks.spec import ExerciseSpec
from autograder.generate.stubs import Region, regions, signature
from rlcourse.chapters import Chapter

ROOT = Path(__file__).resolve().parents[2]

HEADER = "<!-- Generated from autograder/checks/{module} by `make generate`: edit it there. -->\n"

EXERCISES = """\
# Exercises: {title}

Write the functions in `{module}.py`. After each, run `rlcourse check {number}.1` (or the cell of the notebook): within
seconds it says what is right, what is not, and which known mistake would give just your numbers.
`rlcourse hint {number}.1` gives one hint at a time.

{table}
"""


def facts(spec: ExerciseSpec) -> str:
    """Points, minutes and difficulty in one line."""
    points = f"{spec.points} point{'s' if spec.points != 1 else ''}"
    return f"{points} · about {spec.minutes} minutes · difficulty {spec.difficulty} of 5"


def exercise_page(chapter: Chapter, source: str) -> str:
    """The page ``book/exercises/NN_<module>.md``.

    Args:
        chapter: which one.
        source: text of the solution module, for the signatures.
    """
    head = EXERCISES.format(
        title=chapter.title, module=chapter.module, number=chapter.number, table=_table(chapter)
    )
    parts = [_exercise(chapter, spec, source) for spec in specs(chapter.module)]
    return HEADER.format(module=chapter.module) + head + "\n" + "\n".join(parts)


def solution_page(chapter: Chapter) -> str:
    """The page of solutions, for the instructor's site only; never written into ``book/``."""
    source = (ROOT / "solutions" / f"{chapter.module}.py").read_text("utf-8")
    lines = [f"# Solutions: {chapter.title}", "", "For instructors. Do not publish this page.", ""]
    for spec in specs(chapter.module):
        lines += _solution(spec, source)
    return "\n".join(lines) + "\n"


def _table(chapter: Chapter) -> str:
    rows = ["| exercise | function | points | minutes | difficulty |", "|---|---|---|---|---|"]
    for spec in specs(chapter.module):
        names = ", ".join(f"`{name}`" for name in spec.targets)
        rows.append(
            f"| [{spec.number} {spec.title}](#{anchor(spec)}) | {names} "
            f"| {spec.points} | {spec.minutes} | {spec.difficulty} |"
        )
    total = [sum(getattr(s, name) for s in specs(chapter.module)) for name in ("points", "minutes")]
    return "\n".join([*rows, f"| all | | {total[0]} | {total[1]} | |"])


def anchor(spec: ExerciseSpec) -> str:
    """The label of an exercise on its page."""
    return f"exercise-{spec.number.replace('.', '-')}"


def _exercise(chapter: Chapter, spec: ExerciseSpec, source: str) -> str:
    defs = "\n".join(signature(source, target) for target in spec.targets)
    links = ", ".join(f"{{py:obj}}`rlcourse.{chapter.module}.{name}`" for name in spec.targets)
    lines = [
        f"({anchor(spec)})=",
        f"## {spec.number} {spec.title}",
        "",
        f"*{facts(spec)} · explained in “{spec.section}” of [the chapter](../{chapter.page}.md)*",
        "",
        spec.statement.strip(),
        "",
        f"```python\n{defs}\n```",
        "",
        f"Shapes, formula and source: {links}.",
        "",
        *_hints(spec),
    ]
    return "\n".join(lines)


def _hints(spec: ExerciseSpec) -> Iterator[str]:
    for index, hint in enumerate(spec.hints, 1):
        yield f"```{{dropdown}} Hint {index} of {len(spec.hints)}\n{hint}\n```\n"


def _solution(spec: ExerciseSpec, source: str) -> Iterator[str]:
    yield f"## {spec.number} {spec.title}\n\n{spec.statement.strip()}\n"
    for region in regions(source):
        if region.number == spec.number:
            yield f"```python\n{_dedent(region)}\n```\n"
    yield "Mistakes that the checks know by name:\n"
    for mistake in spec.mistakes:
        yield f"- **{mistake.name}**: {mistake.message}"
    yield ""


def _dedent(region: Region) -> str:
    return "\n".join(line.removeprefix(region.indent) for line in region.lines)
