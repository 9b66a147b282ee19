"""Single steps of experience, cut loose from the trajectory they came from."""

from typing import NamedTuple

from torch import Tensor


class Transitions(NamedTuple):
    """``N`` steps, in any order. What Q-learning learns from; no row needs its neighbours."""

    observations: Tensor
    """(N, ...) what was seen before the action."""
    actions: Tensor
    """(N,) int64."""
    rewards: Tensor
    """(N,) received after the action."""
    discounts: Tensor
    """(N,) gamma, or 0 where the episode terminated; a step that the clock cut off has gamma."""
    next_observations: Tensor
    """(N, ...) what truly followed the action, also at an episode's last step."""
