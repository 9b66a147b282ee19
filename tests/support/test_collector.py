"""The collector against an environment whose observation tells which row it should be."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rlcourse.support import collector as collector_module
from rlcourse.support.collector import Collector, NumpyPolicy, evaluate, sample_actions
from rlcourse.support.environments import counter_vector, make_cartpole, make_vector
from rlcourse.support.networks import PolicyNetwork, numpy_forward
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import make_generator, no_global_rng
from rlcourse.support.tabular import TabularEnv, chain

ENDS = ((3, True, False), (4, False, True), (5, True, True))
"""Of each counter: the step at which it ends, whether it terminates, whether it is truncated."""


def indifferent(observations: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.zeros((len(observations), 2))


def assert_true_transitions(rollout: Rollout, columns: tuple[int, int, int]) -> None:
    """Every counted row is a transition of the counters; each has so many counted columns."""
    assert tuple(rollout.mask.sum(1).int().tolist()) == columns
    for b, (end, terminates, _) in enumerate(ENDS):
        for t in range(rollout.steps):
            if not rollout.mask[b, t]:
                assert rollout.rewards[b, t] == 0
                continue
            episode, step = rollout.states[b, t].tolist()
            next_episode, next_step = rollout.next_observations[b, t].tolist()
            assert next_episode == episode, "a row joins two episodes"
            assert next_step == step + 1, "a row is no transition"
            assert rollout.rewards[b, t] == next_step, "the reward belongs to another row"
            assert bool(rollout.ends[b, t]) == (next_step == end), "the end is on the wrong row"
            expected = terminates and next_step == end
            assert bool(rollout.terminated[b, t]) == expected, "terminated is not ends"


def test_every_counted_row_is_a_true_transition() -> None:
    rollout = Collector(counter_vector(), seed=0).collect(indifferent, 20, make_generator(0))
    assert_true_transitions(rollout, (15, 16, 17))
    assert rollout.observations.dtype == torch.float32


def test_the_next_call_goes_on_where_the_last_one_stopped() -> None:
    whole = Collector(counter_vector(), seed=0).collect(indifferent, 20, make_generator(0))
    for first in range(1, 20):
        collector, generator = Collector(counter_vector(), seed=0), make_generator(0)
        parts = [collector.collect(indifferent, n, generator) for n in (first, 20 - first)]
        for name in ("rewards", "terminated", "ends", "mask", "states", "next_observations"):
            joined = torch.cat([getattr(part, name) for part in parts], dim=1)
            assert torch.equal(joined, getattr(whole, name)), name


def test_finished_episodes_are_reported_once_with_their_whole_return() -> None:
    collector, generator = Collector(counter_vector(), seed=0), make_generator(0)
    for steps in (2, 7, 1, 10):
        collector.collect(indifferent, steps, generator)
    returns = [episode.episode_return for episode in collector.finished]
    # 20 columns hold five episodes of 3 steps, four of 4, three of 5; 1 + 2 + 3 = 6 and so on
    assert sorted(returns) == sorted([6.0] * 5 + [10.0] * 4 + [15.0] * 3)
    assert {e.length: e.episode_return for e in collector.finished} == {3: 6.0, 4: 10.0, 5: 15.0}
    assert collector.total_steps == 15 + 16 + 17
    at = [episode.at for episode in collector.finished]
    assert at == sorted(at)
    assert at[:3] == [9, 11, 13]  # columns 3, 4 (one resets), 5 (another resets)
    assert collector.recent_return(3) == pytest.approx(np.mean(returns[-3:]))


def test_before_the_first_end_there_is_no_return() -> None:
    assert np.isnan(Collector(counter_vector(), seed=0).recent_return())


def test_observations_are_copied_from_environments_that_reuse_their_buffer() -> None:
    envs = counter_vector()
    reusing = SyncVectorEnv(envs.env_fns, copy=False)
    assert_true_transitions(
        Collector(reusing, seed=0).collect(indifferent, 20, make_generator(0)), (15, 16, 17)
    )


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
def test_other_autoreset_modes_are_refused(mode: AutoresetMode) -> None:
    with pytest.raises(ValueError, match="NEXT_STEP"):
        Collector(counter_vector(mode), seed=0)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="discrete"):
        Collector(make_vector("Pendulum-v1", 1), seed=0)
    with pytest.raises(ValueError, match="vector environment"):
        Collector(TabularEnv(chain(2)), seed=0)  # type: ignore[arg-type]
    collector = Collector(counter_vector(), seed=0)
    with pytest.raises(ValueError, match="steps"):
        collector.collect(indifferent, 0, make_generator(0))
    with pytest.raises(TypeError, match="numpy_forward"):
        collector.collect(lambda x: torch.zeros(3, 2), 1, make_generator(0))  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="numpy_forward"):  # one logit for two actions
        collector.collect(lambda x: np.zeros((3, 1)), 1, make_generator(0))


@pytest.mark.parametrize("make", [lambda: make_cartpole(4), lambda: make_vector("Acrobot-v1", 2)])
def test_a_run_is_reproduced_by_its_seeds_and_touches_no_global_generator(
    make: Callable[[], Any],
) -> None:
    size = make().single_observation_space.shape[0]
    actions = int(make().single_action_space.n)
    policy = numpy_forward(PolicyNetwork(size, actions, make_generator(1)))
    with no_global_rng():
        one, two, other = (
            Collector(make(), seed=3).collect(policy, 40, make_generator(seed))
            for seed in (5, 5, 6)
        )
    assert torch.equal(one.observations, two.observations)
    assert torch.equal(one.actions, two.actions)
    assert not torch.equal(one.actions, other.actions)
    assert one.actions.unique().numel() == actions


def test_state_numbers_stay_whole_numbers() -> None:
    envs = SyncVectorEnv([lambda: TabularEnv(chain(3), "index")])
    rollout = Collector(envs, seed=0).collect(indifferent, 12, make_generator(0))
    assert rollout.observations.dtype == torch.int64
    assert rollout.observations.shape == (1, 13)
    assert rollout.ends.any()


def test_actions_follow_the_softmax_of_the_logits() -> None:
    probabilities = np.array([0.1, 0.6, 0.3])
    logits = np.log(np.tile(probabilities, (60_000, 1))) + 7.0
    actions = sample_actions(logits, np.random.default_rng(0))
    # four standard deviations of a frequency are below 0.0081
    assert np.abs(np.bincount(actions, minlength=3) / 60_000 - probabilities).max() < 0.0081


def test_extreme_logits_decide() -> None:
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]])
    assert sample_actions(logits, np.random.default_rng(0)).tolist() == [0, 1]


def test_evaluation_sums_the_first_episode_only() -> None:
    assert evaluate(counter_vector(), indifferent, seed=0).tolist() == [6.0, 10.0, 15.0]


def test_evaluation_takes_the_likeliest_action() -> None:
    envs = SyncVectorEnv([lambda: TabularEnv(chain(3))])
    right: NumpyPolicy = lambda x: np.tile([0.0, 0.1], (len(x), 1))  # noqa: E731
    assert evaluate(envs, right, seed=0).tolist() == [1.0]


# --- the ways in which collectors go wrong, planted in the source; the law above must see each ---

STEP = "self._observations, rewards[t], terminated[t], truncated, _ = self.envs.step(actions[t])"
FLAGS = "self._resets_next = ends[t] = terminated[t] | truncated"
STORE = "            observations[t] = self._observations\n"
MASK = "mask[t] = ~self._resets_next"
MISTAKES = {
    "keeps the reset row": (MASK, "mask[t] = True"),
    "masks the final row": (FLAGS, FLAGS + "; mask[t] = ~ends[t]"),
    "masks only after termination": (FLAGS, FLAGS + "; self._resets_next = terminated[t]"),
    "masks only after truncation": (FLAGS, FLAGS + "; self._resets_next = truncated"),
    "an end is a termination": (FLAGS, FLAGS + "; terminated[t] = ends[t]"),
    "terminated and truncated swapped": (FLAGS, FLAGS + "; terminated[t] = truncated"),
    "a truncation is no end": (FLAGS, FLAGS + "; ends[t] = terminated[t]"),
    "truncated wins over terminated": (FLAGS, FLAGS + "; terminated[t] &= ~truncated"),
    "observation after the step": (STEP, STEP + "; observations[t] = self._observations"),
    "observations share one buffer": (STORE, "            observations[:] = self._observations\n"),
    "last observation forgotten": ("observations[steps] = self._observations", "pass"),
    "reset rows are paid": ("rewards *= mask", "rewards += 1 - mask"),
    "the clock is restarted": ("steps < 1:", "self.envs.reset() and steps < 1:"),
}
"""The name of each mistake, the line of the collector it is made in, and what it makes of it."""


def broken_collector(line: str, replacement: str) -> Any:
    source = inspect.getsource(collector_module)
    assert source.count(line) == 1, f"the collector has no single line {line!r} any more"
    module = ModuleType("broken_collector")
    exec(source.replace(line, replacement), module.__dict__)
    return module.Collector


def check_law(make_collector: Any) -> None:
    collector, generator = make_collector(counter_vector(), seed=0), make_generator(0)
    first, second = (collector.collect(indifferent, 20, generator) for _ in range(2))
    assert_true_transitions(first, (15, 16, 17))
    assert second.states[:, 0].tolist() == first.observations[:, -1].tolist(), "a gap between calls"


def test_the_law_holds_for_the_collector() -> None:
    check_law(Collector)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_known_mistake_is_seen(mistake: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check_law(broken_collector(*MISTAKES[mistake]))
