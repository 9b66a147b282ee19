"""Two policies over eight actions, and the weights of sequences drawn from one of them: chapter 7."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rlcourse.recipes.trajectories import Trajectories
from rlcourse.support.seeding import numpy_generator


def two_policies(shift: float) -> tuple[Tensor, Tensor]:
    """(A) target p and (A) behaviour q over A = 8 actions.

    Args:
        shift: how far the logits of q lie from those of p, in standard deviations.
    """
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=8))
    away = torch.from_numpy(np.random.default_rng(7).normal(size=8))
    return logits.softmax(0), (logits + shift * away).softmax(0)


def sequence_log_weights(
    p: Tensor, q: Tensor, steps: int, shape: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    """Logarithms of the weights of sequences of independent actions from q, like ``shape``.

    A weight depends only on how often each action was taken, so the counts are drawn at once.

    Args:
        p: (A) the target.
        q: (A) the behaviour.
        steps: T, actions of a sequence.
        shape: how many sequences.
        generator: decides the actions; advanced.
    """
    counts = numpy_generator(generator).multinomial(steps, q.numpy(), size=shape)
    return torch.from_numpy(counts).double() @ (p.log() - q.log())


@dataclass(frozen=True, slots=True)
class EstimateMoments:
    """Of an estimate of the target's return from one trajectory."""

    mean: float
    variance: float


def exact_moments(
    trajectories: Trajectories, chances: Tensor, estimates: Tensor
) -> EstimateMoments:
    """Mean and variance of a number that each trajectory gives.

    Args:
        trajectories: all of them.
        chances: (N) probability of each under the policy that acts.
        estimates: (N) what each would give.
    """
    if len(estimates) != len(trajectories.world):
        raise ValueError(f"{len(trajectories.world)} trajectories, {len(estimates)} estimates")
    mean = chances @ estimates
    return EstimateMoments(float(mean), float(chances @ (estimates - mean).square()))
