"""Networks and optimizers used from the student's process: their stand-ins there, their calls here.

The stand-in of a module is a real ``nn.Module`` with the same tree, whose parameters are mirrors of ours. Calling it
runs our module on the stand-in's current parameters, so a copy of it is a module of its own.
"""

from typing import Any

import torch
from torch import Tensor, nn

from autograder.sandbox.wire import WireError

Tree = dict[str, Any]


def tree_of(module: nn.Module) -> Tree:
    """Return parameters, buffers and parts of a module."""
    return {
        "parameters": dict(module._parameters),
        "buffers": dict(module._buffers),
        "parts": {
            name: tree_of(part) for name, part in module._modules.items() if part is not None
        },
        "training": module.training,
    }


class _Method(nn.Module):
    """Lets ``functional_call`` run any method of a module."""

    def __init__(self, inner: nn.Module, name: str) -> None:
        super().__init__()
        self.inner = inner
        self._name = name

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self._name == "__call__":
            return self.inner(*args, **kwargs)
        return getattr(self.inner, self._name)(*args, **kwargs)


def part_of(module: Any, path: Any) -> nn.Module:
    """Return the part of a lent module at a path.

    Raises:
        WireError: if there is none.
    """
    if not isinstance(module, nn.Module) or not isinstance(path, str):
        raise WireError("no module")
    try:
        return module.get_submodule(path)
    except AttributeError:
        raise WireError("no such part of a module") from None


def run(module: nn.Module, name: str, state: dict[str, Tensor], args: Any, kwargs: Any) -> Any:
    """Trusted side: call a module on the parameters of its stand-in."""
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if state.keys() == own.keys() and all(state[key] is own[key] for key in own):
        return _Method(module, name)(*args, **kwargs)
    if not state.keys() <= own.keys():
        raise WireError("no state of this module")
    prefixed = {f"inner.{key}": value for key, value in state.items()}
    return torch.func.functional_call(_Method(module, name), prefixed, tuple(args), kwargs)


class ModuleFacade(nn.Module):
    """Student's side: stands in for a module of the trusted side."""

    def __init__(self, peer: Any, number: int, path: str, tree: Tree) -> None:
        """Build the stand-in of the part at ``path``."""
        super().__init__()
        for name, parameter in tree["parameters"].items():
            self.register_parameter(name, parameter)
        for name, buffer in tree["buffers"].items():
            self.register_buffer(name, buffer)
        for name, part in tree["parts"].items():
            self.add_module(name, ModuleFacade(peer, number, f"{path}.{name}".lstrip("."), part))
        self.training = tree["training"]
        # Last: torch refuses to register a name that an attribute of the other side already has.
        self.__dict__["_home"] = (peer, number, path)

    def _run(self, name: str, args: Any, kwargs: Any) -> Any:
        peer, number, path = self._home
        state = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        flags = [part.training for part in self.modules()]
        return peer.request("module", [number, path, name, state, flags, list(args), kwargs])

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module on the other side."""
        return self._run("__call__", args, kwargs)

    def train(self, mode: bool = True) -> "ModuleFacade":
        """Set the mode here and there, unless this is a copy."""
        super().train(mode)
        peer, number, path = self._home
        if peer.objects.number_of(self) == number:
            peer.request("train", [number, path, mode])
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "ModuleFacade":
        import copy

        peer, number, path = self._home
        twin = ModuleFacade.__new__(ModuleFacade)
        memo[id(self)] = twin
        state = {k: v for k, v in self.__dict__.items() if k != "_home"}
        twin.__dict__.update(copy.deepcopy(state, memo))
        twin.__dict__["_home"] = (peer, number, path)
        return twin

    def __getattr__(self, name: str) -> Any:
        """Find a parameter or part here, any other public attribute on the other side."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_"):
                raise
        peer, number, path = self._home
        kind, value = peer.request("attribute", [number, path, name])
        if kind == "value":
            return value
        return lambda *args, **kwargs: self._run(name, args, kwargs)


class OptimizerFacade:
    """Student's side: stands in for an optimizer of the trusted side."""

    def __init__(self, peer: Any, number: int, groups: list[dict[str, Any]]) -> None:
        """Build the stand-in; ``param_groups`` holds mirrors and plain numbers."""
        self._peer, self._number = peer, number
        self.param_groups = groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; they are forgotten on the other side with the next message."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none or parameter.grad is None:
                    parameter.grad = None
                else:
                    parameter.grad.zero_()
        self._peer.request("zero_grad", [self._number, set_to_none])

    def step(self, closure: Any = None) -> Any:
        """Let the other side's optimizer step; the new parameters come with its reply."""
        loss = closure() if closure is not None else None
        settings = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self.param_groups
        ]
        self._peer.request("step", [self._number, settings])
        return loss


def plain_groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Trusted side: the parameter groups with what is plain in them."""
    plain = (bool, int, float, type(None), tuple)
    return [
        {key: value for key, value in group.items() if key == "params" or isinstance(value, plain)}
        for group in optimizer.param_groups
    ]


def set_groups(optimizer: torch.optim.Optimizer, settings: Any) -> None:
    """Trusted side: take over learning rates and the like, where they keep their type."""
    for group, new in zip(optimizer.param_groups, settings, strict=True):
        for key, value in new.items():
            old = group.get(key)
            if isinstance(value, bool | int | float) and isinstance(old, bool | int | float):
                group[key] = value
