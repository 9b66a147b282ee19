"""How fast a step of the finale was, and how near that is to what its device could do at best."""

import math
import sys
from collections.abc import Mapping, Sequence

import torch

from rlcourse.gpt2_ppo import throughput
from rlcourse.recipes.finale_batch import Batch, FinaleConfig
from rlcourse.support.generation import Generation
from rlcourse.support.gpt2 import GPT2Config
from rlcourse.support.processes import Processes
from rlcourse.support.roofline import Device, size_of, training_operations

WARM_UP = 1
"""Steps at the start of a run in which a device records and chooses; they are left out of a summary."""


def speed_of(
    batch: Batch,
    seconds: Mapping[str, float],
    config: FinaleConfig,
    model: GPT2Config,
    limits: Device,
    dtype: torch.dtype,
    processes: Processes,
) -> dict[str, float]:
    """Numbers about one step of this process; only tokens of responses count as written.

    Args:
        batch: of all processes.
        seconds: of ``write``, ``read`` and ``train``.
        config: of the run.
        model: size of the policy.
        limits: of the device of this process.
        dtype: of the policy that writes.
        processes: whose shares are equally large.

    Returns:
        ``seconds`` of the step and ``write_share``, ``read_share``, ``train_share`` of them; ``samples_per_second`` and
        ``tokens_per_second`` of all processes; ``decode``, the share of the roofline that writing reached; and ``mfu``,
        the share of the device's operations that training used (model FLOP/s utilization).
    """
    own = [processes.share(x.cpu()) for x in (batch.tokens, batch.mask)]
    written = Generation(own[0], torch.zeros_like(own[1]), own[1])
    found = throughput(written, seconds["write"], size_of(model, dtype), limits)
    answered = own[1].sum(dim=1)
    lengths = answered + written.prompt_length
    operations = config.epochs * training_operations(model, lengths, answered)
    whole = sum(seconds.values())
    shares = {f"{name}_share": seconds[name] / whole for name in ("write", "read", "train")}
    return {
        "seconds": whole,
        **shares,
        "samples_per_second": len(batch.mask) / whole,
        "tokens_per_second": batch.mask.sum().item() / seconds["write"],
        "decode": found["roofline"],
        "mfu": operations / seconds["train"] / limits.flops_per_second,
    }


def summary(speeds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Medians over the steps, without those that warmed up where there are others."""
    counted = list(speeds)[WARM_UP:] or list(speeds)
    if not counted:
        return {}
    return {
        name: float(torch.tensor([row[name] for row in counted]).median()) for name in counted[0]
    }


def peak_gigabytes(device: torch.device) -> float:
    """Most memory that tensors held on a GPU so far, or the process on a CPU; NaN where nobody counts."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return math.nan
    unit = 1 if sys.platform == "darwin" else 1024
    return getrusage(RUSAGE_SELF).ru_maxrss * unit / 1e9
