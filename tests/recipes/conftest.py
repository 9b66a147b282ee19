"""Recipes are made of the chapters' functions, so here the solutions stand in front of the stubs."""

import importlib
import sys
from pathlib import Path

import pytest

import rlcourse

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"


def forget_chapters():
    """Let the next import of a chapter or a recipe find the file that the overlay now says."""
    modules = {file.stem for file in SOLUTIONS.glob("*.py")}
    for name in list(sys.modules):
        parts = name.split(".")
        if parts[0] == "rlcourse" and len(parts) > 1 and parts[1] in {*modules, "recipes"}:
            del sys.modules[name]
            vars(rlcourse).pop(parts[1], None)


@pytest.fixture(scope="module")
def recipe():
    """``recipe("reinforce")`` imports a recipe that runs on the solutions."""
    forget_chapters()
    rlcourse.overlay(SOLUTIONS)
    yield lambda name: importlib.import_module(f"rlcourse.recipes.{name}")
    rlcourse.__path__.remove(str(SOLUTIONS))
    forget_chapters()
