"""Submissions with a known score: the reference, the stub, and the reference with one named mistake in it."""

from pathlib import Path

from autograder.checks.registry import specs
from autograder.checks.spec import ExerciseSpec, Mistake
from autograder.pipeline.course import Course
from rlcourse.chapters import Chapter

TIMESTAMP = "2027-01-15 12:00:00 UTC"

PLANTED = """

# A named mistake, planted to see whether the checks notice it.
def _plant():
    import importlib
    import sys
    import types

    before = dict(sys.modules)
    for name, text in SOURCES.items():
        package, _, last = name.rpartition(".")
        try:
            parent = importlib.import_module(package)
        except (ImportError, OSError):  # the author's side cannot be seen here
            parent = sys.modules.setdefault(package, types.ModuleType(package))
        module = sys.modules[name] = types.ModuleType(name)
        setattr(parent, last, module)
        exec(text, module.__dict__)
    spec = module.EXERCISE
    for name in set(sys.modules) - set(before):
        if name.startswith(("autograder", "rlcourse.checks")):
            del sys.modules[name]
    sys.modules.update(before)
    return next(mistake.code for mistake in spec.mistakes if mistake.name == {mistake!r})


{target} = _plant()
"""


def reference(course: Course, chapter: Chapter) -> str:
    """The solution, as a student's file."""
    return (course.repository / "solutions" / f"{chapter.module}.py").read_text("utf-8")


def stub(course: Course, chapter: Chapter) -> str:
    """The module as released."""
    return (course.source(chapter) / f"{chapter.module}.py").read_text("utf-8")


def mistakes(chapter: Chapter) -> list[tuple[ExerciseSpec, Mistake]]:
    """Every named mistake of a chapter."""
    return [(spec, mistake) for spec in specs(chapter.module) for mistake in spec.mistakes]


def with_mistake(course: Course, chapter: Chapter, spec: ExerciseSpec, mistake: Mistake) -> str:
    """The solution with one function replaced by a mistaken one, as a file that stands alone."""
    checks = course.repository / "autograder" / "checks"
    home = Path(checks / chapter.module / f"{spec.targets[0]}.py")
    if not home.exists():
        home = next(file for file in (checks / chapter.module).glob("*.py") if _holds(file, spec))
    probes = f"rlcourse.checks.probes.{chapter.module}"
    shared = [checks / "spec.py", *sorted(checks.glob("*oracles.py"))]
    sources = {probes: (course.repository / f"{probes.replace('.', '/')}.py").read_text("utf-8")}
    sources |= {f"autograder.checks.{f.stem}": f.read_text("utf-8") for f in shared}
    sources |= _helpers(checks / chapter.module)
    sources[f"autograder.checks.{home.stem}"] = home.read_text("utf-8")
    code = PLANTED.replace("{mistake!r}", repr(mistake.name))
    code = code.replace("{target}", spec.target_of(mistake))
    return f"{reference(course, chapter)}\n\nSOURCES = {sources!r}\n{code}"


def _helpers(folder: Path) -> dict[str, str]:
    """What several exercises, or a long one, share: the files of a chapter's checks that hold no exercise."""
    texts = {file.stem: file.read_text("utf-8") for file in sorted(folder.glob("[!_]*.py"))}
    return {
        f"autograder.checks.{folder.name}.{name}": text
        for name, text in texts.items()
        if "\nEXERCISE = " not in text
    }


def _holds(file: Path, spec: ExerciseSpec) -> bool:
    return f'number="{spec.number}"' in file.read_text("utf-8")


def put(course: Course, chapter: Chapter, student: str, module: str | None) -> None:
    """Hand in a module with the released notebook, as ``student``; None leaves the module out."""
    folder = course.submitted(student, chapter)
    folder.mkdir(parents=True, exist_ok=True)
    notebook = f"{chapter.module}.ipynb"
    (folder / notebook).write_bytes((course.release(chapter) / notebook).read_bytes())
    file = folder / f"{chapter.module}.py"
    if module is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(module, "utf-8")
    (folder / "timestamp.txt").write_text(f"{TIMESTAMP}\n", "utf-8")
