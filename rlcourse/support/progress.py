"""A progress bar that shows the usual diagnostics in the usual order."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from tqdm.auto import tqdm

Item = TypeVar("Item")

ORDER = (
    "return",
    "reward",
    "score",
    "loss",
    "kl",
    "kl_coef",
    "entropy",
    "approx_kl",
    "clip_fraction",
    "explained_variance",
    "response_length",
)
"""These come first, in this order, whatever the order in which a run reports them."""


class Progress(Generic[Item]):
    """Wraps an iterable: ``for step in (progress := Progress(range(100))): progress.report(...)``.

    Silent where the environment variable ``RLCOURSE_PROGRESS`` is 0, as when the book is built.

    Args:
        items: what to go through.
        description: shown in front of the bar.
        quiet: whether to show nothing; by default the environment variable decides.
    """

    def __init__(
        self, items: Iterable[Item], description: str = "", *, quiet: bool | None = None
    ) -> None:
        if quiet is None:
            quiet = os.environ.get("RLCOURSE_PROGRESS") == "0"
        self._bar = tqdm(items, desc=description, disable=quiet, leave=False)

    def __iter__(self) -> Iterator[Item]:
        yield from self._bar

    def report(self, **diagnostics: Any) -> None:
        """Show numbers behind the bar; tensors of one element will do."""
        self._bar.set_postfix_str(format_diagnostics(diagnostics), refresh=False)


def format_diagnostics(diagnostics: Mapping[str, Any]) -> str:
    """One line such as ``return=195 kl=0.0123``: known names first, three digits each."""
    known = [name for name in ORDER if name in diagnostics]
    names = known + [name for name in diagnostics if name not in ORDER]
    return " ".join(f"{name}={float(diagnostics[name]):.3g}" for name in names)
