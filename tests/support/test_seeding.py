"""Generators that repeat, and a guard that sees every global draw."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rlcourse.support.seeding import (
    draw_seed,
    global_rng_state,
    make_generator,
    no_global_rng,
    numpy_generator,
    split,
)


def test_a_seed_repeats_its_numbers_and_another_does_not() -> None:
    draws = [torch.rand(3, generator=make_generator(seed)) for seed in (4, 4, 5)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_split_gives_different_generators_that_repeat() -> None:
    first = [torch.rand((), generator=g).item() for g in split(make_generator(0), 50)]
    again = [torch.rand((), generator=g).item() for g in split(make_generator(0), 50)]
    assert first == again
    assert len(set(first)) == 50


@pytest.mark.parametrize("draw", [draw_seed, lambda g: numpy_generator(g).random()])
def test_drawing_advances_the_generator_and_repeats(draw: Callable[[torch.Generator], Any]) -> None:
    generator = make_generator(1)
    one, two = draw(generator), draw(generator)
    assert one != two
    assert draw(make_generator(1)) == one


DRAWS: dict[str, Callable[[], Any]] = {
    "torch": lambda: torch.rand(1),
    "torch normal": lambda: torch.randn(1),
    "numpy": lambda: np.random.random(),  # noqa: NPY002
    "numpy normal": lambda: np.random.normal(),  # noqa: NPY002
    "random": lambda: random.random(),
    "random gauss": lambda: random.gauss(0, 1),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_every_global_draw_is_seen(kind: str) -> None:
    for _ in range(3):  # also the draws that are answered from a stored second normal number
        before = global_rng_state()
        with pytest.raises(RuntimeError, match="generator="), no_global_rng():
            DRAWS[kind]()
        assert global_rng_state() != before


def test_local_draws_and_looking_are_not_seen() -> None:
    before = global_rng_state()
    with no_global_rng():
        torch.rand(3, generator=make_generator(0))
        np.random.default_rng(0).random()
        random.Random(0).random()
        global_rng_state()
    assert global_rng_state() == before


def test_the_error_of_the_code_inside_comes_first() -> None:
    with pytest.raises(KeyError), no_global_rng():
        raise KeyError("inside")
