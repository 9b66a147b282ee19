"""Tensors, numbers and the course's dataclasses as JSON, exactly, and back."""

import math
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from rlcourse.checks.outcome import Outcome
from rlcourse.support.mdp import TabularMDP
from rlcourse.support.rollouts import Rollout

DATACLASSES = {kind.__name__: kind for kind in (Rollout, TabularMDP)}


def encode(value: Any) -> Any:
    """Turn a value into something ``json.dumps`` writes without loss.

    Raises:
        TypeError: for a value that has no exact form in JSON.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, Tensor):
        flat = [encode(number) for number in value.detach().reshape(-1).tolist()]
        return {"tensor": flat, "shape": list(value.shape), "dtype": str(value.dtype)[6:]}
    if isinstance(value, torch.Generator):
        return {"generator": value.initial_seed()}
    if isinstance(value, dict):
        return {"dict": {key: encode(item) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        return {"tuple": [encode(item) for item in value]}
    if is_dataclass(value) and type(value).__name__ in DATACLASSES:
        entries = {entry.name: encode(getattr(value, entry.name)) for entry in fields(value)}
        return {"dataclass": type(value).__name__, "fields": entries}
    raise TypeError(f"a fingerprint cannot hold a {type(value).__name__}; use a probe for it")


def decode(data: Any) -> Any:
    """Undo :func:`encode`."""
    if not isinstance(data, dict):
        return data
    if "float" in data:
        return float(data["float"])
    if "tensor" in data:
        numbers = [decode(number) for number in data["tensor"]]
        return torch.tensor(numbers, dtype=getattr(torch, data["dtype"])).reshape(data["shape"])
    if "generator" in data:
        return torch.Generator().manual_seed(data["generator"])
    if "dict" in data:
        return {key: decode(item) for key, item in data["dict"].items()}
    if "tuple" in data:
        return tuple(decode(item) for item in data["tuple"])
    return DATACLASSES[data["dataclass"]](
        **{name: decode(item) for name, item in data["fields"].items()}
    )


def encode_outcome(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON, leaving out what is empty."""
    data: dict[str, Any] = {}
    if outcome.value is not None:
        data["value"] = encode(outcome.value)
    if outcome.gradients:
        data["gradients"] = {name: encode(gradient) for name, gradient in outcome.gradients.items()}
    if outcome.raised:
        data["raised"] = outcome.raised
    if outcome.mutated:
        data["mutated"] = list(outcome.mutated)
    if outcome.used_global_rng:
        data["used_global_rng"] = True
    return data


def decode_outcome(data: dict[str, Any]) -> Outcome:
    """Undo :func:`encode_outcome`."""
    return Outcome(
        value=decode(data.get("value")),
        gradients={name: decode(item) for name, item in data.get("gradients", {}).items()},
        raised=data.get("raised"),
        mutated=tuple(data.get("mutated", ())),
        used_global_rng=data.get("used_global_rng", False),
    )
