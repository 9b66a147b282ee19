"""What an environment would do next, as plain values, so that an interrupted run can go on exactly.

An environment keeps its state in attributes: where things are, how many steps were taken, its
generator. They are copied out of it, out of the environment below each wrapper and out of each
copy in a vector, and can be put into another environment of the same make.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import VectorEnv

AnyEnv = gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any]

_CONSTANT = object()
"""Stands for a value that no step changes: spaces, specifications, functions."""


def environment_state(env: AnyEnv) -> dict[str, Any]:
    """Plain values and tensors that say all about what ``env`` does next.

    Args:
        env: an environment or a vector of them in this process, made without ``render_mode``.

    Raises:
        TypeError: if it holds an object that cannot be told in numbers.
    """
    packed = {name: _pack(value, name) for name, value in vars(env).items()}
    return {name: value for name, value in packed.items() if value is not _CONSTANT}


def restore_environment(env: AnyEnv, state: dict[str, Any]) -> None:
    """Put into ``env`` what ``environment_state`` read from one of the same make.

    Raises:
        ValueError: if ``env`` is made of other parts.
    """
    for name, packed in state.items():
        if packed[0] == "environments":
            _restore_inner(getattr(env, name, None), packed[1], name)
        else:
            setattr(env, name, _unpack(packed))


def _restore_inner(inner: Any, states: list[dict[str, Any]], name: str) -> None:
    copies = inner if isinstance(inner, list | tuple) else [inner]
    if len(copies) != len(states):
        raise ValueError(f"{name} holds {len(copies)} environments, the saved state {len(states)}")
    for copy, state in zip(copies, states, strict=True):
        if not isinstance(copy, gymnasium.Env | VectorEnv):
            raise ValueError(f"{name} is no environment, but it was one when the state was saved")
        restore_environment(copy, state)


def _pack(value: Any, name: str) -> Any:
    """(kind, plain value), or ``_CONSTANT``."""
    if isinstance(value, gymnasium.Env | VectorEnv):
        return "environments", [environment_state(value)]
    if isinstance(value, list | tuple) and value and isinstance(value[0], gymnasium.Env):
        return "environments", [environment_state(copy) for copy in value]
    return _pack_value(value, name)


def _pack_value(value: Any, name: str) -> Any:
    if isinstance(value, np.random.Generator):
        return "generator", value.bit_generator.state
    if isinstance(value, np.ndarray | np.generic):
        return _pack_array(value)
    if isinstance(value, list | tuple | dict):
        return _pack_container(value, name)
    if value is None or isinstance(value, bool | int | float | str):
        return "plain", value
    if isinstance(value, spaces.Space | EnvSpec | Enum) or callable(value):
        return _CONSTANT
    raise TypeError(
        f"the environment's {name} is a {type(value).__name__}, which cannot be saved as numbers; "
        "train in environments made without render_mode, or give it plain attributes"
    )


def _pack_array(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind not in "bif":  # the letters of a map, and other tables of text
        return _CONSTANT
    kind = "array" if isinstance(value, np.ndarray) else "scalar"
    return kind, torch.from_numpy(array.copy())


def _pack_container(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        keys, items = list(value), [_pack(item, name) for item in value.values()]
    else:
        keys, items = None, [_pack(item, name) for item in value]
    if any(item is _CONSTANT for item in items):
        return _CONSTANT
    kind = "dict" if keys is not None else "tuple" if isinstance(value, tuple) else "list"
    return kind, (keys, items)


def _unpack(packed: Any) -> Any:
    kind, value = packed
    return _UNPACK[kind](value)


def _generator(state: dict[str, Any]) -> np.random.Generator:
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = state
    return np.random.Generator(bits)


_UNPACK: dict[str, Callable[[Any], Any]] = {
    "plain": lambda value: value,
    "array": lambda tensor: tensor.numpy().copy(),
    "scalar": lambda tensor: tensor.numpy()[()],
    "generator": _generator,
    "list": lambda packed: [_unpack(item) for item in packed[1]],
    "tuple": lambda packed: tuple(_unpack(item) for item in packed[1]),
    "dict": lambda packed: dict(zip(packed[0], map(_unpack, packed[1]), strict=True)),
}
