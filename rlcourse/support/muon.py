"""Muon (Jordan et al., 2024) in single precision: PyTorch's own works in bfloat16, which most CPUs only emulate.

On such a CPU the five matrix products of a step then cost more than the forward and backward pass of a small model.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.775, 2.0315)
"""Of the quintic that brings all singular values of a matrix near 1; from Jordan et al."""
ITERATIONS = 5


def orthogonalized(matrix: Tensor) -> Tensor:
    """(A, B) a matrix with the singular vectors of this one, and singular values near 1 (some .7 to 1.2)."""
    a, b, c = COEFFICIENTS
    tall = matrix.size(0) > matrix.size(1)
    found = matrix.T if tall else matrix
    found = found / found.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return found.T if tall else found


class Muon(Optimizer):
    """Steps along the orthogonalized momentum of each matrix, with Nesterov's look ahead; as ``torch.optim.Muon``.

    Args:
        params: matrices, or groups of them.
        lr: learning rate, for a square matrix; a tall one's is larger by √(A/B).
        weight_decay: what each step takes from a weight, as a share, times the learning rate.
        momentum: share of the old momentum that is kept.

    Raises:
        ValueError: if a parameter is no matrix.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.dim() != 2:
                    shape = tuple(parameter.shape)
                    raise ValueError(f"Muon is for matrices, got a parameter of shape {shape}")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of all matrices that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        momentum, rows = state["momentum_buffer"], parameter.shape
        momentum.lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(momentum, group["momentum"])
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        scale = math.sqrt(max(1.0, rows[0] / rows[1]))
        parameter.add_(orthogonalized(ahead), alpha=-group["lr"] * scale)
