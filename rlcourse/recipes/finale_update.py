"""What stands between a gradient and the weights in the finale: other processes, a length, and a last look.

Nothing here asks the device for a number, so that the host can be ahead of it with the next minibatch.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from rlcourse.recipes.finale_batch import FinaleConfig
from rlcourse.recipes.finale_models import Trained
from rlcourse.recipes.finale_sharding import ShardedModel, ShardedOptimizer, whole
from rlcourse.support.processes import Processes
from rlcourse.support.training_run import Part


class Updates:
    """AdamW that changes nothing any more once a loss or a gradient was no finite number.

    Args:
        trained: policy and critic, each with a gradient shortened on its own.
        config: learning rate, length of the gradient, number of steps.
        processes: whose gradients add up.
    """

    def __init__(self, trained: Trained, config: FinaleConfig, processes: Processes) -> None:
        self.trained, self.config, self.processes = trained, config, processes
        weights = [p for p in trained.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            weights, config.learning_rate, (0.9, 0.95), eps=1e-5, weight_decay=0.0, fused=True
        )
        self.bad = torch.zeros((), device=weights[0].device)
        """() 1 from the first number on that was not finite, 0 before."""
        self.optimizer.found_inf = self.bad  # type: ignore[attr-defined]  # the fused kernel reads it

    def parts(self) -> dict[str, Part]:
        """What a checkpoint must hold."""
        if self.config.sharding == "none":
            return {"trained": self.trained, "optimizer": self.optimizer}
        optimizer = ShardedOptimizer(self.trained, self.optimizer)
        return {"trained": ShardedModel(self.trained), "optimizer": optimizer}

    def begin(self, step: int) -> None:
        """The learning rate of one of the steps: a straight line to 0."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * (1 - step / self.config.steps)

    def forget(self) -> None:
        """No gradient lies anywhere. A split model has two sets of parameters, whole ones and parts: clear both."""
        self.optimizer.zero_grad()
        self.trained.zero_grad()

    def take(self, loss: Tensor) -> None:
        """Use the gradients that lie in the parameters.

        Args:
            loss: () that they belong to, the same in every process.
        """
        if self.config.sharding == "none":  # else they were added up on the way back
            add_up_gradients(self.trained.parameters(), self.processes)
        finite = loss.isfinite()
        for model in (self.trained.actor, self.trained.critic):
            length = nn.utils.clip_grad_norm_(model.parameters(), self.config.max_grad_norm)
            finite = finite & whole(length).isfinite()
        self.bad.copy_(torch.maximum(self.bad, (~finite).to(self.bad.dtype)))
        self.optimizer.step()

    def refuse_bad(self, losses: Tensor) -> None:
        """Look at last; this waits for the device.

        Args:
            losses: (K,) of all updates of a step.

        Raises:
            FloatingPointError: if something was not finite.
        """
        if bool(self.bad > 0):
            wrong = losses[~losses.isfinite()]
            what = f"loss is {wrong[0].item()}" if len(wrong) else "gradient is not finite"
            raise FloatingPointError(f"the {what}")


def add_up_gradients(parameters: Iterable[nn.Parameter], processes: Processes) -> None:
    """The sum over all processes, in one message; a process that had no row adds zeros."""
    if processes.count == 1:
        return
    own = [p for p in parameters if p.requires_grad]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in own])
    parts = processes.add_up(flat).split([p.numel() for p in own])
    for parameter, part in zip(own, parts, strict=True):
        parameter.grad = part.view_as(parameter)
