"""The exceptions of split grading: what the student's side did, and what was our own fault."""

import builtins
import re
from functools import cache

_MIRRORED = (
    "ArithmeticError", "AttributeError", "EOFError", "FileNotFoundError", "FloatingPointError",
    "ImportError", "IndentationError", "IndexError", "KeyError", "LookupError",
    "ModuleNotFoundError", "NameError", "NotImplementedError", "OSError", "OverflowError",
    "PermissionError", "RecursionError", "RuntimeError", "SyntaxError", "TypeError",
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


class StudentStopped(BaseException):
    """The student's process is gone; the next part gets a new one.

    Not an ``Exception``, so that no check takes it for an ordinary error of the student's function.
    """

    def __init__(self, message: str, trace: str = "") -> None:
        """Say why the process is gone."""
        super().__init__(message)
        self.message = message
        self.trace = trace


class StudentDied(StudentStopped):
    """The student's process ended or sent something that is no message."""


class StudentTimeout(StudentStopped):
    """A time limit was reached."""


class OutOfMemory(StudentStopped):
    """The memory limit was reached."""


@cache
def _class_for(type_name: str) -> type[StudentError]:
    """Return a class of that name: a StudentError, and the built-in exception if it is one."""
    bases: tuple[type, ...] = (StudentError,)
    if type_name in _MIRRORED:
        bases = (StudentError, getattr(builtins, type_name))
    name = type_name if type_name.isidentifier() else "StudentError"
    return type(name, bases, {"__module__": "student"})


def student_error(type_name: str, message: str, trace: str = "") -> BaseException:
    """Make the exception that stands for one raised in the student's process.

    Its class has the name of the student's; it is caught by ``except StudentError`` and, for the
    common built-in ones, by ``except <type_name>``.
    """
    if type_name == "MemoryError":
        return OutOfMemory(message or "the memory limit was reached", trace)
    error = _class_for(type_name)(type_name, message, trace)
    line = re.search(r"line (\d+)\)$", message)
    if isinstance(error, SyntaxError) and line:
        error.lineno = int(line[1])
    return error


def plain_error(type_name: str, message: str) -> Exception:
    """Make the exception that the student's code sees when a function of ours raised one."""
    kind = getattr(builtins, type_name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and type_name in _MIRRORED:
        made: Exception = kind(message)
        return made
    return RuntimeError(f"{type_name}: {message}")
