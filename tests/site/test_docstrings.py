"""Docstrings of the house on their way to the reference pages."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
FILE = Path(__file__).resolve().parents[2] / "book" / "_ext" / "docstrings.py"


@pytest.fixture(scope="module")
def docstrings():
    spec = importlib.util.spec_from_file_location("docstrings", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("    theta: (A) logits", "    theta: ``(A)`` logits"),
        ("    (A) a gradient", "    ``(A)`` a gradient"),
        ("    mask: (B, T) 1 where", "    mask: ``(B, T)`` 1 where"),
        ("    (..., V+1) logits", "    ``(..., V+1)`` logits"),
        ("    () the mean", "    ``()`` the mean"),
        ("    See Sutton (1988) on TD", "    See Sutton (1988) on TD"),
        ("    the mean (per step) of x", "    the mean (per step) of x"),
    ],
)
def test_shapes_become_code(docstrings, line, expected):
    assert docstrings.shapes_as_code(line) == expected


def test_a_colon_in_what_is_returned_is_no_type(docstrings):
    from sphinx.ext.napoleon import Config, GoogleDocstring

    lines = ["Compute.", "", "Returns:", "    () a surrogate: only its gradient counts."]
    docstrings.prepare(None, "function", "f", None, None, lines)
    text = str(GoogleDocstring(lines, Config()))
    assert ":rtype:" not in text and "``()`` a surrogate: only its gradient counts." in text
