"""Exercise 2.5: play whole episodes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import policy_gradient as probes
from rlcourse.support.rollouts import Episode, Rollout, stack_episodes
from rlcourse.support.seeding import draw_seed

Policy = Callable[[Tensor], Tensor]


class Player:
    """Plays as the exercise asks. A mistake overrides the one step in which it differs."""

    def __init__(self, env: Any, policy: Policy, generator: torch.Generator) -> None:
        self.env, self.policy, self.generator = env, policy, generator

    def keep(self, observation: Any) -> Tensor:
        return torch.tensor(observation)

    def reset(self) -> Tensor:
        return self.keep(self.env.reset(seed=draw_seed(self.generator))[0])

    def draw(self, logits: Tensor) -> Tensor:
        return torch.multinomial(logits.softmax(-1), 1, generator=self.generator)[0]

    def stored(self, action: Tensor, logits: Tensor) -> Tensor:
        return action

    def finish(self, episode: Episode, truncated: bool) -> Episode:
        return episode

    def over(self, terminated: bool, truncated: bool) -> bool:
        return terminated or truncated

    def episode(self) -> Episode:
        observations, actions, rewards = [self.reset()], [], []
        while True:
            logits = self.policy(observations[-1])
            action = self.draw(logits)
            observation, reward, terminated, truncated, _ = self.env.step(action.item())
            observations.append(self.keep(observation))
            actions.append(self.stored(action, logits))
            rewards.append(float(reward))
            if self.over(terminated, truncated) or len(actions) == 1000:
                break
        steps = torch.stack(observations), torch.stack(actions), torch.tensor(rewards)
        return self.finish(Episode(*steps, bool(terminated)), truncated)


Collector = Callable[[Any, Policy, int, torch.Generator], Rollout]


def collector(player: type[Player]) -> Collector:
    @torch.no_grad()
    def collect_episodes(
        env: Any, policy: Policy, episodes: int, generator: torch.Generator
    ) -> Rollout:
        play = player(env, policy, generator)
        return stack_episodes([play.episode() for _ in range(episodes)])

    return collect_episodes


class KeepsTheReset(Player):
    """As under an environment that resets itself: the last observation is the next episode's first."""

    def finish(self, episode: Episode, truncated: bool) -> Episode:
        observations = episode.observations.clone()
        observations[-1] = self.reset()
        return Episode(observations, episode.actions, episode.rewards, episode.terminated)


class LosesTheLastReward(Player):
    def finish(self, episode: Episode, truncated: bool) -> Episode:
        rewards = episode.rewards.clone()
        rewards[-1] = 0.0
        return Episode(episode.observations, episode.actions, rewards, episode.terminated)


class DropsTheLastStep(Player):
    def finish(self, episode: Episode, truncated: bool) -> Episode:
        kept = max(len(episode.actions) - 1, 1)
        return Episode(
            episode.observations[: kept + 1],
            episode.actions[:kept],
            episode.rewards[:kept],
            episode.terminated,
        )


class DrawsTwice(Player):
    def stored(self, action: Tensor, logits: Tensor) -> Tensor:
        return self.draw(logits)


class TreatsTheClockAsDeath(Player):
    def finish(self, episode: Episode, truncated: bool) -> Episode:
        ends = episode.terminated or truncated
        return Episode(episode.observations, episode.actions, episode.rewards, ends)


class KeepsTheArray(Player):
    def keep(self, observation: Any) -> Tensor:
        return torch.as_tensor(observation)


class StoresAfterTheStep(Player):
    def finish(self, episode: Episode, truncated: bool) -> Episode:
        seen = episode.observations
        shifted = torch.cat([seen[1:], seen[-1:]])
        return Episode(shifted, episode.actions, episode.rewards, episode.terminated)


class UsesTheGlobalGenerator(Player):
    def draw(self, logits: Tensor) -> Tensor:
        return torch.multinomial(logits.softmax(-1), 1)[0]


class GumbelPlayer(Player):
    """Another right way to draw: the largest of the logits plus Gumbel noise."""

    def keep(self, observation: Any) -> Tensor:
        return torch.from_numpy(np.array(observation, copy=True))

    def draw(self, logits: Tensor) -> Tensor:
        uniform = torch.rand(logits.shape, generator=self.generator, dtype=torch.float64)
        return (logits - (-uniform.log()).log()).argmax(-1)


def expected_counter(length: int, limit: int, episodes: int) -> dict[str, Tensor]:
    """What the counter shows: every field can be written down."""
    lengths = [min(length, limit)] * episodes
    return expected_lengths(lengths, [length <= limit] * episodes)


def expected_lengths(lengths: list[int], terminated: list[bool]) -> dict[str, Tensor]:
    """Fields of a padded rollout of counters with these lengths."""
    steps, batch = max(lengths), len(lengths)
    column, size = torch.arange(steps), torch.tensor(lengths)[:, None]
    ends = column == size - 1
    seen = torch.minimum(torch.arange(steps + 1).expand(batch, -1), size)
    episode = torch.arange(batch)[:, None].expand(-1, steps + 1)
    mask = (column < size).double()
    return {
        "observations": torch.stack([episode, seen], dim=-1).double(),
        "rewards": mask * (column + 1),
        "terminated": ends & torch.tensor(terminated)[:, None],
        "ends": ends,
        "mask": mask,
    }


def _mixed(lengths: list[int]) -> dict[str, Tensor]:
    return expected_lengths(lengths, [index % 2 == 0 for index in range(len(lengths))])


def _seen(length: int) -> Tensor:
    return torch.tensor([[e, t] for e in range(2) for t in range(length)], dtype=torch.float64)


