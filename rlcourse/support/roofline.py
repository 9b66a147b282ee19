"""What a device can do at best, and what writing asks of it: the two sides of a roofline (Williams et al., 2009)."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from rlcourse.support.gpt2 import GPT2Config


@dataclass(frozen=True, slots=True)
class Device:
    """The two limits of a device.

    Raises:
        ValueError: if a limit is not positive.
    """

    name: str
    """Begins like the name that the driver tells."""
    bytes_per_second: float
    """Most bytes that its memory gives in a second."""
    flops_per_second: float
    """Most additions and multiplications in a second, in matrix products of 16-bit numbers, without sparsity."""

    def __post_init__(self) -> None:
        if min(self.bytes_per_second, self.flops_per_second) <= 0:
            raise ValueError("both limits of a device must be positive")


DEVICES = (
    Device("NVIDIA A100-SXM4-80GB", 2.039e12, 312e12),
    Device("NVIDIA H100 80GB HBM3", 3.35e12, 989e12),
    Device("NVIDIA H200", 4.8e12, 989e12),
)
"""From NVIDIA's data sheets of the SXM boards; those of H100 and H200 state twice the FLOP/s, for sparse matrices."""


def find_device(name: str) -> Device | None:
    """The device whose name begins like that; None if its limits are not known here."""
    return next((device for device in DEVICES if name.startswith(device.name)), None)


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What counts of a model when it writes.

    Raises:
        ValueError: if a size is not positive.
    """

    weights: int
    """Numbers that every step of one token reads: all parameters but the table of positions."""
    layers: int
    """L, blocks."""
    width: int
    """D, the numbers in a hidden state; a token in the cache holds 2 L D numbers."""
    dtype: torch.dtype
    """Of weights and cache."""

    def __post_init__(self) -> None:
        if min(self.weights, self.layers, self.width) < 1:
            raise ValueError("weights, layers and width must be at least 1")


def size_of(config: GPT2Config, dtype: torch.dtype) -> ModelSize:
    """The size of a GPT-2 with a tied head."""
    width = config.n_embd
    block = 12 * width * width + 13 * width
    weights = config.vocab_size * width + config.n_layer * block + 2 * width
    return ModelSize(weights, config.n_layer, width, dtype)


def training_operations(config: GPT2Config, lengths: Tensor, answered: Tensor) -> float:
    """Additions and multiplications that one pass forward and backward of actor and critic cannot do without.

    Six for each weight and token, two of them forward (Kaplan et al., 2020, section 2.1); the head is asked at the
    tokens of responses only. Attention: each token looks at half of its row, on average.

    Args:
        config: the size of the actor, and of the critic's body.
        lengths: (B,) tokens of each row, its prompt among them, padding not.
        answered: (B,) tokens of each response.
    """
    width, layers = config.n_embd, config.n_layer
    body = 12 * layers * width * width * lengths.sum().item()
    attention = layers * width * lengths.double().square().sum().item()
    head = config.vocab_size * width * answered.sum().item()
    return 6.0 * (2 * (body + attention) + head)


def limits_of(device: torch.device) -> Device:
    """The limits of the device at hand: from the table, or measured where the table does not know it."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return find_device(name) or measured_limits(device, name, torch.bfloat16)
    return measured_limits(device, "this processor, as measured", torch.float32)


def measured_limits(device: torch.device, name: str, dtype: torch.dtype, size: int = 0) -> Device:
    """What copying a large tensor and multiplying two matrices reach; a little less than the device can do.

    Args:
        device: to measure, idle if it can be had.
        name: what to call it.
        dtype: of the matrices.
        size: rows of the matrices, by default some that keep the device busy for milliseconds; copied are 32 times as
            many numbers as a matrix has.
    """
    size = size or (4096 if device.type == "cuda" else 512)
    matrix = torch.ones(size, size, device=device, dtype=dtype)
    block = torch.zeros(32 * size * size, device=device)
    target = torch.empty_like(block)
    copied = 2 * block.numel() * block.itemsize / _best_of(lambda: target.copy_(block), device)
    return Device(name, copied, 2 * size**3 / _best_of(lambda: matrix @ matrix, device))


def _best_of(work: Callable[[], object], device: torch.device, times: int = 5) -> float:
    """Shortest time of a few, in seconds; the first one warms up."""
    found = list[float]()
    for _ in range(times + 1):
        start = perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(perf_counter() - start)
    return min(found[1:])
