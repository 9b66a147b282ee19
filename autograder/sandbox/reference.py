"""Runs a test cell on the author's own solution, to tell a broken check from a broken submission."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import rlcourse
from autograder.sandbox.assignment import GradedModule
from autograder.sandbox.notebook import Cell, run_source
from rlcourse.checks import subject as subjects

_SECONDS = 300


def passes_with_reference(
    module: GradedModule, setup: Sequence[Cell], cell: Cell, cpu_seconds: float
) -> bool:
    """Whether the cell passes on the reference within this processor time, in a process of its own."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(_SECONDS)
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            _run(module, setup, cell)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _run(module: GradedModule, setup: Sequence[Cell], cell: Cell) -> None:
    with open(os.devnull, "w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        sys.modules.pop(f"rlcourse.{module.name}", None)
        rlcourse.overlay(module.solutions)
        subjects.set_subject_finder(subjects.local_subject)
        names: dict[str, Any] = {"__name__": "__main__"}
        for before in setup:
            run_source(before.source, names, "<setup>")
        run_source(cell.source, names, "<test>")
