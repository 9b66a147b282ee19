"""What the student's code may do with an object of the trusted side: nothing but what is listed here."""

import types
from collections.abc import Iterable
from functools import cache, partial
from typing import Any

import gymnasium
import torch

ENVIRONMENT = frozenset(
    {
        "reset", "step", "close", "unwrapped", "observation_space", "action_space", "num_envs",
        "single_observation_space", "single_action_space",
    }
)  # fmt: skip
"""Names of a gymnasium environment."""
_FUNCTIONS = (
    types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.BuiltinMethodType, partial, type,
)  # fmt: skip


def kind_of(value: Any) -> str:
    """Return how the student's side should stand in for an object."""
    if isinstance(value, torch.nn.Module):
        return "module"
    if isinstance(value, torch.optim.Optimizer):
        return "optimizer"
    return "function" if isinstance(value, _FUNCTIONS) else "object"


def allowed_names(value: Any) -> frozenset[str]:
    """Return the attributes of an object that the student's code may read or call.

    Environments have gymnasium's; classes of ``rlcourse.support`` their public ones; any other class has what it lists
    in a ``sandbox_names`` attribute, or nothing.
    """
    declared = getattr(type(value), "sandbox_names", None)
    if isinstance(declared, frozenset):
        return declared
    if isinstance(value, gymnasium.Env | gymnasium.vector.VectorEnv):
        return ENVIRONMENT
    if type(value).__module__.split(".")[:2] == ["rlcourse", "support"]:
        if isinstance(value, torch.nn.Module):
            return frozenset(_public(dir(value)) - _public(dir(torch.nn.Module)))
        kind: Any = type(value)
        return _names_of_class(kind) | _public(getattr(value, "__dict__", ()))
    return frozenset()


@cache
def _names_of_class(kind: Any) -> frozenset[str]:
    return _public(dir(kind))


def _public(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name in names if not name.startswith("_"))


def may_call(value: Any) -> bool:
    """Whether the student's code may call this object."""
    if isinstance(value, _FUNCTIONS):
        return True
    return callable(value) and not isinstance(value, gymnasium.Env | gymnasium.vector.VectorEnv)


def describe(value: Any) -> dict[str, Any]:
    """Return what the stand-in of an object must know: names of methods and attributes, whether it is callable."""
    methods: list[str] = []
    attributes: list[str] = []
    for name in sorted(allowed_names(value)):
        try:
            bound = isinstance(getattr(value, name), types.MethodType)
        except Exception:
            continue
        (methods if bound else attributes).append(name)
    return {"methods": methods, "attributes": attributes, "call": may_call(value)}
