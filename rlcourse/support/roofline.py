"""What a device can do at best, and what writing asks of it: the two sides of a roofline (Williams et al., 2009)."""

from dataclasses import dataclass

import torch

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
