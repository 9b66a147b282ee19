"""The exceptions of split grading: what the student's side did, and what was our own fault."""

import builtins
from functools import cache

_MIRRORED = (
    "ArithmeticError", "AttributeError", "EOFError", "FileNotFoundError", "FloatingPointError", "ImportError",
    "IndexError", "KeyError", "LookupError", "ModuleNotFoundError", "NameError", "NotImplementedError", "OSError",
    "OverflowError", "PermissionError", "RecursionError", "RuntimeError", "SyntaxError", "TypeError",
    "UnboundLocalError", "ValueError", "ZeroDivisionError",
)  # fmt: skip
"""Exceptions that a check may want to catch by their class, as it would in one process."""


class GraderError(Exception):
    """The grader failed; the work stays ungraded. Never counted against the student."""


class StudentError(Exception):
    """The student's code raised. ``str()`` is the student's own message."""

    def __init__(self, type_name: str, message: str, trace: str = "") -> None:
        """Keep the class name and the message the student's process reported, as text.

        Args:
            type_name: name of the exception's class, such as ``"NotImplementedError"``.
            message: text of the exception.
            trace: the student's traceback, as text.
        """
        super().__init__(message)
        self.type_name = type_name
        self.message = message
        self.trace = trace

    def __str__(self) -> str:
        """Return the student's message (some built-in exceptions would put quotes around it)."""
        return self.message


class StudentStopped(StudentError):
    """The student's process is gone; the next part gets a new one."""

    def __init__(self, message: str, trace: str = "") -> None:
        """Say why the process is gone."""
        super().__init__(type(self).__name__, message, trace)


class StudentDied(StudentStopped):
    """The student's process ended or sent something that is no message."""


class StudentTimeout(StudentStopped):
    """A time limit was reached."""


class OutOfMemory(StudentStopped):
    """The memory limit was reached (the process may or may not have survived it)."""


@cache
def _class_for(type_name: str) -> type[StudentError]:
    """Return a class that is both a StudentError and the built-in exception of that name."""
    if type_name not in _MIRRORED:
        return StudentError
    return type(f"Student{type_name}", (StudentError, getattr(builtins, type_name)), {})


def student_error(type_name: str, message: str, trace: str = "") -> StudentError:
    """Make the exception that stands for one raised in the student's process.

    It is caught by ``except StudentError`` and, for the common built-in ones, by ``except <type_name>``.
    """
    if type_name == "MemoryError":
        return OutOfMemory(message or "the memory limit was reached", trace)
    return _class_for(type_name)(type_name, message, trace)
