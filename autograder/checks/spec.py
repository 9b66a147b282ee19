"""How an author writes an exercise down: what is asked, what is right, and what goes wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One call whose right outcome is known by a route of its own.

    Give exactly one of ``expected``, ``oracle`` and ``raises``.
    """

    name: str
    inputs: Mapping[str, Any]
    """Arguments by name, in the order of the signature (or of the probe)."""
    message: str
    """What the case is about, told to the student when it fails."""
    expected: Any = None
    """The value, worked out by hand."""
    oracle: Function | None = None
    """Computes the value from the same inputs in another way than the solution."""
    raises: type[Exception] | None = None
    probe: Function | None = None
    """From ``rlcourse.checks.probes``: calls the function, reports what it saw. Needed where arguments are objects."""
    gradients: tuple[str, ...] = ()
    """Inputs whose gradient must equal that of the oracle (by finite differences)."""
    gradient_values: Mapping[str, Tensor] = field(default_factory=dict)
    """Gradients known by hand or by a formula, instead of finite differences."""
    detached: tuple[str, ...] = ()
    """Inputs that must receive no gradient."""
    inplace: tuple[str, ...] = ()
    """Inputs that the function is meant to change."""
    hidden: bool = False
    target: str = ""
    """Which function of the exercise; the first one if empty."""


@dataclass(frozen=True, slots=True)
class Law:
    """A property that holds for every right answer, as code that may be shipped to students."""

    law: Callable[[Function], None]
    """From ``rlcourse.checks.probes``; raises AssertionError with a message."""
    message: str
    hidden: bool = False
    target: str = ""

    @property
    def name(self) -> str:
        return self.law.__name__.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer likely enough to have a name. At least one visible case must tell it from a right one."""

    name: str
    code: Function
    """The whole function, written wrong in just this way."""
    message: str
    """What to look at; not the solution."""
    target: str = ""


@dataclass(frozen=True, slots=True)
class ExerciseSpec:
    """One exercise, complete."""

    number: str
    title: str
    targets: tuple[str, ...]
    """Names of the functions or classes to write."""
    points: int
    minutes: int
    difficulty: int
    """1 (a line) to 5 (an algorithm)."""
    section: str
    """Heading of the narrative page that explains it."""
    statement: str
    """Markdown: what to write and why; the docstring says the rest."""
    hints: tuple[str, str, str]
    """Idea, then shape or formula, then skeleton."""
    checks: tuple[Case | Law, ...]
    mistakes: tuple[Mistake, ...]
    variants: Mapping[str, Function] = field(default_factory=dict)
    """Other correct ways to write it, which must pass; for several targets, a mapping ``target.name``."""
    uses: tuple[str, ...] = ()
    """Functions of earlier exercises that this one may call; replaced by the reference in grading."""

    def target_of(self, item: Case | Law | Mistake) -> str:
        return item.target or self.targets[0]


def normal(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64, the same on every machine."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def integers(seed: int, high: int, *shape: int) -> Tensor:
    """Integers from 0 to ``high - 1``, the same on every machine."""
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))
