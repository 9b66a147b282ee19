"""Several processes that train one model together, each on its share of the rows; and the single one, which is all."""

import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True, slots=True)
class Processes:
    """Who we are among how many. With ``count`` 1 every function here returns what it was given."""

    rank: int = 0
    """Number of this process, from 0."""
    count: int = 1
    """Of all processes."""

    def share(self, x: Tensor) -> Tensor:
        """(B/count, ...) this process's rows of (B, ...): every ``count``-th one, beginning with number ``rank``."""
        return x[self.rank :: self.count]

    def gather(self, x: Tensor) -> Tensor:
        """(B, ...) all rows, in the order in which ``share`` took them apart, known to every process.

        Args:
            x: (B/count, ...) the same number of rows in every process.
        """
        if self.count == 1:
            return x
        parts = [torch.empty_like(x) for _ in range(self.count)]
        distributed.all_gather(parts, x.contiguous())
        return torch.stack(parts, dim=1).flatten(0, 1)

    def add_up(self, x: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.count > 1:
            distributed.all_reduce(x)
        return x

    def any_of(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is up in some process."""
        return bool(self.add_up(torch.tensor(float(flag), device=device)) > 0)


def join(device: torch.device) -> Processes:
    """Meet the other processes that ``torchrun`` started; alone where it started none."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        if device.index is not None and device.type == "cuda":
            torch.cuda.set_device(device)  # streams and graphs belong to the GPU that is set
        return Processes()
    if device.type == "cuda":  # each process has a GPU of its own
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Processes(distributed.get_rank(), distributed.get_world_size())


def leave() -> None:
    """Say good-bye to the other processes, if there were any."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
