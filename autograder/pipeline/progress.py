"""How far grading is: a bar with the time left and a live tally; plain lines where there is no terminal."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from tqdm import tqdm

from autograder.pipeline.result import Result

TALLY = ("full", "part", "zero", "ungraded")


class Progress:
    """Counts results; a context, so that the bar is closed whatever happens."""

    def __init__(self, total: int, report: Callable[[str], None]) -> None:
        self.report = report
        self.total = total
        self.done = 0
        self.tally = dict.fromkeys(TALLY, 0)
        self.started = time.monotonic()
        self.told = self.started
        self.bar: Any = tqdm(
            total=total, unit="attempt", leave=False, disable=not sys.stderr.isatty()
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()
        if kind is None:
            seconds = time.monotonic() - self.started
            self.report(f"{self.done} of {self.total} attempts in {seconds:.0f} s: {self.text()}")

    def count(self, result: Result) -> None:
        """Count one more result."""
        self.done += 1
        self.tally[kind_of(result)] += 1
        self.bar.set_postfix_str(self.text(), refresh=False)
        self.bar.update()
        now = time.monotonic()
        if self.bar.disable and now - self.told > 10.0:
            self.told = now
            left = (now - self.started) / self.done * (self.total - self.done)
            self.report(f"{self.done} of {self.total}, about {left:.0f} s to go: {self.text()}")

    def text(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in self.tally.items() if count) or "none"


def kind_of(result: Result) -> str:
    """Whether a result is full marks, some, none, or no verdict at all."""
    if result.ungraded:
        return "ungraded"
    if result.score >= result.max_score:
        return "full"
    return "part" if result.score > 0.0 else "zero"
