"""Rollouts: what they refuse, and that padding changes nothing that counts."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rlcourse.support.rollouts import Episode, Rollout, stack_episodes
from rlcourse.support.seeding import make_generator


def fields(**changes: Any) -> dict[str, Any]:
    """Two trajectories in three columns: one terminates at once, one is cut off at the end."""
    right = {
        "observations": torch.arange(16.0).reshape(2, 4, 2),
        "actions": torch.zeros(2, 3, dtype=torch.int64),
        "rewards": torch.tensor([[5.0, 7.0, 9.0], [1.0, 2.0, 4.0]]),
        "terminated": torch.tensor([[True, False, False], [False, False, False]]),
        "ends": torch.tensor([[True, False, False], [False, False, True]]),
        "mask": torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]),
    }
    return right | changes


def test_what_a_rollout_tells() -> None:
    rollout = Rollout(**fields())
    assert (rollout.batch, rollout.steps) == (2, 3)
    with pytest.raises(AttributeError):
        rollout.mask = rollout.mask  # type: ignore[misc]
    assert torch.equal(rollout.discounts(0.5), torch.tensor([[0.0, 0.5, 0.5], [0.5, 0.5, 0.5]]))
    assert rollout.episode_returns().tolist() == [5.0, 7.0]
    assert rollout.states[1].tolist() == [[8.0, 9.0], [10.0, 11.0], [12.0, 13.0]]
    assert rollout.next_observations[1].tolist() == [[10.0, 11.0], [12.0, 13.0], [14.0, 15.0]]
    assert rollout.counted(rollout.rewards).tolist() == [5.0, 1.0, 2.0, 4.0]
    assert rollout.counted(rollout.states).shape == (4, 2)


def test_a_masked_nan_is_not_paid() -> None:
    rewards = torch.tensor([[5.0, float("nan"), 9.0], [1.0, 2.0, 4.0]])
    assert Rollout(**fields(rewards=rewards)).episode_returns().tolist() == [5.0, 7.0]


def test_a_field_of_the_wrong_shape_cannot_be_counted() -> None:
    with pytest.raises(ValueError, match="must start with"):
        Rollout(**fields()).counted(torch.zeros(2, 4))


FLAGS = torch.tensor([[True, False, False], [False, False, True]])
WRONG: dict[str, tuple[type[Exception], str, dict[str, Any]]] = {
    "no last observation": (ValueError, "one more column", {"observations": torch.zeros(2, 3, 2)}),
    "flat actions": (ValueError, "actions must be", {"actions": torch.zeros(3, dtype=torch.int64)}),
    "short rewards": (ValueError, "rewards must be", {"rewards": torch.zeros(2, 2)}),
    "float actions": (TypeError, "actions must be", {"actions": torch.zeros(2, 3)}),
    "float flags": (TypeError, "ends must be", {"ends": FLAGS.float()}),
    "whole rewards": (TypeError, "rewards must be", {"rewards": torch.ones(2, 3).long()}),
    "bool mask": (TypeError, "mask must have", {"mask": torch.ones(2, 3).bool()}),
    "half a step": (ValueError, "only 0 and 1", {"mask": torch.full((2, 3), 0.5)}),
    "bool observations": (TypeError, "observations", {"observations": torch.ones(2, 4, 2).bool()}),
    "terminated goes on": (ValueError, "not as an end", {"ends": torch.zeros(2, 3).bool()}),
    "end is padding": (
        ValueError,
        "does not count",
        {"mask": torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])},
    ),
    "reset row counts": (ValueError, "right after an end", {"mask": torch.ones(2, 3)}),
}


@pytest.mark.parametrize("case", WRONG)
def test_contradictions_are_refused(case: str) -> None:
    error, message, changes = WRONG[case]
    with pytest.raises(error, match=message):
        Rollout(**fields(**changes))


def random_episode(length: int, terminated: bool, generator: torch.Generator) -> Episode:
    return Episode(
        observations=torch.randn(length + 1, 2, generator=generator),
        actions=torch.randint(1, 5, (length,), generator=generator),
        rewards=torch.randn(length, generator=generator),
        terminated=terminated,
    )


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=5))
def test_stacking_keeps_every_episode_and_adds_only_padding(shape: list[tuple[int, bool]]) -> None:
    generator = make_generator(0)
    episodes = [random_episode(length, over, generator) for length, over in shape]
    rollout = stack_episodes(episodes)
    assert rollout.mask.sum() == sum(length for length, _ in shape)
    for b, episode in enumerate(episodes):
        length = len(episode.actions)
        assert torch.equal(rollout.observations[b, : length + 1], episode.observations)
        assert torch.equal(rollout.actions[b, :length], episode.actions)
        assert torch.equal(rollout.rewards[b, :length], episode.rewards)
        assert rollout.ends[b].nonzero().flatten().tolist() == [length - 1]
        assert bool(rollout.terminated[b, length - 1]) == episode.terminated
        assert (rollout.observations[b, length:] == episode.observations[-1]).all()
        padding: list[Tensor] = [rollout.mask, rollout.rewards, rollout.actions, rollout.terminated]
        assert not any(x[b, length:].any() for x in padding)


def test_states_may_be_numbers() -> None:
    episode = Episode(torch.tensor([0, 3]), torch.tensor([1]), torch.tensor([2.0]), terminated=True)
    assert stack_episodes([episode, episode]).observations.tolist() == [[0, 3], [0, 3]]


def test_episodes_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="no episode"):
        stack_episodes([])
    empty = torch.zeros(0)
    with pytest.raises(ValueError, match="at least one step"):
        Episode(torch.zeros(1), empty.long(), empty, terminated=True)
    with pytest.raises(ValueError, match="3 observations"):
        Episode(torch.zeros(2), torch.zeros(2).long(), torch.zeros(2), terminated=True)
