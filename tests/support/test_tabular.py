"""Tabular worlds: that their tables are what they say, and that playing them follows the table."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import TimeLimit
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from rlcourse.support import tabular
from rlcourse.support.seeding import make_generator, no_global_rng

WORLDS = {
    "bandit": lambda: tabular.bandit(torch.tensor([1.0, 3.0])),
    "chain": lambda: tabular.chain(4, slip=0.1),
    "walk": lambda: tabular.random_walk(5),
    "grid": lambda: tabular.gridworld(slip=0.2),
    "cliff": tabular.cliff_walking,
    "random": lambda: tabular.random_mdp(5, 3, 0.9, make_generator(0)),
    "lake": lambda: tabular.from_gymnasium(gymnasium.make("FrozenLake-v1")),
}


@pytest.mark.parametrize("name", WORLDS)
def test_going_on_and_terminating_share_the_probability(name: str) -> None:
    mdp = WORLDS[name]()
    ending = mdp.transitions[:, :, mdp.terminal].sum(-1)
    assert_close(mdp.continuing.sum(-1) + ending, torch.ones_like(mdp.rewards))
    assert not mdp.continuing[mdp.terminal].any()
    assert_close(mdp.start.sum().item(), 1.0)
    assert not mdp.start[mdp.terminal].any()


def test_the_cliff_is_gymnasiums() -> None:
    theirs = tabular.from_gymnasium(gymnasium.make("CliffWalking-v1"))
    ours = tabular.cliff_walking()
    for name in ("transitions", "rewards", "start", "terminal"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name


def test_the_frozen_lake_is_read_right() -> None:
    lake = tabular.from_gymnasium(gymnasium.make("FrozenLake-v1"))
    assert lake.terminal.nonzero().flatten().tolist() == [5, 7, 11, 12, 15]
    assert lake.transitions[0, 2].nonzero().flatten().tolist() == [0, 1, 4]
    assert lake.rewards[14, 2] == pytest.approx(1 / 3)
    assert lake.rewards.sum() == pytest.approx(1.0)


def test_taxi_can_be_read_although_states_exist_that_nothing_reaches() -> None:
    taxi = tabular.from_gymnasium(gymnasium.make("Taxi-v4"))
    assert taxi.terminal.nonzero().flatten().tolist() == [0, 85, 410, 475]


def test_only_worlds_with_a_table_can_be_read() -> None:
    with pytest.raises(ValueError, match="no table"):
        tabular.from_gymnasium(gymnasium.make("CartPole-v1"))


class SometimesOver(gymnasium.Env[int, int]):
    P: ClassVar[Any] = {
        0: {0: [(0.5, 1, 0.0, True), (0.5, 1, 0.0, False)]},
        1: {0: [(1.0, 1, 0.0, False)]},
    }
    initial_state_distrib = np.array([1.0, 0.0])


def test_a_state_that_ends_the_episode_only_sometimes_is_refused() -> None:
    with pytest.raises(ValueError, match="only sometimes"):
        tabular.from_gymnasium(SometimesOver())


def test_a_grid_by_hand() -> None:
    grid = tabular.gridworld(("S#", ".G"), slip=0.2, step_reward=-1.0)
    up, right, down = tabular.UP, tabular.RIGHT, tabular.DOWN
    assert grid.terminal.tolist() == [False, True, False, True]
    assert_close(grid.transitions[0, down], torch.tensor([0.2, 0, 0.8, 0], dtype=torch.float64))
    assert_close(grid.transitions[2, up], torch.tensor([0.8, 0, 0.1, 0.1], dtype=torch.float64))
    assert grid.rewards[2, right] == pytest.approx(0.8 - 1.0)
    assert grid.rewards[0, up] == -1.0


def test_grids_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="same length"):
        tabular.gridworld(("S.", "..."))
    with pytest.raises(ValueError, match="exactly one S"):
        tabular.gridworld(("SS", "..", ".G"))
    with pytest.raises(ValueError, match=r"\['X'\]"):
        tabular.gridworld(("S.X",))


def test_chain_bandit_and_walk_by_hand() -> None:
    chain = tabular.chain(2, slip=0.25)
    assert chain.transitions[0, 1].tolist() == [0.25, 0.75, 0.0]
    assert chain.transitions[1, 0].tolist() == [0.75, 0.0, 0.25]
    assert chain.rewards.tolist() == [[0, 0], [0.25, 0.75], [0, 0]]
    bandit = tabular.bandit(torch.tensor([1.0, 3.0]))
    assert bandit.rewards.tolist() == [[1, 3], [0, 0]]
    walk = tabular.random_walk(3)
    assert walk.start.argmax() == 2
    assert walk.rewards.nonzero().tolist() == [[3, 1]]
    assert walk.transitions[1, 0, 0] == 1 and walk.transitions[1, 1, 2] == 1
    for build in (lambda: tabular.random_walk(4), lambda: tabular.chain(0)):
        with pytest.raises(ValueError):
            build()


@given(st.integers(2, 5), st.integers(1, 3), st.booleans(), st.integers(0, 10**6))
def test_random_worlds_are_worlds(states: int, actions: int, episodic: bool, seed: int) -> None:
    with no_global_rng():
        mdp = tabular.random_mdp(states, actions, 0.9, make_generator(seed), episodic=episodic)
    assert bool(mdp.terminal.any()) == episodic
    assert (mdp.transitions[~mdp.terminal] > 0).all()
    assert mdp.transitions.dtype == torch.float64


def test_worlds_that_contradict_the_convention_are_refused() -> None:
    mdp = tabular.chain(2)

    def changed(**changes: Any) -> None:
        names = ("transitions", "rewards", "start", "terminal", "gamma")
        tabular.TabularMDP(**({name: getattr(mdp, name) for name in names} | changes))

    changed()
    with pytest.raises(ValueError, match="sum to 1"):
        changed(transitions=mdp.transitions * 0.5)
    with pytest.raises(ValueError, match="start must be probabilities"):
        changed(start=torch.tensor([2.0, -1.0, 0.0], dtype=torch.float64))
    with pytest.raises(ValueError, match="loop to itself"):
        changed(terminal=torch.tensor([False, True, True]))
    with pytest.raises(ValueError, match="pay 0"):
        changed(rewards=mdp.rewards + 1)
    with pytest.raises(ValueError, match="cannot start"):
        changed(start=mdp.start.flip(0))
    with pytest.raises(ValueError, match="gamma"):
        changed(gamma=1.5)
    with pytest.raises(ValueError, match="terminal must be bool"):
        changed(terminal=mdp.terminal.float())
    with pytest.raises(ValueError, match="rewards must be"):
        changed(rewards=mdp.rewards.T)
    with pytest.raises(ValueError, match=r"\(S, A, S\)"):
        changed(transitions=mdp.transitions[0])
    assert [mdp.with_gamma(gamma).gamma for gamma in (0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0]
    assert (mdp.num_states, mdp.num_actions) == (3, 2)
    with pytest.raises(AttributeError):
        mdp.gamma = 0.5  # type: ignore[misc]


def test_policies() -> None:
    logits = torch.tensor([[0.0, np.log(3.0)]], dtype=torch.float64)
    assert_close(
        tabular.policy_from_logits(logits), torch.tensor([[0.25, 0.75]], dtype=torch.float64)
    )
    assert tabular.uniform_policy(tabular.cliff_walking())[0].tolist() == [0.25] * 4


@pytest.mark.parametrize("observation", ["one_hot", "index"])
def test_the_environment_keeps_gymnasiums_contract(observation: Any) -> None:
    check_env(tabular.TabularEnv(tabular.gridworld(slip=0.3), observation), skip_render_check=True)


def test_playing_follows_the_table() -> None:
    mdp = tabular.random_mdp(4, 2, 0.9, make_generator(3))
    env = tabular.TabularEnv(mdp, "index")
    counts, starts = torch.zeros(4, 2, 4), torch.zeros(4)
    rng = np.random.default_rng(0)
    state, _ = env.reset(seed=0)
    for _ in range(30_000):
        action = int(rng.integers(2))
        successor, reward, terminated, truncated, _ = env.step(action)
        assert reward == mdp.rewards[state, action].item()
        assert terminated == bool(mdp.terminal[successor]) and not truncated
        counts[state, action, successor] += 1
        state = successor
        if terminated:
            state, _ = env.reset()
            starts[state] += 1
    acting = ~mdp.terminal
    frequencies = counts[acting] / counts[acting].sum(-1, keepdim=True)
    assert counts[acting].sum(-1).min() > 1000
    assert (frequencies - mdp.transitions[acting]).abs().max() < 0.06
    assert (starts / starts.sum() - mdp.start).abs().max() < 0.03
    assert not counts[mdp.terminal].any()


def test_the_environment_says_when_it_is_misused() -> None:
    env = tabular.TabularEnv(tabular.chain(1))
    with pytest.raises(RuntimeError, match="reset"):
        env.step(1)
    env.reset(seed=0)
    observation, reward, terminated, _, _ = env.step(1)
    assert observation.tolist() == [0.0, 1.0] and reward == 1.0 and terminated
    with pytest.raises(RuntimeError, match="over"):
        env.step(1)
    with pytest.raises(ValueError, match="one_hot"):
        tabular.TabularEnv(tabular.chain(1), "pixels")  # type: ignore[arg-type]


def test_a_clock_truncates() -> None:
    env = TimeLimit(tabular.TabularEnv(tabular.chain(5)), 2)
    env.reset(seed=0)
    env.step(0)
    assert env.step(0)[2:4] == (False, True)
