"""What the student's code may ask of the objects that were lent to it."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from autograder.sandbox import exports, modules
from autograder.sandbox.lineage import Lineage
from autograder.sandbox.peer import Objects
from autograder.sandbox.wire import WireError


class Lender(Protocol):
    """The part of the trusted end that the services need."""

    objects: Objects
    lineage: Lineage


def _call(host: Lender, target: Any, args: Any, kwargs: Any) -> Any:
    if not host.objects.is_lent(target) or not exports.may_call(target):
        raise WireError("this object cannot be called")
    return target(*args, **kwargs)


def _method(host: Lender, number: Any, name: Any, args: Any, kwargs: Any) -> Any:
    return _allowed(host, number, name)(*args, **kwargs)


def _get(host: Lender, number: Any, name: Any) -> Any:
    return _allowed(host, number, name)


def _allowed(host: Lender, number: Any, name: Any) -> Any:
    target = host.objects.own(number)
    if name not in exports.allowed_names(target):
        raise AttributeError(f"{str(name)[:80]} is not available while grading")
    return getattr(target, name)


def _module(
    host: Lender, number: Any, path: Any, name: Any, state: Any, flags: Any, args: Any, kwargs: Any
) -> Any:
    module = modules.part_of(host.objects.own(number), path)
    if name != "__call__" and _attribute(host, number, path, name)[0] != "method":
        raise WireError("no such method")
    if not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
        raise WireError("no state of a module")
    for part, flag in zip(module.modules(), flags, strict=False):
        part.training = flag is True
    return modules.run(module, name, state, args, kwargs)


def _attribute(host: Lender, number: Any, path: Any, name: Any) -> tuple[str, Any]:
    module = modules.part_of(host.objects.own(number), path)
    if name not in exports.allowed_names(module):
        raise AttributeError(f"{type(module).__name__} has no attribute {str(name)[:80]!r}")
    value = getattr(module, name)
    return ("method", None) if callable(value) else ("value", value)


def _train(host: Lender, number: Any, path: Any, mode: Any) -> None:
    modules.part_of(host.objects.own(number), path).train(mode is True)


def _optimizer(host: Lender, number: Any) -> torch.optim.Optimizer:
    found = host.objects.own(number)
    if not isinstance(found, torch.optim.Optimizer):
        raise WireError("no optimizer")
    return found


def _step(host: Lender, number: Any, settings: Any) -> None:
    optimizer = _optimizer(host, number)
    modules.set_groups(optimizer, settings)
    optimizer.step()


def _zero_grad(host: Lender, number: Any, set_to_none: Any) -> None:
    _optimizer(host, number).zero_grad(set_to_none=set_to_none is True)


def _pull(host: Lender, number: Any, gradient: Any) -> list[Tensor | None]:
    if type(number) is not int or not isinstance(gradient, Tensor):
        raise WireError("no gradient to give")
    return host.lineage.pull(number, gradient)


SERVES: dict[str, Callable[..., Any]] = {
    "call": _call,
    "method": _method,
    "get": _get,
    "module": _module,
    "attribute": _attribute,
    "train": _train,
    "step": _step,
    "zero_grad": _zero_grad,
    "pull": _pull,
}
