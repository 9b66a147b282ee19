"""Adam for small networks: weights and gradients of all layers in one vector.

An optimizer looks at each tensor before it computes anything. A network of ten thousand weights in
twelve tensors spends more time on that than on the arithmetic; ``benchmarks/classic`` measures it.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class OneVectorAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba, 2015) on one vector that holds all the parameters.

    The parameters stay where they are used; their numbers, and those of their gradients, become
    parts of two vectors. Only one optimizer of this kind can have them.

    Args:
        parameters: of one dtype, on one device.
        lr: step size.
        eps: added to the root in the divisor.

    Raises:
        ValueError: if there is no parameter, or dtypes or devices differ.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, eps: float = 1e-8) -> None:
        self.parts = list(parameters)
        kinds = {(part.dtype, part.device) for part in self.parts}
        if len(kinds) != 1:
            raise ValueError(
                f"parameters must be of one dtype on one device, got {kinds or 'none'}"
            )
        vector = nn.Parameter(nn.utils.parameters_to_vector(self.parts).detach())
        vector.grad = torch.zeros_like(vector)
        self.gradients = _cut_like(vector.grad, self.parts)
        for part, place in zip(self.parts, _cut_like(vector.detach(), self.parts), strict=True):
            part.data = place
        super().__init__([vector], {"lr": lr, "betas": (0.9, 0.999), "eps": eps})
        moments = {name: torch.zeros_like(vector) for name in ("exp_avg", "exp_avg_sq")}
        self.state[vector] = {"step": 0} | moments
        self.zero_grad()

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Forget the gradients. They stay where they are: ``backward`` adds to what lies there."""
        for part, gradient in zip(self.parts, self.gradients, strict=True):
            part.grad = gradient
        self.param_groups[0]["params"][0].grad.zero_()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Algorithm 1 of the paper, with both corrections in the step size (end of its section 2).

        In place, on one vector: torch's own step first looks for several devices and dtypes.
        """
        group = self.param_groups[0]
        (vector,), (beta1, beta2) = group["params"], group["betas"]
        state, gradient = self.state[vector], vector.grad
        state["step"] += 1
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        correction = math.sqrt(1 - beta2 ** state["step"])
        step_size = group["lr"] * correction / (1 - beta1 ** state["step"])
        vector.addcdiv_(mean, square.sqrt().add_(correction * group["eps"]), value=-step_size)


def shorten_gradient(optimizer: torch.optim.Optimizer, longest: float) -> Tensor:
    """Shorten the gradient of all that an optimizer trains, taken together.

    As ``torch.nn.utils.clip_grad_norm_`` on these parameters.

    Args:
        optimizer: its parameters' gradients are changed in place.
        longest: a longer gradient gets this length; infinite leaves every gradient as it is.

    Returns:
        () the length before.
    """
    parameters = (part for group in optimizer.param_groups for part in group["params"])
    gradients = [part.grad for part in parameters if part.grad is not None]
    length = math.hypot(*(torch.linalg.vector_norm(part).item() for part in gradients))
    if length > longest:
        for gradient in gradients:
            gradient.mul_(longest / (length + 1e-6))
    return torch.tensor(length)


def _cut_like(vector: Tensor, parts: list[nn.Parameter]) -> list[Tensor]:
    """Pieces of the vector, one after the other, in the shapes of ``parts``."""
    pieces = vector.split([part.numel() for part in parts])
    return [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]
