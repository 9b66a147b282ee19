"""Trusted side: which tensors that the student's process knows a tensor of ours was computed from.

Within one process a gradient finds its way by itself. Across the boundary the other side must be told: a tensor that
we lend has *sources*, the lent tensors and the student's own ones that its graph reaches first. When the student's
code asks for a gradient, we give that of the sources, and it goes on from there in its own graph.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from autograder.sandbox.wire import WireError

Coded = list[Any]
Edge = tuple[Node, int]
"""A node of a graph and which of its results."""
Source = tuple[bool, int]
"""Whether we lent it (else the student did), and its number."""


class Lineage:
    """The tensors that gradients flow through on both sides."""

    def __init__(self, number_of: Callable[[Tensor], int | None]) -> None:
        """Know nothing yet.

        Args:
            number_of: returns the number of a lent leaf, or None.
        """
        self.pulled: int | None = None
        """Number of the tensor whose gradient the student's process asks for just now."""
        self._number_of = number_of
        self._known: dict[Edge, Source] = {}
        self._pulls: dict[int, tuple[Tensor, list[GradientEdge]]] = {}
        self._new: dict[int, tuple[Tensor, Coded]] = {}

    def clear(self) -> None:
        """Forget everything."""
        for table in (self._known, self._pulls, self._new):
            table.clear()

    def begin_message(self) -> None:
        """Forget what was lent in a message that was never sent."""
        self._new.clear()

    def received(self, tensor: Tensor, handle: int) -> None:
        """Note a tensor of the student's, and the number that it has there."""
        if tensor.grad_fn is not None:
            self._known[tensor.grad_fn, tensor.output_nr] = (False, handle)

    def lend(self, number: int, tensor: Tensor, coded: Coded) -> None:
        """Note a tensor lent in the message being made; ``coded`` is its place there, sources come last."""
        self._new[number] = tensor, coded

    def settle(self) -> list[Coded]:
        """Fill in the sources of what this message lends.

        Returns:
            what must be known before the rest of the message, in order; its number alone stays where it was.
        """
        if all(tensor.grad_fn is None for tensor, _ in self._new.values()):
            self._new.clear()
            return []
        new, self._new = self._new, {}
        for number, (tensor, _) in new.items():
            if tensor.grad_fn is not None:
                self._known.setdefault((tensor.grad_fn, tensor.output_nr), (True, number))
        for number, (tensor, coded) in new.items():
            if tensor.grad_fn is not None:
                found = self._sources(number, tensor)
                self._pulls[number] = tensor, list(found.values())
                coded[-1] = [[n for ours, n in found if ours], [n for ours, n in found if not ours]]
                tensor.grad_fn.register_prehook(self._stop_at(number, tensor.output_nr))
        return _in_order({number: coded for number, (_, coded) in new.items()})

    def _sources(self, number: int, tensor: Tensor) -> dict[Source, GradientEdge]:
        """Return what the tensor's graph reaches first of what both sides know, and where."""
        found: dict[Source, GradientEdge] = {}
        stack: list[Any] = [(tensor.grad_fn, tensor.output_nr)]
        seen = set()
        while stack:
            node, index = edge = stack.pop()
            if node is None or edge in seen:
                continue
            seen.add(edge)
            source = self._known.get(edge)
            variable = getattr(node, "variable", None)
            leaf = self._number_of(variable) if isinstance(variable, Tensor) else None
            if source is not None and source != (True, number):
                found[source] = GradientEdge(node, index)
            elif leaf is not None:
                found[True, leaf] = GradientEdge(node, index)
            else:
                stack += node.next_functions
        return found

    def _stop_at(self, number: int, index: int) -> Callable[[tuple[Tensor | None, ...]], Any]:
        """Return a hook that lets no gradient past a lent tensor while another one is pulled."""

        def stop(gradients: tuple[Tensor | None, ...]) -> Any:
            if self.pulled is None or self.pulled == number:
                return None
            return tuple(
                torch.zeros_like(gradient) if at == index and gradient is not None else gradient
                for at, gradient in enumerate(gradients)
            )

        return stop

    def pull(self, number: int, gradient: Tensor) -> list[Tensor | None]:
        """Return the gradients of a lent tensor's sources.

        Raises:
            WireError: if it has none, or the gradient does not fit.
        """
        if number not in self._pulls or gradient.shape != self._pulls[number][0].shape:
            raise WireError("no gradient to give")
        output, sources = self._pulls[number]
        outer, self.pulled = self.pulled, number
        try:
            found = torch.autograd.grad(
                output, sources, gradient, retain_graph=True, allow_unused=True
            )
        finally:
            self.pulled = outer
        return [None if g is None else g.detach() for g in found]


def _in_order(new: dict[int, Coded]) -> list[Coded]:
    """Take out of a message, sources before what they lead to, all that is lent in it for gradients."""
    first: list[Coded] = []

    def place(number: int) -> None:
        coded = new.pop(number, None)
        if coded is None:
            return
        for source in coded[-1][0] if coded[-1] else ():
            place(source)
        first.append(coded.copy())
        coded[:] = ["m", number]

    while new:
        place(next(iter(new)))
    return first
