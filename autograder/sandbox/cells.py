"""Student's side: runs notebook cells as IPython would, and keeps what the code prints."""

import builtins
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


class BoundedText(io.TextIOBase):
    """A text stream that keeps its beginning and counts the rest."""

    def __init__(self, limit: int) -> None:
        """Keep ``limit`` characters."""
        self.limit = limit
        self._parts: list[str] = []
        self._size = self._dropped = 0

    def writable(self) -> bool:
        """Say that this can be written to."""
        return True

    def write(self, text: str) -> int:
        """Keep what there is room for."""
        kept = text[: self.limit - self._size]
        if kept:
            self._parts.append(kept)
        self._size += len(kept)
        self._dropped += len(text) - len(kept)
        return len(text)

    def take(self) -> str:
        """Return the text and begin anew."""
        note = f"\n[{self._dropped} more characters dropped]\n" if self._dropped else ""
        text = "".join(self._parts) + note
        self._parts.clear()
        self._size = self._dropped = 0
        return text


def make_shell() -> InteractiveShell:
    """Make an IPython shell that writes no history and no colours."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    shell.run_cell("1", silent=True)  # type: ignore[no-untyped-call]
    return shell


class Cells:
    """Runs the cells of one notebook."""

    def __init__(self, shell: InteractiveShell, output_limit: int) -> None:
        """Use this shell; keep so many characters of output."""
        self._shell = shell
        self._output = BoundedText(output_limit)
        setattr(shell, "_showtraceback", self._keep_traceback)  # noqa: B010
        builtins.input = _no_input

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Take what is printed while the context lasts."""
        sys.stdout = sys.stderr = self._output
        try:
            yield
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__

    def take_output(self) -> str:
        """Return what was printed since the last time."""
        return self._output.take()

    def run(self, source: str) -> list[str] | None:
        """Run one cell; return None, or the class, message and traceback of its error."""
        self._trace = ""
        result = self._shell.run_cell(source, store_history=False)  # type: ignore[no-untyped-call]
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, MemoryError):
            raise error
        return [type(error).__name__, str(error)[:4000], self._trace] if error else None

    def name(self, name: str) -> Any:
        """Return what a name of the notebook stands for; NameError if it is not defined."""
        if name not in self._shell.user_ns:
            raise NameError(f"name {name!r} is not defined")
        return self._shell.user_ns[name]

    def _keep_traceback(self, kind: Any, value: Any, lines: Any) -> None:
        text = self._shell.InteractiveTB.stb2text(lines) if lines else str(value)
        self._trace = "\n".join(text.splitlines()[-40:])


def _no_input(*_: object) -> str:
    raise EOFError("input() is not available while grading")
