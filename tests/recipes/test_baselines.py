"""Baselines for REINFORCE: what they subtract, and that they never look at their own batch."""

import pytest
import torch

from rlcourse.support.rollouts import Episode, stack_episodes
from rlcourse.support.seeding import make_generator


@pytest.fixture(scope="module")
def baselines(recipe):
    return recipe("baselines")


def episodes(seed, lengths, scale=1.0):
    generator = make_generator(seed)
    return stack_episodes(
        [
            Episode(
                scale * torch.randn(n + 1, 3, generator=generator),
                torch.zeros(n, dtype=torch.int64),
                torch.rand(n, generator=generator),
                True,
            )
            for n in lengths
        ]
    )


def counted(x, rollout, rows):
    return x[rows][rollout.mask[rows] > 0]


def test_the_mean_is_that_of_each_runs_own_steps(baselines):
    rollout = episodes(0, [3, 5, 2, 7])
    weights = baselines.MeanBaseline(runs=2)(rollout, 0.9)
    for rows in (slice(0, 2), slice(2, 4)):
        assert counted(weights, rollout, rows).mean().abs() < 1e-6
    alone = baselines.MeanBaseline()(episodes(0, [3, 5]), 0.9)
    torch.testing.assert_close(weights[:2, :5], alone)


def test_the_first_batch_has_no_baseline(baselines, recipe):
    rollout = episodes(1, [4, 6])
    weights = baselines.FittedBaseline()(rollout, 0.9)
    assert torch.equal(weights, recipe("reinforce").reward_to_go(rollout, 0.9))


def test_a_batch_takes_no_part_in_its_own_baseline(baselines, recipe):
    first, second = episodes(1, [4, 6]), episodes(2, [4, 6])
    to_go = recipe("reinforce").reward_to_go
    one = baselines.FittedBaseline()
    one(first, 0.9)
    before = one.values(second)
    weights = one(second, 0.9)
    torch.testing.assert_close(weights, to_go(second, 0.9) - before.float())
    assert not torch.allclose(one.values(second), before), "it has learned for the next batch"


def test_what_is_linear_is_found_exactly(baselines):
    rollout = episodes(3, [30, 40, 50])
    truth = 2.0 + rollout.states[..., 0] - 0.5 * rollout.states[..., 2] ** 2
    truth = truth + 0.03 * torch.arange(rollout.steps)
    fitted = baselines.FittedBaseline()
    fitted.fit(rollout, truth)
    off = (fitted.values(rollout) - truth)[rollout.mask > 0].abs().max()
    assert off < 1e-2  # the ridge


def test_padding_is_not_learned_from(baselines):
    rollout = episodes(3, [5, 40])
    returns = rollout.states[..., 0].clone()
    clean, dirty = baselines.FittedBaseline(), baselines.FittedBaseline()
    clean.fit(rollout, returns)
    dirty.fit(rollout, torch.where(rollout.mask > 0, returns, 1e6))
    torch.testing.assert_close(clean.values(rollout), dirty.values(rollout))


def test_each_run_has_a_value_of_its_own(baselines):
    rollout = episodes(4, [20, 30, 25, 15])
    returns = rollout.states[..., 0] * torch.tensor([[1.0], [1.0], [-3.0], [-3.0]])
    together = baselines.FittedBaseline(runs=2)
    together.fit(rollout, returns)
    alone = baselines.FittedBaseline()
    half = stack_rows(rollout, slice(2, 4))
    alone.fit(half, returns[2:])
    torch.testing.assert_close(together.values(rollout)[2:], alone.values(half))


def stack_rows(rollout, rows):
    fields = ("observations", "actions", "rewards", "terminated", "ends", "mask")
    return type(rollout)(**{name: getattr(rollout, name)[rows] for name in fields})


def test_values_stay_within_what_was_seen(baselines):
    near, far = episodes(5, [20, 20]), episodes(6, [20, 20], scale=50.0)
    returns = near.states[..., 0] ** 2
    careful, free = baselines.FittedBaseline(), baselines.FittedBaseline(clip=False)
    for baseline in (careful, free):
        baseline.fit(near, returns)
    seen = returns[near.mask > 0]
    assert free.values(far).max() > 100 * seen.max()
    assert careful.values(far).min() >= seen.min() - 1e-6
    assert careful.values(far).max() <= seen.max() + 1e-6