def _reused(length: int) -> Tensor:
    rows = [[[e + 1.0, t] for t in range(length + 1)] for e in range(2)]
    return torch.tensor(rows, dtype=torch.float64)


EXERCISE = ExerciseSpec(
    number="2.5",
    title="Collecting episodes",
    targets=("collect_episodes",),
    points=4,
    minutes=30,
    difficulty=3,
    section="Collecting episodes: terminated is not truncated",
    statement="""
Let a policy play an environment of gymnasium for whole episodes and keep what happened. `rlcourse.support.rollouts`
gives you `Episode` (one trajectory) and `stack_episodes` (pads a list of them to a `Rollout`). Mind three things: the
observation *before* the step belongs to the action; the action that was played is the one to store; an episode that the
clock cut off has not terminated.
""",
    hints=(
        "Two loops: over episodes, and within one until it is over. Keep three lists: observations (starting with that "
        "of the reset), actions, rewards.",
        "An episode of T steps has T + 1 observations. Copy each observation (torch.tensor does): some environments "
        "write into the same array again. Only `terminated` goes into Episode.",
        "Start with env.reset(seed=draw_seed(generator)). Per step: probabilities = "
        "policy(observations[-1]).softmax(-1); draw once with torch.multinomial(..., generator=generator); "
        "env.step(action.item()); append all three. Stop when terminated or truncated. At the end "
        "Episode(torch.stack(observations), torch.stack(actions), torch.tensor(rewards), terminated).",
    ),
    checks=(
        Case(
            "an episode that terminates",
            {"length": 3, "limit": 10, "episodes": 2},
            "a counter that terminates at step 3; it observes [episode, step] and pays the step",
            probe=probes.counted_episodes,
            oracle=expected_counter,
        ),
        Case(
            "an episode that is cut off",
            {"length": 10, "limit": 4, "episodes": 2},
            "the same counter, truncated by a time limit at step 4: it ends, but it has not terminated",
            probe=probes.counted_episodes,
            oracle=expected_counter,
        ),
        Case(
            "episodes of different length",
            {"lengths": torch.tensor([2, 4, 1])},
            "three episodes of 2, 4 and 1 steps, the second truncated: padding and mask",
            probe=probes.mixed_episodes,
            oracle=lambda lengths: _mixed(lengths.tolist()),
        ),
        Case(
            "what the policy is asked",
            {"length": 3},
            "the policy must see the observation before each step",
            probe=probes.what_the_policy_saw,
            oracle=_seen,
        ),
        Case(
            "the action that was played",
            {"seed": 0},
            "the number of steps whose stored action is not the one the environment was given",
            probe=probes.actions_not_as_played,
            expected=0.0,
        ),
        Case(
            "an environment that reuses its array",
            {"length": 3},
            "each observation must be kept as it was when it was seen",
            probe=probes.observations_of_a_reused_array,
            oracle=_reused,
        ),
        Law(probes.a_sure_action_is_taken, "logits of 10,000 leave no choice"),
        Law(probes.equally_likely_actions_vary, "equal logits must not always give one action"),
        Law(
            probes.the_same_seed_plays_the_same_episodes,
            "randomness comes from the generator alone",
        ),
        Law(probes.resets_are_seeded_from_the_generator, "resets are random too"),
        Case(
            "other counters",
            {"length": 4, "limit": 4, "episodes": 2},
            "a counter that terminates just when its time is up",
            probe=probes.counted_episodes,
            oracle=lambda length, limit, episodes: expected_lengths([4] * 2, [True] * 2),
            hidden=True,
        ),
        Case(
            "other lengths",
            {"lengths": torch.tensor([1, 5, 3, 2])},
            "four episodes, two of them truncated",
            probe=probes.mixed_episodes,
            oracle=lambda lengths: _mixed(lengths.tolist()),
            hidden=True,
        ),
        Case(
            "other actions",
            {"seed": 5},
            "stored actions against those the environment was given",
            probe=probes.actions_not_as_played,
            expected=0.0,
            hidden=True,
        ),
        Case(
            "another reused array",
            {"length": 5},
            "observations of an environment that reuses its array",
            probe=probes.observations_of_a_reused_array,
            oracle=_reused,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the observation of the next reset stored as the last one",
            collector(KeepsTheReset),
            "The observation that env.step returned with the end is the true successor; the next reset belongs to "
            "the next episode.",
        ),
        Mistake(
            "last reward lost",
            collector(LosesTheLastReward),
            "The step that ends the episode pays too. Append its reward before you leave the loop.",
        ),
        Mistake(
            "last step lost",
            collector(DropsTheLastStep),
            "The loop stops before it has stored the step that ended the episode.",
        ),
        Mistake(
            "the action is drawn twice",
            collector(DrawsTwice),
            "One draw is played and another stored. Keep the action in a variable and use it for both.",
        ),
        Mistake(
            "truncated taken for terminated",
            collector(TreatsTheClockAsDeath),
            "When the clock runs out the world goes on: only `terminated` may close the future.",
        ),
        Mistake(
            "the environment's own array is kept",
            collector(KeepsTheArray),
            "torch.as_tensor shares memory with the array, and the environment writes into it again. Copy with "
            "torch.tensor.",
        ),
        Mistake(
            "observations stored after the step",
            collector(StoresAfterTheStep),
            "The first stored observation is that of env.reset; each action belongs to the observation before it.",
        ),
        Mistake(
            "drawn from the global generator",
            collector(UsesTheGlobalGenerator),
            "Pass generator=generator to torch.multinomial, or nobody can repeat the run.",
        ),
    ),
    variants={"gumbel": collector(GumbelPlayer), "player": collector(Player)},
)
