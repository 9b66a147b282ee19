"""Randomness as an argument: generators, and a guard that the global ones were left alone."""

import hashlib
import random
from array import array
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

LARGEST_SEED = 2**31 - 1
"""Every library that the course uses takes seeds from 0 up to this one."""


def make_generator(seed: int) -> torch.Generator:
    """A generator of its own on the CPU. Two with the same seed give the same numbers."""
    return torch.Generator().manual_seed(seed)


def draw_seed(generator: torch.Generator) -> int:
    """Draw a seed for something that wants a number, such as ``env.reset(seed=...)``.

    Advances ``generator``.
    """
    return int(torch.randint(LARGEST_SEED, (), generator=generator, device=generator.device))


def split(generator: torch.Generator, n: int) -> list[torch.Generator]:
    """Draw ``n`` generators, one for each part that should not disturb the others.

    Advances ``generator``.
    """
    return [make_generator(draw_seed(generator)) for _ in range(n)]


def numpy_generator(generator: torch.Generator) -> np.random.Generator:
    """Draw a NumPy generator, for code that acts in NumPy. Advances ``generator``."""
    return np.random.default_rng(draw_seed(generator))


def global_rng_state() -> bytes:
    """A digest of the global states of ``torch`` (CPU), ``numpy.random`` and ``random``.

    Two equal digests mean that no global random number was drawn in between.
    """
    digest = hashlib.sha256(torch.get_rng_state().numpy().tobytes())
    _, words, gauss = random.getstate()
    digest.update(array("L", words))
    digest.update(repr(gauss).encode())
    state = np.random.get_state(legacy=False)  # noqa: NPY002 (only looked at)
    digest.update(state["state"]["key"].tobytes())
    digest.update(repr((state["state"]["pos"], state["has_gauss"], state["gauss"])).encode())
    return digest.digest()


@contextmanager
def no_global_rng() -> Iterator[None]:
    """Check that the code inside draws only from the generators it was given.

    Raises:
        RuntimeError: on leaving, if the global state of ``torch``, ``numpy.random`` or ``random``
            has moved.
    """
    before = global_rng_state()
    yield
    if global_rng_state() != before:
        raise RuntimeError(
            "a global random number generator was used: "
            "pass generator=... to every function that draws"
        )
