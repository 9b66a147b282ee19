"""Exercise 8.4: shuffled minibatches."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import ppo as probes


def oracle(n: int, size: int, seed: int, calls: int) -> list[list[Tensor]]:
    """One permutation a call, dealt out number by number."""
    generator = torch.Generator().manual_seed(seed)
    epochs = []
    for _ in range(calls):
        order = torch.randperm(n, generator=generator).tolist()
        hands: list[list[int]] = []
        for place, number in enumerate(order):
            if place % size == 0:
                hands.append([])
            hands[-1].append(number)
        epochs.append([torch.tensor(hand) for hand in hands])
    return epochs


def _refuse(size: int) -> None:
    if size < 1:
        raise ValueError("bad size")


def in_slices(n: int, size: int, generator: torch.Generator) -> Any:
    _refuse(size)
    order = torch.randperm(n, generator=generator)
    return [order[start : start + size] for start in range(0, n, size)]


def with_a_list(n: int, size: int, generator: torch.Generator) -> Any:
    _refuse(size)
    order = torch.randperm(n, generator=generator).tolist()
    return tuple(torch.tensor(order[i : i + size]) for i in range(0, n, size))


def with_replacement(n: int, size: int, generator: torch.Generator) -> Any:
    _refuse(size)
    return torch.randint(n, (n,), generator=generator).split(size)


def same_order(n: int, size: int, generator: torch.Generator) -> Any:
    _refuse(size)
    again = torch.Generator().manual_seed(generator.initial_seed())
    return torch.randperm(n, generator=again).split(size)


def not_shuffled(n: int, size: int, generator: torch.Generator) -> Any:
    _refuse(size)
    return torch.arange(n).split(size)


def without_the_tail(n: int, size: int, generator: torch.Generator) -> Any:
    _refuse(size)
    return torch.randperm(n, generator=generator)[: n - n % size].split(size)


def number_for_size(n: int, size: int, generator: torch.Generator) -> Any:
    _refuse(size)
    return torch.randperm(n, generator=generator).chunk(size)


def blocks_shuffled(n: int, size: int, generator: torch.Generator) -> Any:
    _refuse(size)
    parts = torch.arange(n).split(size)
    return [parts[i] for i in torch.randperm(len(parts), generator=generator)]


def global_order(n: int, size: int, generator: torch.Generator) -> Any:
    _refuse(size)
    torch.rand(1)  # what it draws is known to nobody; that it draws is seen
    return torch.randperm(n, generator=generator).split(size)


def no_refusal(n: int, size: int, generator: torch.Generator) -> Any:
    return torch.randperm(n, generator=generator).split(max(size, 1))


def dealt_case(name: str, n: int, size: int, message: str, hidden: bool = False) -> Case:
    inputs = {"n": n, "size": size, "seed": n + 3, "calls": 2}
    return Case(name, inputs, message, oracle=oracle, probe=probes.dealt, hidden=hidden)


EXERCISE = ExerciseSpec(
    number="8.4",
    title="Minibatches",
    targets=("minibatches",),
    points=1,
    minutes=10,
    difficulty=1,
    section="Several epochs, in minibatches",
    statement="""
Deal the steps of a batch into minibatches: one permutation from the generator, cut into pieces. Every step is in
exactly
one, also those of the smaller last piece; the next call gives another order.
""",
    hints=(
        "A shuffled deck is dealt until no card is left.",
        "torch.randperm(n, generator=…) gives int64 numbers 0 … n−1; cut them into pieces of `size`, the "
        "last may be smaller.",
        "Refuse a size below 1. Then a permutation, and Tensor.split (not chunk, which takes the number of pieces).",
    ),
    checks=(
        dealt_case("two epochs", 10, 4, "10 steps in minibatches of 4, 4 and 2, twice"),
        Law(probes.each_number_is_in_exactly_one, "each step once an epoch"),
        Law(probes.the_next_call_shuffles_anew, "another order each time"),
        dealt_case("no remainder", 6, 3, "6 steps in two minibatches of 3"),
        dealt_case("one minibatch", 3, 8, "a minibatch larger than the batch holds all of it"),
        Case(
            "size 0",
            {"n": 4, "size": 0, "seed": 0, "calls": 1},
            "a minibatch of no steps is refused",
            raises=ValueError,
            probe=probes.dealt,
        ),
        dealt_case("other sizes", 11, 3, "11 steps in minibatches of 3", hidden=True),
        dealt_case("one by one", 5, 1, "minibatches of a single step", hidden=True),
        Case(
            "a negative size",
            {"n": 4, "size": -1, "seed": 0, "calls": 1},
            "a minibatch of less than no steps is refused",
            raises=ValueError,
            probe=probes.dealt,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "with replacement",
            with_replacement,
            "Some steps come twice and others never. A permutation holds each number once.",
        ),
        Mistake(
            "the same order every time",
            same_order,
            "Each epoch is to be cut differently. Draw from the generator that is passed in, and let it move on.",
        ),
        Mistake(
            "not shuffled", not_shuffled, "Neighbouring steps resemble each other: shuffle them."
        ),
        Mistake(
            "the tail is dropped",
            without_the_tail,
            "The last minibatch may be smaller, but its steps were played like all others.",
        ),
        Mistake(
            "number of minibatches for their size",
            number_for_size,
            "`chunk` takes how many pieces, `split` how large they are.",
        ),
        Mistake(
            "shuffles the pieces only",
            blocks_shuffled,
            "Each piece still holds neighbouring steps. Shuffle first, then cut.",
        ),
        Mistake(
            "global random numbers",
            global_order,
            "Randomness is an argument: pass generator=generator.",
        ),
        Mistake(
            "any size is accepted",
            no_refusal,
            "A size below 1 is an error: say so with a ValueError.",
        ),
    ),
    variants={"slices": in_slices, "a tuple of lists": with_a_list},
)
