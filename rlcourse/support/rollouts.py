"""What was seen while a policy acted: one episode, and the padded batch the mathematics reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Rollout:
    """``B`` trajectories of at most ``T`` steps. ``rewards[:, t]`` follows ``actions[:, t]``.

    Where ``mask`` is 1, ``observations[:, t + 1]`` is what truly followed ``actions[:, t]``, also
    where the trajectory stopped; so ``V(observations[:, t + 1])`` is always the right thing to
    bootstrap from.

    Raises:
        ValueError: if sizes disagree, or a flag contradicts another.
        TypeError: if a field has another kind of number than it should.
    """

    observations: Tensor
    """(B, T+1, ...) floats, or int64 numbers of states (B, T+1)."""
    actions: Tensor
    """(B, T) int64."""
    rewards: Tensor
    """(B, T) float."""
    terminated: Tensor
    """(B, T) bool: after this step the world is over, and nothing can be earned any more."""
    ends: Tensor
    """(B, T) bool: after this step the trajectory stops, because it terminated or because the clock
    cut it off."""
    mask: Tensor
    """(B, T) float as ``rewards``: 1 where the step counts, 0 where it is padding."""

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_dtypes(self)
        _check_flags(self)

    @property
    def batch(self) -> int:
        """``B``, the number of trajectories."""
        return self.actions.shape[0]

    @property
    def steps(self) -> int:
        """``T``, the number of columns."""
        return self.actions.shape[1]

    @property
    def states(self) -> Tensor:
        """(B, T, ...) what the policy saw when it chose ``actions``."""
        return self.observations[:, :-1]

    @property
    def next_observations(self) -> Tensor:
        """(B, T, ...) what truly followed each action, also where the trajectory stopped."""
        return self.observations[:, 1:]

    def discounts(self, gamma: float) -> Tensor:
        """(B, T) ``gamma`` where the world goes on, also if truncated; 0 where it terminated."""
        return gamma * (~self.terminated).to(self.rewards.dtype)

    def episode_returns(self) -> Tensor:
        """(B,) the undiscounted sum of the rewards that count: reported, not optimized."""
        return torch.where(self.mask > 0, self.rewards, 0.0).sum(dim=1)

    def counted(self, x: Tensor) -> Tensor:
        """(N, ...) the rows of ``x`` (B, T, ...) whose step counts, trajectory after trajectory."""
        if x.shape[:2] != self.mask.shape:
            raise ValueError(
                f"x must start with (B, T) = {tuple(self.mask.shape)} of this rollout, "
                f"got {tuple(x.shape)}"
            )
        return x[self.mask > 0]


@dataclass(frozen=True, slots=True)
class Episode:
    """One trajectory from a reset to its end."""

    observations: Tensor
    """(T+1, ...) the first is the one of the reset, the last the one after the last action."""
    actions: Tensor
    """(T,) int64."""
    rewards: Tensor
    """(T,) float."""
    terminated: bool
    """Whether the world was over; False if the clock cut the episode off."""

    def __post_init__(self) -> None:
        steps = len(self.actions)
        if steps == 0:
            raise ValueError("an episode needs at least one step")
        if len(self.rewards) != steps or len(self.observations) != steps + 1:
            raise ValueError(
                f"{steps} actions need {steps} rewards and {steps + 1} observations (the last is "
                "what followed the last action), "
                f"got {len(self.rewards)} and {len(self.observations)}"
            )


def stack_episodes(episodes: Sequence[Episode]) -> Rollout:
    """Pad episodes of different length to one batch.

    Behind its end, an episode's last observation is repeated; actions and rewards are 0 there, and
    so is the mask.

    Args:
        episodes: at least one.

    Raises:
        ValueError: if there is no episode.
    """
    if not episodes:
        raise ValueError("there is no episode to stack")
    steps = max(len(episode.actions) for episode in episodes)
    lengths = torch.tensor([len(episode.actions) for episode in episodes])
    column = torch.arange(steps)
    ends = column == lengths[:, None] - 1
    rewards = torch.stack([_pad(episode.rewards, steps, repeat=False) for episode in episodes])
    return Rollout(
        observations=torch.stack([_pad(e.observations, steps + 1, repeat=True) for e in episodes]),
        actions=torch.stack([_pad(episode.actions, steps, repeat=False) for episode in episodes]),
        rewards=rewards,
        terminated=ends & torch.tensor([episode.terminated for episode in episodes])[:, None],
        ends=ends,
        mask=(column < lengths[:, None]).to(rewards.dtype),
    )


def _pad(x: Tensor, length: int, *, repeat: bool) -> Tensor:
    """(length, ...) ``x`` (n, ...) followed by its last row again and again, or by zeros."""
    filler = x[-1] if repeat else torch.zeros_like(x[-1])
    return torch.cat([x, filler.expand(length - len(x), *x.shape[1:])])


def _check_shapes(rollout: Rollout) -> None:
    if rollout.actions.dim() != 2:
        raise ValueError(f"actions must be (B, T), got {tuple(rollout.actions.shape)}")
    batch, steps = rollout.actions.shape
    for name in ("rewards", "terminated", "ends", "mask"):
        shape = tuple(getattr(rollout, name).shape)
        if shape != (batch, steps):
            raise ValueError(f"{name} must be (B, T) = {(batch, steps)} like actions, got {shape}")
    shape = tuple(rollout.observations.shape)
    if shape[:2] != (batch, steps + 1):
        raise ValueError(
            f"observations must start with (B, T+1) = {(batch, steps + 1)}, got {shape}: "
            "they hold one more column than actions, what followed the last one"
        )


def _check_dtypes(rollout: Rollout) -> None:
    for name, dtype in (("actions", torch.int64), ("terminated", torch.bool), ("ends", torch.bool)):
        if getattr(rollout, name).dtype != dtype:
            raise TypeError(f"{name} must be {dtype}, got {getattr(rollout, name).dtype}")
    if not rollout.rewards.is_floating_point():
        raise TypeError(f"rewards must be floats, got {rollout.rewards.dtype}")
    if rollout.mask.dtype != rollout.rewards.dtype:
        raise TypeError(
            f"mask must have the dtype of rewards, {rollout.rewards.dtype}, "
            f"got {rollout.mask.dtype}"
        )
    observations = rollout.observations
    if not (observations.is_floating_point() or observations.dtype == torch.int64):
        raise TypeError(
            f"observations must be floats, or int64 numbers of states, got {observations.dtype}"
        )


def _check_flags(rollout: Rollout) -> None:
    counts = rollout.mask > 0
    if not torch.equal(rollout.mask, counts.to(rollout.mask.dtype)):
        raise ValueError("mask must hold only 0 and 1")
    if (rollout.terminated & ~rollout.ends).any():
        raise ValueError(
            "a step is marked terminated but not as an end: ends = terminated | truncated"
        )
    if (rollout.ends & ~counts).any():
        raise ValueError(
            "a step is marked as an end but does not count: the last step of an episode has mask 1"
        )
    if (rollout.ends[:, :-1] & counts[:, 1:]).any():
        raise ValueError(
            "a step right after an end counts: it starts at the last observation of a finished "
            "episode, so its mask must be 0"
        )
