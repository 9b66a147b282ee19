"""What came of one call of a student's function, and whether two such outcomes agree."""

import copy
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlcourse.chapters import CHAPTERS
from rlcourse.checks.subject import Subject


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything a check looks at after one call."""

    value: Any = None
    """What was returned: tensors and numbers, possibly in tuples, dicts or dataclasses."""
    gradients: dict[str, Tensor | None] = field(default_factory=dict)
    """Gradient of a fixed weighting of the value, for each input asked for; None where there is none."""
    raised: str | None = None
    """Name of the exception's type, where the call raised one."""
    error: str = ""
    """Text of that exception; for people, never compared."""
    mutated: tuple[str, ...] = ()
    """Inputs that the call changed in place."""
    used_global_rng: bool = False
    """Whether a global random generator moved."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make: how, on what, and what to watch."""

    inputs: dict[str, Any]
    """Arguments by name, in the order of the signature."""
    probe: Callable[..., Any] | None = None
    """Code that calls the function and reports what it saw; None passes the inputs straight in."""
    gradients: tuple[str, ...] = ()
    """Inputs that should receive a gradient."""
    detached: tuple[str, ...] = ()
    """Inputs that must not receive one."""
    inplace: tuple[str, ...] = ()
    """Inputs that the function is meant to change."""

    def watched(self) -> tuple[str, ...]:
        return self.gradients + self.detached


def observe(function: Callable[..., Any], call: Call, subject: Subject) -> Outcome:
    """Make the call on fresh copies of its inputs and note everything that came of it."""
    inputs, pristine = fresh(call.inputs), fresh(call.inputs)
    for name in call.watched():
        inputs[name].requires_grad_(True)
    before = subject.global_rng_state()
    try:
        value = call.probe(function, **inputs) if call.probe else function(*inputs.values())
        gradients = gradients_of(value, inputs, call)
    except Exception as error:
        return Outcome(raised=type(error).__name__, error=f"{error}{where(error)}")
    mutated = tuple(
        name
        for name in inputs
        if name not in call.inplace and not unchanged(inputs[name], pristine[name])
    )
    return Outcome(
        value=detached(value),
        gradients=gradients,
        mutated=mutated,
        used_global_rng=subject.global_rng_state() != before,
    )


def where(error: BaseException) -> str:
    """The line of the student's file in which an exception arose, for the message."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_students(Path(frame.filename))]
    return f" (line {own[-1].lineno} of {Path(own[-1].filename).name})" if own else ""


def _is_students(path: Path) -> bool:
    known = {chapter.module for chapter in CHAPTERS}
    return path.stem in known and path.parent.name not in ("probes", "checks")


def fresh(inputs: dict[str, Any]) -> dict[str, Any]:
    """Copies of the inputs; generators start again from their seed."""
    return {name: _copy(value) for name, value in inputs.items()}


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Generator):
        return torch.Generator().manual_seed(value.initial_seed())
    if isinstance(value, Tensor) and value.is_leaf and not value.requires_grad:
        return value.clone()  # the same as below, in a tenth of the time
    return copy.deepcopy(value)


def gradients_of(value: Any, inputs: dict[str, Any], call: Call) -> dict[str, Tensor | None]:
    """Gradient of ``sum(weights * value)`` for every watched input, or None where none flows."""
    names = call.watched()
    total = weighted_sum(value)
    if not names or total is None or not total.requires_grad:
        return dict.fromkeys(names)
    leaves = [inputs[name] for name in names]
    found = torch.autograd.grad(total, leaves, allow_unused=True)
    return {
        name: None if gradient is None or _vanishes(name, gradient, call) else gradient.detach()
        for name, gradient in zip(names, found, strict=True)
    }


def _vanishes(name: str, gradient: Tensor, call: Call) -> bool:
    """A gradient of exact zeros is no gradient, where none is meant to flow."""
    return name in call.detached and not bool(gradient.any())


def weighted_sum(value: Any) -> Tensor | None:
    """One number that depends on every entry of the value, each with a weight of its own."""
    total: Tensor | None = None
    for _, leaf in leaves_of(value):
        if isinstance(leaf, Tensor) and leaf.is_floating_point():
            flat = leaf.reshape(-1)
            weights = torch.linspace(0.5, 1.5, max(flat.numel(), 1), dtype=leaf.dtype)
            part = (flat * weights[: flat.numel()]).sum()
            total = part if total is None else total + part
    return total


def leaves_of(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Walk tuples, lists, dicts and dataclasses; yield ``(where, leaf)``."""
    if isinstance(value, dict):
        for key in value:
            yield from leaves_of(value[key], f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from leaves_of(item, f"{path}[{index}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for entry in fields(value):
            yield from leaves_of(getattr(value, entry.name), f"{path}.{entry.name}")
    else:
        yield path, value


def detached(value: Any) -> Any:
    """The same value cut loose from the autograd graph, dataclasses as dicts."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray | np.generic):
        return torch.as_tensor(value)
    if isinstance(value, dict):
        return {key: detached(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(detached(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: detached(getattr(value, entry.name)) for entry in fields(value)}
    return value


def unchanged(value: Any, pristine: Any) -> bool:
    """Whether an input is what it was; objects other than tensors and numbers are not compared."""
    pairs = zip(leaves_of(value), leaves_of(pristine), strict=False)
    return all(
        same_tensor(a.detach(), b)
        for (_, a), (_, b) in pairs
        if isinstance(a, Tensor) and isinstance(b, Tensor)
    )


def same_tensor(a: Tensor, b: Tensor) -> bool:
    """Equal shape, type and entries, NaN equal to NaN."""
    return (
        a.shape == b.shape
        and a.dtype == b.dtype
        and bool(((a == b) | (a.isnan() & b.isnan())).all())
    )
