"""Student's side: makes the mirror of an object that the trusted side lends."""

from typing import Any

import torch
from torch import Tensor

from autograder.sandbox import tensors
from autograder.sandbox.mirrors import Content, write


def make_mirror(
    kind: str, content: Content, requires_grad: bool, is_leaf: bool
) -> tuple[Any, Tensor | None]:
    """Make a mirror and, for a tensor that gradients flow to, the leaf they are asked for."""
    if kind == "G":
        generator = torch.Generator()
        write(generator, content)
        return generator, None
    if kind == "A":
        return tensors.rebuild_array(*content[:3]), None
    value = tensors.rebuild(*content[:3])
    if kind == "P":
        value = torch.nn.Parameter(value, requires_grad=requires_grad)
    if not requires_grad:
        return value, None
    leaf = value.requires_grad_(True)
    if is_leaf:
        if content.grad is not None:
            leaf.grad = tensors.rebuild(*content.grad[:3])
        return leaf, leaf
    return None, leaf
