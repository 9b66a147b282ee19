"""One table of symbols: what docstrings use is in it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHAPE = re.compile(
    r"(?:^|[\s:,])\(((?:[A-Z]|\d+|\.\.\.|[A-Z][+-]\d)(?:, ?(?:[A-Z]|\d+|\.\.\.|[A-Z][+-]\d))*),?\)"
)


def table():
    """Symbols that ``book/notation.md`` gives as sizes."""
    sizes = (
        (ROOT / "book" / "notation.md")
        .read_text("utf-8")
        .partition("## Sizes")[2]
        .partition("\n## ")[0]
    )
    return set(re.findall(r"^\| `([^`]+)` \|", sizes, re.MULTILINE))


def symbols(docstring):
    """Size symbols in the shapes of a docstring, such as B and T of ``(B, T)``."""
    return {
        symbol
        for shape in SHAPE.findall(docstring)
        for symbol in re.findall(r"[A-Z]|\.\.\.", shape)
    }


def docstrings():
    for file in sorted((ROOT / "solutions").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and (
                text := ast.get_docstring(node)
            ):
                yield f"{file.stem}.{node.name}", text


@pytest.mark.parametrize(("name", "text"), list(docstrings()), ids=lambda each: str(each)[:40])
def test_every_shape_symbol_is_in_the_table(name, text):
    assert symbols(text) <= table(), f"add the symbols of {name} to book/notation.md"


def test_shapes_are_seen_at_all():
    assert len(set().union(*(symbols(text) for _, text in docstrings()))) >= 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rewards: (B, T) after each action", {"B", "T"}),
        ("theta: (A) logits; x: (A,) too", {"A"}),
        ("logits: (..., Q)", {"...", "Q"}),
        ("tokens: (B, T-1) and (B, 2)", {"B", "T"}),
        ("loss: () the mean; see Sutton (1988), eq. (3)", set()),
    ],
)
def test_reading_shapes(text, expected):
    assert symbols(text) == expected


def test_quantities_use_only_sizes_of_the_table():
    text = (ROOT / "book" / "notation.md").read_text("utf-8")
    assert symbols(text.replace("`", " ")) <= table()
