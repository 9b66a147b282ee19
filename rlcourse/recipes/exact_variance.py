"""Mean and variance of a sampled policy gradient, exactly, by dynamic programming.

A gradient sample is a sum over the steps of one trajectory. Its squared length is a sum over pairs of steps, which
seems to need all trajectories. It does not: walking backward, it is enough to carry a few moments of what follows each
state, because the next step only adds its own reward and its own score to them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.support.mdp import TabularMDP


@dataclass(frozen=True, slots=True)
class GradientMoments:
    """What is known of the gradient that one trajectory gives."""

    mean: Tensor
    """(S, A) its expectation; without bias, the gradient of J."""
    variance: Tensor
    """() trace of its covariance."""


@dataclass(frozen=True, slots=True)
class TablePlay:
    """A softmax policy with its own logits in each state, playing a small world for ``horizon`` steps."""

    mdp: TabularMDP
    theta: Tensor
    """(S, A) logits."""
    horizon: int
    """T, the number of steps after which the clock stops everything."""
    noise: float = 0.0
    """Standard deviation of what is added to each reward, independent of everything."""

    @property
    def policy(self) -> Tensor:
        """(S, A) probabilities."""
        return self.theta.softmax(dim=1)

    def scores(self) -> Tensor:
        """(S, A, P) gradient of log pi(a | s), flattened over the parameters."""
        states, actions = self.theta.shape
        rows = torch.eye(actions, dtype=self.theta.dtype) - self.policy[:, None]
        scores = torch.zeros(states, actions, states, actions, dtype=self.theta.dtype)
        scores[torch.arange(states), :, torch.arange(states)] = rows
        return scores.flatten(2)

    def values(self) -> Tensor:
        """(T, S) expected reward-to-go from each step on."""
        return (self.policy * self.action_values()).sum(dim=2)

    def action_values(self) -> Tensor:
        """(T, S, A) expected reward-to-go from each step on, after an action."""
        found = [self.mdp.rewards]
        for _ in range(self.horizon - 1):
            following = self.mdp.continuing @ (self.policy * found[0]).sum(dim=1)
            found.insert(0, self.mdp.rewards + following)
        return torch.stack(found)

    def state_chances(self) -> Tensor:
        """(T, S) probability to act in each state at each step; sums to less than 1 after an end."""
        moves = torch.einsum("sa,sat->st", self.policy, self.mdp.continuing)
        chances = [self.mdp.start]
        for _ in range(self.horizon - 1):
            chances.append(chances[-1] @ moves)
        return torch.stack(chances)

    def _average(self, per_action: Tensor) -> Tensor:
        """(S, ...) mean over actions of (S, A, ...)."""
        return torch.einsum("sa,sa...->s...", self.policy, per_action)

    def _finish(self, mean: Tensor, second: Tensor) -> GradientMoments:
        """From the moments of the gradient sample (S, P) and (S,) after each start."""
        gradient = self.mdp.start @ mean
        variance = self.mdp.start @ second - gradient @ gradient
        return GradientMoments(gradient.reshape(self.theta.shape), variance)


def reward_to_go_moments(play: TablePlay, baselines: Tensor | None = None) -> GradientMoments:
    """Each score weighted with the undiscounted reward-to-go minus a baseline.

    Args:
        play: who plays where.
        baselines: (T, S, A), or anything that expands to it, such as (T, S, 1); none if left out.
    """
    mdp, scores = play.mdp, play.scores()
    size = (play.horizon, *mdp.rewards.shape)
    b_of = (torch.zeros(()) if baselines is None else baselines).to(scores.dtype).expand(size)
    squares, rewards = scores.square().sum(dim=2), mdp.rewards
    go = torch.zeros(mdp.num_states, dtype=scores.dtype)  # E[G]
    go_go = torch.zeros_like(go)  # E[G^2]
    g = torch.zeros(
        mdp.num_states, scores.shape[2], dtype=scores.dtype
    )  # E[g], g the rest's sample
    go_g = torch.zeros_like(g)  # E[G g]
    g_g = torch.zeros_like(go)  # E[|g|^2]
    for b in b_of.flip(0):
        returns = rewards + mdp.continuing @ go
        returns_2 = rewards**2 + play.noise**2 + 2 * rewards * (mdp.continuing @ go)
        returns_2 = returns_2 + mdp.continuing @ go_go
        rest = mdp.continuing @ g
        returns_rest = rewards[..., None] * rest + mdp.continuing @ go_g
        square = squares * (returns_2 - 2 * b * returns + b**2)
        cross = (scores * (returns_rest - b[..., None] * rest)).sum(dim=2)
        g_g = play._average(square + 2 * cross + mdp.continuing @ g_g)
        go_g = play._average(scores * (returns_2 - b * returns)[..., None] + returns_rest)
        g = play._average(scores * (returns - b)[..., None] + rest)
        go, go_go = play._average(returns), play._average(returns_2)
    return play._finish(g, g_g)


def whole_return_moments(play: TablePlay, baseline: float = 0.0) -> GradientMoments:
    """Every score weighted with the whole return minus a constant.

    Args:
        play: who plays where.
        baseline: the constant.
    """
    mdp, scores = play.mdp, play.scores()
    squares, rewards = scores.square().sum(dim=2), mdp.rewards
    over = _whole_at_the_end(mdp.num_states, scores.shape[2], baseline, scores.dtype)
    after = over
    for _ in range(play.horizon):
        moved = [[mdp.transitions @ m for m in row] for row in after]
        second = rewards**2 + play.noise**2
        paid = [
            moved[0],
            [_times(rewards, m) + n for m, n in zip(moved[0], moved[1], strict=True)],
            [
                _times(second, m) + 2 * _times(rewards, n) + k
                for m, n, k in zip(*moved, strict=True)
            ],
        ]
        now = []
        for one, z, z_z in paid:
            longer = scores * one[..., None] + z
            length = squares * one + 2 * (scores * z).sum(dim=2) + z_z
            now.append([play._average(one), play._average(longer), play._average(length)])
        after = [
            [_where_over(mdp.terminal, a, b) for a, b in zip(*rows, strict=True)]
            for rows in zip(over, now, strict=True)
        ]
    return play._finish(after[1][1], after[2][2])


def weighted_moments(play: TablePlay, weights: Tensor) -> GradientMoments:
    """Each score weighted with a number that depends on step, state and action alone.

    Args:
        play: who plays where.
        weights: (T, S, A), such as exact advantages.
    """
    mdp, scores = play.mdp, play.scores()
    g = torch.zeros(mdp.num_states, scores.shape[2], dtype=scores.dtype)
    g_g = torch.zeros(mdp.num_states, dtype=scores.dtype)
    for w in weights.flip(0):
        own, rest = scores * w[..., None], mdp.continuing @ g
        g_g = play._average(
            own.square().sum(dim=2) + 2 * (own * rest).sum(dim=2) + mdp.continuing @ g_g
        )
        g = play._average(own + rest)
    return play._finish(g, g_g)


Moments = list[list[Tensor]]
"""Row i, column j: expectation of (R - b)^i times 1, Z or ``|Z|^2``, where Z is the sum of the scores to come."""


def _whole_at_the_end(states: int, size: int, baseline: float, dtype: torch.dtype) -> Moments:
    """The moments when nothing follows: the return is minus the baseline, and there is no score."""
    ones, vectors = torch.ones(states, dtype=dtype), torch.zeros(states, size, dtype=dtype)
    return [[(-baseline) ** power * ones, vectors, 0 * ones] for power in range(3)]


def _times(per_action: Tensor, moment: Tensor) -> Tensor:
    """Product of (S, A) and (S, A) or (S, A, P)."""
    return per_action.reshape(*per_action.shape, *[1] * (moment.dim() - 2)) * moment


def _where_over(terminal: Tensor, over: Tensor, going_on: Tensor) -> Tensor:
    return torch.where(terminal.reshape(-1, *[1] * (over.dim() - 1)), over, going_on)
