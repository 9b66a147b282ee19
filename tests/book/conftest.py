"""What the pages printed when they were executed: the same results that the site shows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
Values = dict[str, Any]


@pytest.fixture(scope="session")
def executed() -> Callable[[str], Any]:
    """A page with its outputs: ``executed("02_policy_gradient")``; run if it must be."""
    from autograder.site.execution import executed_page

    return lambda name: executed_page(ROOT / "book" / f"{name}.md", ROOT)


@pytest.fixture(scope="session")
def lent(executed: Callable[[str], Any]) -> Callable[[str, str], Values]:
    """What a page lends to its text: ``lent("02_policy_gradient", "pg-")``, names without prefix."""

    def values(name: str, prefix: str) -> Values:
        return {key.removeprefix(prefix): value for key, value in glued(executed(name))}

    return values


def glued(notebook: Any) -> Iterator[tuple[str, Any]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output.get("name") != "stderr", output["text"]
            if "scrapbook" in output.get("metadata", {}):
                text = output["data"]["application/papermill.record/text/plain"]
                value = text.strip("'") if "'" in text else float(text)
                yield output["metadata"]["scrapbook"]["name"], value
