"""Baselines for REINFORCE: what is subtracted from the reward-to-go before it weighs a step.

Each is a ``Weigh`` for ``rlcourse.recipes.reinforce``; read it beside ``book/03_baselines.md``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.baselines import mean_baseline
from rlcourse.recipes.reinforce import reward_to_go
from rlcourse.support.rollouts import Rollout

RIDGE = 1e-3
"""Keeps the least squares solvable where features are alike, for example at constant observations."""


class MeanBaseline:
    """Subtracts the mean reward-to-go of all steps of a run's batch.

    Args:
        runs: policies trained side by side; the rows of a rollout belong to them in turn.
    """

    def __init__(self, runs: int = 1) -> None:
        self.runs = runs

    def __call__(self, rollout: Rollout, gamma: float) -> Tensor:
        """(B, T) the weights."""
        returns = reward_to_go(rollout, gamma)
        by_run = zip(returns.chunk(self.runs), rollout.mask.chunk(self.runs), strict=True)
        return torch.cat([part - mean_baseline(part[mask > 0]) for part, mask in by_run])


class FittedBaseline:
    """Subtracts a value of the state that was fitted to the *previous* batch.

    The value is linear in the observation, its square and the time (after Duan et al., 2016). Because the batch itself
    takes no part in its own baseline, the expected gradient stays as it is. The first batch has no baseline.

    Args:
        runs: policies trained side by side, each with a baseline of its own.
        clip: whether values are kept between the smallest and the largest return of the batch they were fitted to.
            Without, they may be anything where the new batch goes beyond the old one.
    """

    def __init__(self, runs: int = 1, *, clip: bool = True) -> None:
        self.runs, self.clip = runs, clip
        self.fitted: _Fit | None = None

    def __call__(self, rollout: Rollout, gamma: float) -> Tensor:
        """(B, T) the weights; then learns from this rollout for the next one."""
        returns = reward_to_go(rollout, gamma)
        weights = returns - self.values(rollout).to(returns.dtype)
        self.fit(rollout, returns)
        return weights

    def values(self, rollout: Rollout) -> Tensor:
        """(B, T) the present value of each state; zeros before anything was learned."""
        if self.fitted is None:
            return torch.zeros_like(rollout.rewards)
        x = features(rollout).reshape(self.runs, -1, self.fitted.coefficients.shape[1])
        values = x @ self.fitted.coefficients[:, :, None]
        if self.clip:
            values = values.maximum(self.fitted.low).minimum(self.fitted.high)
        return values.reshape(rollout.rewards.shape)

    def fit(self, rollout: Rollout, returns: Tensor) -> None:
        """Least squares of the returns (B, T), over the steps that count."""
        counts = rollout.mask.reshape(self.runs, -1, 1) > 0
        y = returns.double().reshape(self.runs, -1, 1)
        x = features(rollout)
        x = torch.where(counts, x.reshape(self.runs, -1, x.shape[-1]), 0.0)
        gram = x.mT @ x + RIDGE * torch.eye(x.shape[-1], dtype=x.dtype)
        self.fitted = _Fit(
            coefficients=torch.linalg.solve(gram, x.mT @ y).squeeze(-1),
            low=torch.where(counts, y, torch.inf).amin(dim=1, keepdim=True),
            high=torch.where(counts, y, -torch.inf).amax(dim=1, keepdim=True),
        )


@dataclass(frozen=True, slots=True)
class _Fit:
    """What a fitted baseline remembers of the last batch of each run."""

    coefficients: Tensor
    """(runs, F) of the features."""
    low: Tensor
    """(runs, 1, 1) smallest return."""
    high: Tensor
    """(runs, 1, 1) largest return."""


def features(rollout: Rollout) -> Tensor:
    """(B, T, F) float64: the observation, its square, the time in hundreds of steps, and 1."""
    seen = rollout.states.double()
    time = (torch.arange(rollout.steps, dtype=torch.float64) / 100).expand(rollout.batch, -1)
    return torch.cat([seen, seen**2, torch.stack([time, torch.ones_like(time)], dim=-1)], dim=-1)
