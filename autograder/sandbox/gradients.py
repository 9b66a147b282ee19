"""Autograd across the boundary: one node on each side where a tensor arrived from the other one."""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from autograder.sandbox.lineage import Lineage


class Asks(Protocol):
    """The part of a peer that gradients need."""

    lineage: "Lineage"

    def request(self, operation: str, value: Any = None) -> Any:
        """Ask the other side."""


class FromStudent(torch.autograd.Function):
    """Trusted side: a tensor that the student computed from tensors we had lent."""

    @staticmethod
    def forward(
        ctx: Any, peer: Asks, handle: int, ids: list[int], value: Tensor, *inputs: Tensor
    ) -> Tensor:
        """Return the value as a function of ``inputs`` (an anchor, then the lent tensors ``ids``)."""
        ctx.peer, ctx.handle, ctx.ids = peer, handle, ids
        ctx.likes = [(x.shape, x.dtype) for x in inputs[1:]]
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Ask the student's process for the gradients; it has asked itself if we pull for it."""
        if ctx.peer.lineage.pulled is not None:
            return (None,) * len(ctx.needs_input_grad)
        found = ctx.peer.request("backward", [ctx.handle, ctx.ids, grads[0].contiguous()])
        if not isinstance(found, list) or len(found) != len(ctx.ids):
            raise RuntimeError("the student's process sent no list of gradients")
        checked = [_fitting(g, *like) for g, like in zip(found, ctx.likes, strict=True)]
        return (None, None, None, None, None, *checked)


class FromTeacher(torch.autograd.Function):
    """Student's side: a tensor that the trusted side computed from tensors we know.

    When the trusted side asks for gradients, they flow to ``leaf`` alone: it follows its own graph from there. When
    the student's code asks (``loss.backward()``), the trusted side is asked for its part.
    """

    @staticmethod
    def forward(ctx: Any, peer: Any, number: int, leaf: Tensor, *inputs: Tensor) -> Tensor:
        """Return the leaf's value as a function of the leaf and of ``inputs``."""
        ctx.peer, ctx.number = peer, number
        return leaf.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Split the gradient as described above."""
        inputs = len(ctx.needs_input_grad) - 3
        if ctx.peer.asked_for_gradients:
            return (None, None, grads[0], *[None] * inputs)
        found = ctx.peer.request("pull", [ctx.number, grads[0].contiguous()])
        return (None, None, None, *found)


def from_teacher(peer: Any, number: int, leaf: Tensor, inputs: list[Tensor]) -> Tensor:
    """Return the tensor of that number as a function of its own leaf and of our tensors."""
    with torch.enable_grad():
        made: Tensor = FromTeacher.apply(peer, number, leaf, *inputs)  # type: ignore[no-untyped-call]
    return made


def _fitting(gradient: Any, shape: torch.Size, dtype: torch.dtype) -> Tensor | None:
    if gradient is None:
        return None
    if type(gradient) is not Tensor or gradient.shape != shape or gradient.dtype != dtype:
        raise RuntimeError("the student's process sent a gradient of another shape")
    return gradient


def leaves_of(tensor: Tensor) -> list[Tensor]:
    """Return the leaves that a tensor's graph reaches, each once."""
    if tensor.grad_fn is None:
        return [tensor] if tensor.requires_grad else []
    found: dict[int, Tensor] = {}
    seen, stack = set(), [tensor.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            found[id(variable)] = variable
        stack.extend(following for following, _ in node.next_functions if following is not None)
    return list(found.values())
