"""Baselines for REINFORCE: what is subtracted from the reward-to-go before it weighs a step.

Each is a ``Weigh`` for ``rlcourse.recipes.reinforce``; read it beside ``book/03_baselines.md``.
"""

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

    The value is linear in the observation, its square and powers of the time (Duan et al., 2016, section 5). Because
    the batch itself takes no part in its own baseline, the expected gradient stays as it is. The first batch has no
    baseline.

    Args:
        runs: policies trained side by side, each with a baseline of its own.
    """

    def __init__(self, runs: int = 1) -> None:
        self.runs = runs
        self.coefficients: Tensor | None = None
        """(runs, F) of the features, once a batch was seen."""

    def __call__(self, rollout: Rollout, gamma: float) -> Tensor:
        """(B, T) the weights; then learns from this rollout for the next one."""
        returns = reward_to_go(rollout, gamma)
        weights = returns - self.values(rollout).to(returns.dtype)
        self.fit(rollout, returns)
        return weights

    def values(self, rollout: Rollout) -> Tensor:
        """(B, T) the present value of each state; zeros before anything was learned."""
        if self.coefficients is None:
            return torch.zeros_like(rollout.rewards)
        by_run = features(rollout).reshape(self.runs, -1, self.coefficients.shape[1])
        return (by_run @ self.coefficients[:, :, None]).reshape(rollout.rewards.shape)

    def fit(self, rollout: Rollout, returns: Tensor) -> None:
        """Least squares of the returns (B, T), over the steps that count."""
        counted = rollout.mask.double()[..., None]
        x = features(rollout)
        size = x.shape[-1]
        x_of = (counted * x).reshape(self.runs, -1, size)
        y_of = returns.double().reshape(self.runs, -1, 1)
        gram = x_of.mT @ x_of + RIDGE * torch.eye(size, dtype=x.dtype)
        self.coefficients = torch.linalg.solve(gram, x_of.mT @ y_of).squeeze(-1)


def features(rollout: Rollout) -> Tensor:
    """(B, T, F) float64: observation, its square, three powers of the time in hundreds, and 1."""
    seen = rollout.states.double()
    time = (torch.arange(rollout.steps, dtype=torch.float64) / 100).expand(rollout.batch, -1)
    powers = torch.stack([time**power for power in range(4)], dim=-1)
    return torch.cat([seen, seen**2, powers], dim=-1)
