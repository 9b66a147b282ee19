"""The instructor's commands: arguments in, words and an exit status out."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from autograder.pipeline.course import Course, default_course
from autograder.pipeline.nbgrader_tools import NbgraderError
from rlcourse.chapters import Chapter, find_chapter

Command = Callable[[Course, argparse.Namespace], int]


def main(command: str, arguments: list[str]) -> int:
    """Run one command; 0 if all went well, 1 if something was left ungraded or wrong, 2 if it makes no sense."""
    if command not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(f"autograder: no command {command!r}; there are {known}", file=sys.stderr)
        return 2
    setup, run = COMMANDS[command]
    parser = argparse.ArgumentParser(
        prog=f"python -m autograder {command}", description=run.__doc__
    )
    setup(parser)
    options = parser.parse_args(arguments)
    try:
        return run(default_course(), options)
    except (NbgraderError, ValueError, OSError, RuntimeError) as error:
        print(f"autograder {command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nautograder {command}: stopped; go on with --resume", file=sys.stderr)
        return 130


def _chapter(text: str) -> Chapter:
    try:
        return find_chapter(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _chapter_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chapter", type=_chapter, help="such as ch02 or policy_gradient")


def _jobs_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, default=1, help="how many to grade at a time")


def _collect_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, nargs="+", help="a folder or a zip archive")
    parser.add_argument("--chapter", type=_chapter, help="if the files do not show it")


def _grade_arguments(parser: argparse.ArgumentParser) -> None:
    _chapter_argument(parser)
    _jobs_argument(parser)
    parser.add_argument("--cluster", metavar="ADDRESS", help="a dask scheduler, tcp://host:8786")
    parser.add_argument("--student", metavar="GLOB", default="*", help="only these students")
    parser.add_argument("--resume", action="store_true", help="keep results that are still valid")


def _feedback_arguments(parser: argparse.ArgumentParser) -> None:
    _chapter_argument(parser)
    parser.add_argument("--student", metavar="GLOB", default="*", help="only these students")


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    _chapter_argument(parser)
    choices = ("canvas", "moodle", "csv", "gradescope")
    parser.add_argument("--to", choices=choices, default="csv", help="for which platform")


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    _chapter_argument(parser)
    _jobs_argument(parser)
    about = "only the reference, the stub and a missing module"
    parser.add_argument("--quick", action="store_true", help=about)


def _folder_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, nargs="?", default=Path("workspace"))


def run_release(course: Course, options: argparse.Namespace) -> int:
    """Make the assignment with nbgrader, and the student distribution."""
    from autograder.pipeline.release import release

    released = release(course, options.chapter)
    print(f"released {released.assignment}\nfor students: {released.archive}")
    return 0


def run_collect(course: Course, options: argparse.Namespace) -> int:
    """Take in every attempt of a download."""
    from autograder.pipeline.collect import collect

    refused = 0
    for source in options.source:
        collected = collect(course, source, options.chapter)
        for refusal in collected.refusals:
            print(f"REFUSED {refusal}")
        refused += len(collected.refusals)
        print(f"{source}: {len(collected.attempts)} attempts, {collected.new} of them new")
    print(f"{refused} files refused" if refused else "nothing refused")
    return 0


def run_grade(course: Course, options: argparse.Namespace) -> int:
    """Grade every attempt; the one that counts goes into the gradebook."""
    from autograder.pipeline.grade import Options, grade

    how = Options(options.jobs, options.cluster, options.student, options.resume)
    summary = grade(course, options.chapter, how)
    print(f"{len(summary.written)} students in the gradebook, {len(summary.ungraded)} ungraded")
    return summary.exit_code


def run_feedback(course: Course, options: argparse.Namespace) -> int:
    """Write each student's page."""
    from autograder.pipeline.feedback import feedback

    pages = feedback(course, options.chapter, options.student)
    print(f"{len(pages)} pages" + (f", such as {pages[0]}" if pages else ""))
    return 0


def run_export(course: Course, options: argparse.Namespace) -> int:
    """Export the grades of a chapter."""
    from autograder.pipeline.export import export

    print(export(course, options.chapter, options.to))
    return 0


def run_similarity(course: Course, options: argparse.Namespace) -> int:
    """Compare all submissions of a chapter with each other."""
    from autograder.pipeline.similarity import similarity

    pairs, report = similarity(course, options.chapter)
    for pair in pairs[:10]:
        shares = f"{pair.share_of_first:4.0%} {pair.share_of_second:4.0%}"
        print(f"{shares}  {pair.first}  {pair.second}")
    print(f"report: {report}")
    return 0


def run_verify(course: Course, options: argparse.Namespace) -> int:
    """Grade submissions of known score, twice, in a course of their own; then the attacks."""
    from autograder.pipeline.verify import attack_suite, verify

    problems = verify(course, options.chapter, options.jobs, mistakes=not options.quick)
    attacks = None if options.quick else attack_suite(course)
    problems += [attacks] if attacks else []
    for problem in problems:
        print(f"WRONG {problem.specimen}: {problem.what}")
    return 1 if problems else 0


def run_course(course: Course, options: argparse.Namespace) -> int:
    """Release chapter 2, grade the sample class, print the gradebook."""
    from autograder.pipeline.sample import run_sample_class

    run_sample_class(course, find_chapter("ch02"), options.jobs)
    return 0


def run_workspace(course: Course, options: argparse.Namespace) -> int:
    """Lay out a student's workspace; work that is there stays."""
    from autograder.pipeline.workspace import lay_out

    laid = lay_out(course, options.folder)
    print(f"{laid.folder}: {len(laid.written)} files written")
    for name in laid.kept:
        print(f"kept your {name}; the release has another one")
    return 0


def run_lab(course: Course, options: argparse.Namespace) -> int:
    """Lay out a workspace and open JupyterLab in it."""
    from autograder.pipeline.workspace import start_lab

    run_workspace(course, options)
    start_lab(options.folder)
    return 0


COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], Command]] = {
    "release": (_chapter_argument, run_release),
    "collect": (_collect_arguments, run_collect),
    "grade": (_grade_arguments, run_grade),
    "feedback": (_feedback_arguments, run_feedback),
    "export": (_export_arguments, run_export),
    "similarity": (_chapter_argument, run_similarity),
    "verify": (_verify_arguments, run_verify),
    "course": (_jobs_argument, run_course),
    "workspace": (_folder_argument, run_workspace),
    "lab": (_folder_argument, run_lab),
}
