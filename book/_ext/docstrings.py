"""Docstrings as they are written in the code, shapes first, made safe for reStructuredText."""

import re

from sphinx.application import Sphinx

SHAPE = re.compile(r"(?P<before>^\s*(?:\w+: )?|: )(?P<shape>\((?:[A-Z0-9.][A-Z0-9., +-]*)?\))(?= )")
RETURNS = re.compile(r"^(?P<indent>\s*)(Returns|Yields):\s*$")


def shapes_as_code(line: str) -> str:
    """``rewards: (B) total`` with the shape as code; bare, ``(B)`` would begin an enumeration."""
    return SHAPE.sub(r"\g<before>``\g<shape>``", line)


def prepare(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Change the lines of a docstring before they are read."""
    for index, line in enumerate(lines):
        lines[index] = shapes_as_code(line)
        after_heading = index > 0 and RETURNS.match(lines[index - 1])
        if after_heading and ": " in line:
            # An empty type, or what stands before the first colon would be taken for one.
            text = lines[index].lstrip()
            lines[index] = " " * (len(lines[index]) - len(text)) + ": " + text


def setup(app: Sphinx) -> None:
    """Run before napoleon, which has the usual priority of 500."""
    app.connect("autodoc-process-docstring", prepare, priority=400)
