"""An exercise whose checks let something through is refused when it is built."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.checks.build import WeakCheck, build, central_differences
from autograder.checks.spec import Case, ExerciseSpec, Mistake, normal

TWO = torch.tensor(2.0, dtype=torch.float64)


def square(x: Tensor) -> Tensor:
    return x**2


def spec_of(*checks: Any, **mistakes: Callable[..., Any]) -> ExerciseSpec:
    return ExerciseSpec(
        number="2.1",
        title="Square",
        targets=("square",),
        points=1,
        minutes=1,
        difficulty=1,
        section="",
        statement="",
        hints=("", "", ""),
        checks=checks,
        mistakes=tuple(Mistake(name, code, "") for name, code in mistakes.items()),
    )


def test_a_mistake_that_passes_every_visible_case_is_refused() -> None:
    weak = Case("two", {"x": TWO}, "", expected=2 * TWO)
    with pytest.raises(WeakCheck, match="doubles"):
        build(spec_of(weak, doubles=lambda x: 2 * x), hidden=False)


def test_a_hidden_case_does_not_count_for_telling_mistakes() -> None:
    weak = Case("two", {"x": TWO}, "", expected=2 * TWO)
    strong = Case("three", {"x": TWO + 1}, "", oracle=square, hidden=True)
    with pytest.raises(WeakCheck):
        build(spec_of(weak, strong, doubles=lambda x: 2 * x), hidden=False)


def test_two_mistakes_that_look_alike_are_refused() -> None:
    case = Case("three", {"x": TWO + 1}, "", oracle=square)
    with pytest.raises(WeakCheck, match="alike"):
        build(spec_of(case, doubles=lambda x: 2 * x, adds=lambda x: x + x), hidden=False)


def test_a_case_says_just_once_what_is_right() -> None:
    case = Case("three", {"x": TWO}, "", oracle=square, expected=TWO)
    with pytest.raises(WeakCheck, match="exactly one"):
        build(spec_of(case), hidden=False)
    with pytest.raises(WeakCheck, match="exactly one"):
        build(spec_of(replace(case, oracle=None, expected=None)), hidden=False)


def test_central_differences_find_a_known_gradient() -> None:
    x = normal(0, 3)
    case = Case("sum", {"x": x}, "", oracle=lambda x: (x**3).sum(), gradients=("x",))
    # A scalar value has the weight 0.5, the first of the weights.
    torch.testing.assert_close(central_differences(case, "x"), 0.5 * 3 * x**2)
