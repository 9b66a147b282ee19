"""The student's command: ``rlcourse check``, ``hint``, ``list`` and ``submit``."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import rlcourse
from rlcourse.chapters import CHAPTERS, Chapter, find_chapter
from rlcourse.checks import memory
from rlcourse.checks.exercise import Exercise, exercises, find_exercise
from rlcourse.checks.runner import Report, describe, run_exercise

EPILOG = """\
examples:
  rlcourse check 2.3                check one exercise
  rlcourse check policy_gradient    check a whole chapter
  rlcourse hint 2.3                 the next hint of an exercise
  rlcourse list                     what there is, and how far you are
  rlcourse submit ch02              pack your work and hand it in
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status (1 if a check did not pass)."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (ValueError, OSError) as error:
        print(f"rlcourse: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nrlcourse: interrupted; is there a loop that never ends?", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rlcourse", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=rlcourse.__version__)
    commands = parser.add_subparsers(required=True, metavar="command")
    check = commands.add_parser("check", help="check exercises and say what is wrong")
    check.add_argument(
        "what", nargs="*", help="2.3, ch02 or policy_gradient; if left out, what is in this folder"
    )
    check.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    check.set_defaults(run=_check)
    hint = commands.add_parser("hint", help="show the next hint of an exercise")
    hint.add_argument("number", help="such as 2.3")
    hint.add_argument("--all", action="store_true", help="show every hint at once")
    hint.set_defaults(run=_hint)
    listing = commands.add_parser("list", help="list chapters and exercises")
    listing.set_defaults(run=_list)
    submit = commands.add_parser("submit", help="pack a chapter's folder and hand it in")
    submit.add_argument("chapter", help="ch02 or policy_gradient")
    submit.add_argument("--to", help="folder to hand in to; else RLCOURSE_INBOX, else here")
    submit.set_defaults(run=_submit)
    for command in (check, submit):
        command.add_argument("--folder", default=None, help="where your module is; else found here")
    return parser


def folder_of(chapter: Chapter, given: str | None) -> Path | None:
    """The folder with the student's module: the one given, this one, or ``ch02`` in or above it.

    Raises:
        FileNotFoundError: if a folder was given and the module is not in it.
    """
    name = f"{chapter.module}.py"
    if given is not None:
        if not (Path(given) / name).is_file():
            raise FileNotFoundError(f"there is no {name} in {given}")
        return Path(given)
    here = Path.cwd()
    for base in (here, *here.parents[:3]):
        for folder in (base, base / chapter.assignment, base / "assignments" / chapter.assignment):
            if (folder / name).is_file() and folder.name != "solutions":
                return folder
    return None


def _check(options: argparse.Namespace) -> int:
    chosen = [
        item for text in options.what or _modules_here(options.folder) for item in _named(text)
    ]
    reports = []
    for module in dict.fromkeys(exercise.chapter.module for exercise in chosen):
        folder = folder_of(find_chapter(module), options.folder)
        if folder is not None:
            rlcourse.overlay(folder)
        if not options.json:
            print(f"Checking {folder / f'{module}.py' if folder else f'rlcourse.{module}'}\n")
        for exercise in chosen:
            if exercise.chapter.module == module:
                reports.append(run_exercise(exercise))
                if not options.json:
                    print(_verdict(reports[-1]), flush=True)
    memory.remember("passed", {item.exercise.number: int(item.passed) for item in reports})
    print(json.dumps([_as_data(report) for report in reports]) if options.json else _sum(reports))
    return int(not all(report.passed for report in reports))


def _modules_here(folder: str | None) -> list[str]:
    """The chapters whose module lies in this folder; all chapters where none does."""
    here = Path(folder) if folder else Path.cwd()
    present = [item.module for item in CHAPTERS if (here / f"{item.module}.py").is_file()]
    return present or [item.module for item in CHAPTERS]


def _named(text: str) -> tuple[Exercise, ...]:
    """One exercise for ``2.3``, all of a chapter for anything else."""
    if "." in text:
        return (find_exercise(text),)
    return exercises(find_chapter(text).module)


def _verdict(report: Report) -> str:
    exercise = report.exercise
    if report.passed:
        return f"{exercise.number} {exercise.title}: passed, {exercise.visible_points:g} points"
    return describe(report)


def _sum(reports: Sequence[Report]) -> str:
    got = sum(report.exercise.visible_points for report in reports if report.passed)
    whole = sum(report.exercise.visible_points for report in reports)
    passed = sum(report.passed for report in reports)
    rest = sum(report.exercise.hidden_points for report in reports)
    return (
        f"\n{passed} of {len(reports)} exercises pass: {got:g} of {whole:g} points. "
        f"Another {rest:g} are for the same demands on inputs you do not see."
    )


def _as_data(report: Report) -> dict[str, object]:
    return {
        "exercise": report.exercise.number,
        "passed": report.passed,
        "started": not report.unstarted,
        "points": report.exercise.visible_points if report.passed else 0.0,
        "mistakes": [mistake.name for mistake in report.mistakes],
        "message": "" if report.passed else describe(report),
    }


def _hint(options: argparse.Namespace) -> int:
    exercise = find_exercise(options.number)
    seen = memory.recall("hints")
    shown = len(exercise.hints) if options.all else min(seen.get(exercise.number, 0) + 1, 3)
    first = 0 if options.all else shown - 1
    for index in range(first, shown):
        print(
            f"{exercise.number} hint {index + 1} of {len(exercise.hints)}: {exercise.hints[index]}"
        )
    if not options.all and shown < len(exercise.hints):
        print(f"\nStill stuck? Try it first, then `rlcourse hint {exercise.number}` again.")
    memory.remember("hints", {exercise.number: shown})
    return 0


def _list(options: argparse.Namespace) -> int:
    passed = memory.recall("passed")
    for chapter in CHAPTERS:
        print(f"{chapter.assignment}  {chapter.title} ({chapter.module}.py)")
        for exercise in exercises(chapter.module):
            state = {0: "not yet", 1: "passed"}.get(passed.get(exercise.number, -1), "")
            print(
                f"  {exercise.number:<5} {exercise.title:<44} {exercise.points:g} points, "
                f"{exercise.minutes} minutes, difficulty {exercise.difficulty}  {state}".rstrip()
            )
    if passed:
        print("\n`passed` and `not yet` are what the last `rlcourse check` in this folder saw.")
    return 0


def _submit(options: argparse.Namespace) -> int:
    from rlcourse.checks.submit import submit

    chapter = find_chapter(options.chapter)
    folder = folder_of(chapter, options.folder)
    if folder is None:
        raise FileNotFoundError(
            f"no {chapter.module}.py here: go to your {chapter.assignment} folder, or name it with --folder"
        )
    submit(chapter, folder, options.to)
    return 0


if __name__ == "__main__":
    sys.exit(main())
