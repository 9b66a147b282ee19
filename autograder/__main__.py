"""``python -m autograder``: the author's and the instructor's commands. Each imports what it needs, and no more."""

import os
import sys

AUTHOR = ("generate", "stale", "mutants")
USAGE = """\
usage: python -m autograder COMMAND ...

for instructors:
  release CH            make the assignment and the student distribution
  collect DIR|ZIP       take in submissions, as Canvas, Moodle or an inbox gives them
  grade CH              grade every attempt and fill the gradebook
  feedback CH           write a page for each student
  export CH --to WHERE  canvas, moodle, csv or gradescope
  similarity CH         which submissions are alike
  verify CH             does grading get known submissions right?
  doctor                which isolation works on this machine

for authors:
  generate              write everything that a machine writes
  stale                 name what is out of date
  mutants               plant errors; the checks must notice each
  course                release, grade a sample class, print the gradebook
  workspace [DIR]       lay out a student's workspace
  lab [DIR]             open JupyterLab in one

`python -m autograder COMMAND --help` says more.
"""


def main(arguments: list[str]) -> int:
    """Run one command; return the exit status (2 for a command that makes no sense)."""
    # Before torch is imported: with tensors this small, more threads only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    command, rest = arguments[0], arguments[1:]
    if command in AUTHOR:
        from autograder.generate.cli import main as author

        return author(command, *rest)
    if command == "doctor":
        from autograder.sandbox.doctor import main as doctor

        return doctor(rest)
    from autograder.pipeline.cli import main as instructor

    return instructor(command, rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
