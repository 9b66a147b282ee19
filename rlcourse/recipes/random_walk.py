"""The random walk of Sutton and Barto (2018, examples 6.2, 6.3 and 7.1): who learns values best?

Many runs and many settings at once: each has a table of its own, the tables lie behind each other
in one long one, and ``td_update`` of chapter 4 moves one entry in each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.support.rollouts import Rollout
from rlcourse.value_functions import solve_values, td_update

WHOLE_EPISODE = 1_000_000
"""An ``n`` longer than any walk: Monte Carlo."""


@dataclass(frozen=True, slots=True)
class Method:
    """How to learn from an episode. A walk has no discount.

    Raises:
        ValueError: if a number lies outside its range.
    """

    step_size: float
    """How far each visit moves a value towards its target."""
    n: int = 1
    """Rewards before the guess: 1 is TD(0), ``WHOLE_EPISODE`` Monte Carlo."""

    def __post_init__(self) -> None:
        if not 0 < self.step_size <= 1 or self.n < 1:
            raise ValueError(f"step_size must lie in (0, 1] and n be at least 1, got {self}")


def true_values(num_states: int) -> Tensor:
    """(S+2) value of each state: the probability to leave on the right; 0 where it has ended."""
    values = torch.arange(num_states + 2, dtype=torch.float64) / (num_states + 1)
    values[-1] = 0.0
    return values


def sample_walks(num_states: int, walks: int, generator: torch.Generator) -> Rollout:
    """Walks from the middle to either end: left and right equally probable, 1 for the right end.

    Args:
        num_states: how many states are not terminal; those are 1 to ``num_states``.
        walks: B, one row each.
        generator: advanced.

    Returns:
        a rollout with the numbers of states (B, T+1) as observations, padded to the longest walk.
    """
    right_end, steps = num_states + 1, 8 * num_states**2
    middle = torch.full((walks, 1), (num_states + 1) // 2)
    while True:
        actions = torch.randint(2, (walks, steps), generator=generator)
        states = torch.cat([middle, middle + (2 * actions - 1).cumsum(dim=1)], dim=1)
        out = (states <= 0) | (states >= right_end)
        if bool(out.any(dim=1).all()):
            break
        steps *= 2
    lengths = out.int().argmax(dim=1)
    longest = int(lengths.max())
    column = torch.arange(longest + 1)
    states = states[:, : longest + 1].gather(1, torch.minimum(column, lengths[:, None]))
    mask, ends = column[:-1] < lengths[:, None], column[1:] == lengths[:, None]
    return Rollout(
        observations=states,
        actions=actions[:, :longest] * mask,
        rewards=(ends & (states[:, 1:] == right_end)).double(),
        terminated=ends,
        ends=ends,
        mask=mask.double(),
    )


def learn_from_walks(
    episodes: Sequence[Rollout], num_states: int, methods: Sequence[Method], initial: float = 0.5
) -> Tensor:
    """What every method makes of the same walks.

    After each visit, the value of the state moves towards up to n rewards and the present value of
    where they led (Sutton and Barto, 2018, section 7.1).

    Args:
        episodes: one rollout of R rows an episode; row r is the walk of run r.
        num_states: of the walk.
        methods: K of them.
        initial: value of every state at first; the terminal ones are 0.

    Returns:
        (E+1, K, R, S+2) values before the first episode and after each.
    """
    runs, states = episodes[0].batch, num_states + 2
    table = torch.full((len(methods), runs, states), initial, dtype=torch.float64)
    table[..., 0] = table[..., -1] = 0.0
    base = states * torch.arange(len(methods) * runs).reshape(len(methods), runs)
    flat, found = table.reshape(-1), [table]
    for walk in episodes:
        flat = _learn_from_one(flat, walk, methods, base)
        found.append(flat.reshape(table.shape))
    return torch.stack(found)


def _learn_from_one(flat: Tensor, walk: Rollout, methods: Sequence[Method], base: Tensor) -> Tensor:
    """One episode for every method and run; ``base`` (K, R) is where each table begins."""
    n = torch.tensor([method.n for method in methods])[:, None]
    sizes = [method.step_size for method in methods]
    step_sizes = torch.tensor(sizes, dtype=torch.float64)[:, None]
    lengths = walk.mask.sum(dim=1).long()
    earned = torch.nn.functional.pad(walk.rewards.cumsum(dim=1), (1, 0))
    for t in range(walk.steps):
        live = (lengths > t).nonzero().flatten()
        until = torch.minimum(t + n, lengths[live])
        reward = earned[live].gather(1, until.T).T - earned[live, t]
        following = walk.observations[live].gather(1, until.T).T
        flat = td_update(
            flat,
            (base[:, live] + walk.observations[live, t]).flatten(),
            reward.flatten(),
            (until < lengths[live]).double().flatten(),
            (base[:, live] + following).flatten(),
            step_sizes.expand(-1, len(live)).flatten(),
        )
    return flat


def rms_errors(values: Tensor, num_states: int) -> Tensor:
    """(...) root mean square error over the states that are not terminal, of values (..., S+2)."""
    wrong = (values - true_values(num_states))[..., 1:-1]
    return wrong.square().mean(dim=-1).sqrt()


def batch_values(
    episodes: Sequence[Rollout], num_states: int, initial: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Where TD and Monte Carlo end if they go over the same episodes until nothing moves.

    Monte Carlo ends at the mean return of each state, TD at the exact values of the most likely
    world: the one whose transitions are the observed frequencies (Sutton and Barto, 2018, section
    6.3).

    Args:
        episodes: one rollout of R rows an episode.
        num_states: of the walk.
        initial: value of states that were never visited.

    Returns:
        (R, S+2) of TD and (R, S+2) of Monte Carlo.
    """
    runs, states = episodes[0].batch, num_states + 2
    moves = torch.zeros(runs, states, states, dtype=torch.float64)
    earned, returns = torch.zeros(runs, states).double(), torch.zeros(runs, states).double()
    for walk in episodes:
        run, step = walk.mask.nonzero(as_tuple=True)
        here, there = walk.observations[run, step], walk.observations[run, step + 1]
        one, total = torch.ones_like(earned[0, 0]), walk.rewards.sum(dim=1)
        moves.index_put_((run, here, there), one, accumulate=True)
        earned.index_put_((run, here), walk.rewards[run, step], accumulate=True)
        returns.index_put_((run, here), total[run], accumulate=True)
    visits = moves.sum(dim=2).clamp(min=1)
    frequencies, paid = moves / visits[..., None], earned / visits
    only = torch.ones(states, 1, dtype=torch.float64)
    solved = [
        solve_values(frequencies[r][:, None], paid[r][:, None], only, 1.0) for r in range(runs)
    ]
    unseen = moves.sum(dim=2) == 0
    unseen[:, [0, -1]] = False
    found = torch.stack(solved), returns / visits
    return found[0].masked_fill(unseen, initial), found[1].masked_fill(unseen, initial)
