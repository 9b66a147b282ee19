"""Laws and probes of chapter 2: code that tells nothing about the answers, so it ships to students."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from torch import Tensor

from rlcourse.support.environments import CounterEnv
from rlcourse.support.rollouts import Rollout

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


# 2.1


def a_constant_added_to_theta_changes_nothing(bandit_gradient: Function) -> None:
    theta, actions = numbers(1, 4), torch.tensor([0, 3, 1])
    rewards = numbers(2, 3)
    assert_close(
        bandit_gradient(theta + 3.0, actions, rewards),
        bandit_gradient(theta, actions, rewards),
        "softmax forgets a constant added to all logits, and so must its gradient",
    )


def the_gradient_sums_to_zero_over_actions(bandit_gradient: Function) -> None:
    gradient = bandit_gradient(numbers(3, 5), torch.tensor([4, 4, 2]), numbers(4, 3))
    assert_close(
        gradient.sum(),
        torch.zeros((), dtype=torch.float64),
        "probability given to one action is taken from the others: the entries must sum to 0",
    )


# 2.2


def probabilities_sum_to_one(categorical_log_prob: Function) -> None:
    logits = 3.0 * numbers(5, 2, 6)
    every = [categorical_log_prob(logits, torch.full((2,), action)).exp() for action in range(6)]
    total = torch.stack(every).sum(dim=0)
    assert_close(
        total,
        torch.ones(2, dtype=torch.float64),
        "the probabilities of all actions of one state must sum to 1",
    )


# 2.3


def nothing_after_termination_leaks_back(discounted_returns: Function) -> None:
    rewards, discounts = numbers(6, 2, 5), torch.full((2, 5), 0.9, dtype=torch.float64)
    discounts[:, 2] = 0.0
    before = discounted_returns(rewards.clone(), discounts.clone())[:, :3]
    rewards[:, 3:] += 100.0
    assert_close(
        discounted_returns(rewards, discounts)[:, :3],
        before,
        "a reward after termination (discount 0) changed a return before it",
    )


def returns_are_linear_in_the_rewards(discounted_returns: Function) -> None:
    first, second = numbers(7, 3, 4), numbers(8, 3, 4)
    discounts = numbers(9, 3, 4).sigmoid()
    assert_close(
        discounted_returns(2.0 * first + second, discounts),
        2.0 * discounted_returns(first, discounts) + discounted_returns(second, discounts),
        "returns are sums of rewards: doubling the rewards must double them",
    )


# 2.4


def a_longer_padding_changes_nothing(policy_gradient_loss: Function) -> None:
    log_probs, weights = -numbers(10, 2, 3).abs(), numbers(11, 2, 3)
    mask = torch.ones_like(log_probs)
    pad = torch.full((2, 2), 7.0, dtype=torch.float64)
    padded = policy_gradient_loss(
        torch.cat([log_probs, -pad], dim=1),
        torch.cat([weights, pad], dim=1),
        torch.cat([mask, 0 * pad], dim=1),
    )
    assert_close(
        padded,
        policy_gradient_loss(log_probs, weights, mask),
        "two columns of padding changed the loss: is it a mean over T, or are pads counted?",
    )


# 2.5


KEYS = 1000
"""So many equally likely actions that two of them are never the same by chance."""


class Keyboard(gymnasium.Env[Any, int]):
    """Notes each action it is given, and writes every observation into the same array."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space: spaces.Discrete[Any] = spaces.Discrete(KEYS)

    def __init__(self, length: int) -> None:
        self.length = length
        self.played: list[list[int]] = []
        self.seeds: list[int | None] = []
        self._screen = np.zeros(2, dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.played.append([])
        self._screen[:] = (len(self.played), 0)
        return self._screen, {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.played[-1].append(int(action))
        self._screen[1] += 1
        return self._screen, 1.0, len(self.played[-1]) >= self.length, False, {}


def _even(observation: Tensor) -> Tensor:
    return torch.zeros(KEYS)


def _report(rollout: Rollout) -> dict[str, Tensor]:
    """The fields that do not depend on chance, numbers as float64."""
    return {
        "observations": rollout.observations.double(),
        "rewards": rollout.rewards.double(),
        "terminated": rollout.terminated,
        "ends": rollout.ends,
        "mask": rollout.mask.double(),
    }


def counted_episodes(
    collect_episodes: Function, length: int, limit: int, episodes: int
) -> dict[str, Tensor]:
    """Play the counter: its observations are [episode, step], its rewards the step."""
    env = TimeLimit(CounterEnv(length), limit)
    generator = torch.Generator().manual_seed(0)
    return _report(collect_episodes(env, lambda seen: torch.zeros(2), episodes, generator))


def mixed_episodes(collect_episodes: Function, lengths: Tensor) -> dict[str, Tensor]:
    """Episodes of the lengths given: padding, and the world's own end or the clock's by turns."""
    env = _Lengths(lengths.tolist())
    generator = torch.Generator().manual_seed(0)
    return _report(collect_episodes(env, lambda seen: torch.zeros(2), len(lengths), generator))


class _Lengths(CounterEnv):
    """A counter whose episodes have given lengths; every second one is cut off by the clock."""

    def __init__(self, lengths: list[int]) -> None:
        super().__init__(lengths[0])
        self._lengths = lengths

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        observation, info = super().reset(seed=seed, options=options)
        self.length = self._lengths[int(observation[0])]
        return observation, info

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, over, _, info = super().step(action)
        by_clock = bool(observation[0] % 2)
        return observation, reward, over and not by_clock, over and by_clock, info


def actions_not_as_played(collect_episodes: Function, seed: int) -> float:
    """In how many of 4 steps the stored action differs from the one the environment was given."""
    env = Keyboard(length=2)
    rollout = collect_episodes(env, _even, 2, torch.Generator().manual_seed(seed))
    played = torch.tensor([actions for actions in env.played if actions])
    if played.shape != rollout.actions.shape:
        return float("nan")
    return float((played != rollout.actions).sum())


def what_the_policy_saw(collect_episodes: Function, length: int) -> Tensor:
    """The observations that the policy was asked about, in order, as the counter numbers them."""
    seen: list[Tensor] = []

    def policy(observation: Tensor) -> Tensor:
        seen.append(observation.double().clone())
        return torch.zeros(2)

    collect_episodes(CounterEnv(length), policy, 2, torch.Generator().manual_seed(0))
    return torch.stack(seen)


def observations_of_a_reused_array(collect_episodes: Function, length: int) -> Tensor:
    """What is stored when the environment writes every observation into one array."""
    env = Keyboard(length)
    rollout = collect_episodes(env, _even, 2, torch.Generator().manual_seed(0))
    found: Tensor = rollout.observations.double()
    return found


def the_same_seed_plays_the_same_episodes(collect_episodes: Function) -> None:
    first, second, other = (
        collect_episodes(Keyboard(2), _even, 1, torch.Generator().manual_seed(seed)).actions
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, second), "the same generator seed gave other actions"
    assert not torch.equal(first, other), "another generator seed gave the same actions"


def resets_are_seeded_from_the_generator(collect_episodes: Function) -> None:
    seeds = []
    for start in (3, 3, 4):
        env = Keyboard(1)
        collect_episodes(env, _even, 1, torch.Generator().manual_seed(start))
        seeds.append(env.seeds[0])
    assert seeds[0] is not None, "the environment was reset without a seed: runs cannot be repeated"
    assert seeds[0] == seeds[1], "the same generator seed gave another seed to env.reset"
    assert seeds[0] != seeds[2], "env.reset gets the same seed whatever the generator"


def a_sure_action_is_taken(collect_episodes: Function) -> None:
    logits = torch.zeros(KEYS)
    logits[2] = 1e4
    generator = torch.Generator().manual_seed(0)
    rollout = collect_episodes(Keyboard(2), lambda seen: logits, 1, generator)
    assert bool((rollout.actions == 2).all()), (
        f"a policy that is sure of action 2 gave {rollout.actions.tolist()}"
    )


def equally_likely_actions_vary(collect_episodes: Function) -> None:
    generator = torch.Generator().manual_seed(0)
    rollout = collect_episodes(Keyboard(3), _even, 1, generator)
    tried = set(rollout.actions.reshape(-1).tolist())
    assert len(tried) > 1, (
        f"{KEYS} equally likely actions, but every step took action {tried.pop()}"
    )


# 2.6


def the_exact_gradient_sums_to_zero_over_actions(exact_policy_gradient: Function) -> None:
    from rlcourse.support.tabular import random_mdp

    mdp = random_mdp(4, 3, gamma=0.9, generator=torch.Generator().manual_seed(0))
    gradient = exact_policy_gradient(numbers(12, *mdp.rewards.shape), mdp)
    assert_close(
        gradient.sum(dim=1),
        torch.zeros(mdp.num_states, dtype=torch.float64),
        "in each state the entries must sum to 0: adding a constant to a row of theta changes nothing",
    )
