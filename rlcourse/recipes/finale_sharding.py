"""Weights, gradients and AdamW's moments split over processes, for a model that no single GPU can train (FSDP2).

Each process keeps its part of every weight. Before the first forward pass of an update all parts are gathered; after
the last backward pass the gradients are added up and each process keeps its part of the sum (Zhao et al., 2023). In
between, processes need not have equally many microbatches. The copy of the policy that writes is whole everywhere.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
"""A checkpoint holds whole tensors; the first process gets them."""


def shard(model: nn.Module, device: torch.device) -> None:
    """Split the parameters of a model over all processes, in place; parameters without an element stay.

    Raises:
        ValueError: if there are no other processes.
    """
    if not distributed.is_initialized():
        raise ValueError('sharding="fsdp2" needs several processes: start the run by torchrun')
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    empty = {p for p in model.parameters() if p.numel() == 0}
    fully_shard(model, mesh=mesh, reshard_after_forward=False, ignored_params=empty)
    assert isinstance(model, FSDPModule)
    model.set_force_sum_reduction_for_comms(True)
    model.set_gradient_divide_factor(1.0)  # the loss is weighted by tokens already


def announce(model: nn.Module, last: bool) -> None:
    """Say before a forward pass whether the backward pass behind it is the last one of an update."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(last)
        model.set_reshard_after_backward(last)
        model.set_is_last_backward(last)


def whole(x: Tensor) -> Tensor:
    """The tensor itself, or, where it is split, all of it; then every process must ask."""
    return x.full_tensor() if isinstance(x, DTensor) else x


class ShardedModel:
    """What a checkpoint needs of a split model; every process must ask, and the first one gets it."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def state_dict(self) -> dict[str, Any]:
        """Whole tensors by name."""
        return get_model_state_dict(self.model, options=WHOLE)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Each process takes its parts."""
        set_model_state_dict(self.model, state, options=StateDictOptions(full_state_dict=True))


class ShardedOptimizer:
    """The same for the moments of its optimizer."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.model, self.optimizer = model, optimizer

    def state_dict(self) -> dict[str, Any]:
        """Whole tensors by the name of their parameter."""
        return get_optimizer_state_dict(self.model, self.optimizer, options=WHOLE)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Each process takes its parts."""
        options = StateDictOptions(full_state_dict=True)
        set_optimizer_state_dict(self.model, self.optimizer, state, options=options)
