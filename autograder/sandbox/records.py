"""Classes that may cross between the two sides by their fields.

Only these, by exact type: the frozen dataclasses and named tuples of ``rlcourse.support``, and a few plain containers.
An object of any other class stays in its process and is used by handle.
"""

import dataclasses
import sys
import types
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from autograder.sandbox.wire import WireError

HOME = "rlcourse.support"

MAX_ITEMS = 300_000
"""Items of a range: who walks through it must come to an end."""

Fields = list[Any]


def _short(numbers: range) -> range:
    if numbers[MAX_ITEMS:]:
        raise ValueError(f"a range of more than {MAX_ITEMS} items")
    return numbers


_PLAIN: dict[type, tuple[Callable[[Any], Fields], Callable[..., Any]]] = {
    range: (lambda x: [x.start, x.stop, x.step], lambda *ends: _short(range(*ends))),
    slice: (lambda x: [x.start, x.stop, x.step], slice),
    complex: (lambda x: [x.real, x.imag], complex),
    types.SimpleNamespace: (lambda x: [vars(x)], lambda d: types.SimpleNamespace(**d)),
    gymnasium.spaces.Discrete: (
        lambda x: [int(x.n), int(x.start)],
        lambda n, start: gymnasium.spaces.Discrete(n, start=start),
    ),
    gymnasium.spaces.MultiDiscrete: (
        lambda x: [np.asarray(x.nvec)],
        lambda nvec: gymnasium.spaces.MultiDiscrete(nvec),
    ),
    gymnasium.spaces.Box: (
        lambda x: [x.low, x.high],
        lambda low, high: gymnasium.spaces.Box(low, high, dtype=low.dtype.type),
    ),
}
_OTHERS: set[type] = set()
"""Classes already found to be no records."""
_PLAIN_NAMES = {kind.__name__: kind for kind in _PLAIN}


def _is_record(kind: Any) -> bool:
    if not isinstance(kind, type) or kind.__module__.split(".")[:2] != HOME.split("."):
        return False
    frozen = dataclasses.is_dataclass(kind) and vars(kind)["__dataclass_params__"].frozen
    return bool(frozen) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))


def record_names(kind: Any) -> tuple[str, ...] | None:
    """Return the names of a record's fields, or None if its class does not cross by fields."""
    if not _is_record(kind):
        return None
    if issubclass(kind, tuple):
        return tuple(kind._fields)
    return tuple(field.name for field in dataclasses.fields(kind) if field.init)


def take_apart(value: Any) -> tuple[str, Fields] | None:
    """Return a record's name and fields, or None if its class does not cross by fields."""
    kind = type(value)
    if kind in _OTHERS:
        return None
    if kind in _PLAIN:
        return kind.__name__, _PLAIN[kind][0](value)
    names = record_names(kind)
    if names is None:
        _OTHERS.add(kind)
        return None
    return f"{kind.__module__}:{kind.__qualname__}", [getattr(value, name) for name in names]


def put_together(name: Any, fields: Fields) -> Any:
    """Build a record again; its own checks run.

    Raises:
        WireError: if there is no such record or it refuses the fields.
    """
    make = _maker(name)
    try:
        return make(*fields)
    except Exception as error:
        raise WireError(f"no {name}: {type(error).__name__}: {str(error)[:500]}") from None


def _maker(name: Any) -> Callable[..., Any]:
    if not isinstance(name, str):
        raise WireError("no record")
    if name in _PLAIN_NAMES:
        return _PLAIN[_PLAIN_NAMES[name]][1]
    module, _, attribute = name.partition(":")
    kind = getattr(sys.modules.get(module), attribute, None) if attribute.isidentifier() else None
    names = record_names(kind) if _is_record(kind) else None
    if kind is None or names is None or kind.__module__ != module:
        raise WireError(f"no record is called {name[:100]!r}")
    return lambda *fields: kind(**dict(zip(names, fields, strict=True)))
