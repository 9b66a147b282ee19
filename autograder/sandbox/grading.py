"""Grades one submission: own cells in the sandbox, test cells here, one verdict for each part."""

import hashlib
import importlib
import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import torch

import rlcourse
from autograder.sandbox import own_time
from autograder.sandbox.assignment import GradedModule
from autograder.sandbox.errors import (
    GraderError,
    OutOfMemory,
    StudentError,
    StudentStopped,
)
from autograder.sandbox.limits import Limits
from autograder.sandbox.notebook import OWN, SETUP, TEST, Cell, names_bound, read_cells, run_source
from autograder.sandbox.proxy import RemoteModule, RemoteSubject
from autograder.sandbox.reference import passes_with_reference
from autograder.sandbox.results import CellResult, PartResult, SubmissionResult, Verdict
from autograder.sandbox.session import Cell as Sandbox
from autograder.sandbox.session import Session
from autograder.sandbox.verdicts import (
    FORESEEN,
    judge,
    points_of,
    seed_all,
    seed_of,
    shortened,
    steady,
    verdict_of,
)
from rlcourse.checks import subject as subjects


class Grading:
    """One submission. Use it once, in a process of its own."""

    def __init__(
        self, sandbox: Sandbox, module: GradedModule, files: dict[str, bytes], limits: Limits
    ) -> None:
        """Know what is graded and where sandboxes come from."""
        self._sandbox, self._module, self._files, self._limits = sandbox, module, files, limits
        self._session: Session | None = None
        self._names = _Names(self)
        self._before: list[Cell] = []
        self._setup: list[Cell] = []
        self._poisoned: set[int] = set()
        self._cpu = 0.0
        self._parts = 1

    def run(self, notebook: str) -> SubmissionResult:
        """Run all cells in order.

        Raises:
            GraderError: if anything but the submission is at fault.
        """
        cells = read_cells(notebook)
        self._parts = len(cells) + 1
        submitted = self._files.get(self._module.file)
        self._install()
        parts, own = [], []
        for cell in cells:
            if cell.role != TEST:
                own.append(self._run_own(cell))
            elif submitted is None:
                message = f"{self._module.file} was not handed in"
                parts.append(PartResult(cell.grade_id, Verdict.MISSING, 0.0, cell.points, message))
            else:
                parts.append(self._run_test(cell))
        self._close()
        digest = None if submitted is None else hashlib.sha256(submitted).hexdigest()
        kept = tuple(found for found in own if found is not None)
        name, tier = self._module.name, self._sandbox.tier
        return SubmissionResult(name, digest, tuple(parts), kept, tier, self._cpu)

    # The trusted process's view of the student's module.

    def _install(self) -> None:
        """Let ``rlcourse.<module>`` and the checks find the student's module in the sandbox."""
        rlcourse.overlay(self._module.solutions)
        name = self._module.name
        remote = RemoteModule(lambda: self.session.host, name)
        sys.modules[f"rlcourse.{name}"] = remote
        setattr(rlcourse, name, remote)
        subjects.set_subject_finder(self._find_subject)

    def _find_subject(self, name: str) -> subjects.Subject:
        if name == self._module.name:
            return RemoteSubject(lambda: self.session.host, name)
        return subjects.local_subject(name)

    # Sandboxes.

    @property
    def session(self) -> Session:
        """The present sandbox; a new one if the last has been stopped."""
        if self._session is None:
            self._session = self._new_session()
        return self._session

    def _new_session(self) -> Session:
        """Start a sandbox and replay the cells so far, but those that ended one."""
        while True:
            session = Session(self._sandbox, self._limits, self._parts)
            session.prepare(self._module, self._files)
            for cell in self._before:
                if cell.index in self._poisoned:
                    continue
                try:
                    session.begin_part(0)
                    session.host.request("cell", cell.source)
                except StudentError:
                    pass
                except StudentStopped:
                    self._poisoned.add(cell.index)
                    break
            if session.stopped is None:
                session.take_output()
                return session
            self._cpu += session.cpu_seconds

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._cpu += self._session.cpu_seconds
            self._session = None

    # Cells.

    def _run_own(self, cell: Cell) -> CellResult | None:
        message = ""
        try:
            session = self.session
            session.begin_part(0)
            error = session.host.request("cell", cell.source)
            if isinstance(error, list) and len(error) == 3:
                message = f"{error[0]}: {error[1]}"
        except StudentError as error:
            message = f"{error.type_name}: {error}"
        except StudentStopped as error:
            message = f"{verdict_of(error).value}: {error}"
            self._poisoned.add(cell.index)
        self._before.append(cell)
        output = self._printed()
        self._drop_if_stopped()
        if cell.role == SETUP:
            self._set_up(cell)
        if cell.role == OWN and (output or message):
            return CellResult(cell.index, output, steady(message))
        return None

    def _set_up(self, cell: Cell) -> None:
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                run_source(cell.source, self._names, f"<cell {cell.index}>")
        except (StudentStopped, StudentError) as error:
            # The cell imports names from the student's module: the test that uses them will say so.
            self._names.reserve(cell.source, error)
            self._drop_if_stopped()
        except Exception as error:
            raise GraderError(
                f"locked cell {cell.index}: {type(error).__name__}: {error}"
            ) from error
        self._setup.append(cell)

    def _run_test(self, cell: Cell) -> PartResult:
        said, value, problem = io.StringIO(), None, None
        try:
            own_time.arm(own_time.seconds_for(self._limits.cpu_seconds))
            self.session.begin_part(seed_of(cell.grade_id))
            seed_all(seed_of(cell.grade_id))
            with redirect_stdout(said), redirect_stderr(said), torch.enable_grad():
                value = run_source(cell.source, self._names, f"<{cell.grade_id}>")
        except GraderError:
            raise
        except (StudentStopped, Exception) as error:
            problem = error
        finally:
            own_time.disarm()
        if self._session is not None:
            if self._session.failure is not None:
                raise self._session.failure
            problem = self._session.stopped or problem
        busy = isinstance(problem, own_time.JudgeTimeout)
        if problem is not None and (busy or not isinstance(problem, FORESEEN)):
            self._blame(cell, problem)
        output = steady(said.getvalue() + self._printed())
        verdict, message = judge(problem)
        points = points_of(value, cell.points) if verdict is Verdict.PASS else 0.0
        if (busy or isinstance(problem, OutOfMemory)) and self._session is not None:
            self._session.close()
        self._drop_if_stopped()
        message = shortened(steady(message))
        return PartResult(cell.grade_id, verdict, points, cell.points, message, output)

    def _blame(self, cell: Cell, problem: BaseException) -> None:
        """Find out whose fault an unforeseen exception is: ours, if the reference causes it too."""
        seconds = own_time.seconds_for(self._limits.cpu_seconds) + self._limits.cpu_seconds
        if not passes_with_reference(self._module, self._setup, cell, seconds):
            text = f"{cell.grade_id}: {type(problem).__name__}: {problem}"
            raise GraderError(f"{text} (the reference solution fails as well)") from problem

    def _printed(self) -> str:
        return "" if self._session is None else steady(self._session.take_output())

    def _drop_if_stopped(self) -> None:
        if self._session is not None and self._session.stopped is not None:
            self._cpu += self._session.cpu_seconds
            self._session = None


class _Names(dict[str, Any]):
    """Names of the test cells; those they do not define are looked up in the student's notebook."""

    def __init__(self, grading: Grading) -> None:
        super().__init__(__name__="__main__")
        self._grading = grading
        self._reserved: dict[str, BaseException] = {}

    def reserve(self, source: str, error: BaseException) -> None:
        """Keep the names that a locked cell would have bound; the student's notebook must not fill in."""
        for name in names_bound(source):
            if name not in self:
                self._reserved[name] = error

    def __missing__(self, name: str) -> Any:
        if name in self._reserved:
            raise self._reserved[name]
        builtin = getattr(importlib.import_module("builtins"), name, _Names)
        if builtin is not _Names:
            return builtin
        try:
            return self._grading.session.host.request("global", name)
        except StudentError:
            raise NameError(f"name {name!r} is not defined") from None
