"""How fast the experience of one policy becomes worthless for the next ones: chapter 7."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.off_policy import effective_sample_size
from rlcourse.policy_gradient import categorical_log_prob
from rlcourse.recipes.many_runs import PolicyEnsemble, play_each_once
from rlcourse.recipes.reuse import ReuseConfig, epoch, freeze
from rlcourse.support.collector import Collector
from rlcourse.support.environments import make_cartpole
from rlcourse.support.networks import ActorCritic, numpy_forward
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import draw_seed, make_generator


@dataclass(frozen=True, slots=True)
class Drift:
    """One row for each moment at which somebody looked."""

    batches: tuple[int, ...]
    """Batches begun when somebody looked; the first is the one that follows the experience."""
    epochs: tuple[int, ...]
    """Gradient steps since the experience was collected."""
    shares: Tensor
    """(rows, horizons) effective sample size divided by the number of episodes."""
    kl: Tensor
    """(rows) mean log-ratio of a step, behaviour over new: nats a step."""
    mean_return: float
    """Of the episodes of the behaviour."""


def share_left(log_ratios: Tensor, mask: Tensor, horizon: int) -> Tensor:
    """() effective share of episodes whose weight is made of their first ``horizon`` steps.

    Args:
        log_ratios: (B, T) new minus behaviour, of the actions taken.
        mask: (B, T) 1 where a step counts; a shorter episode has the weight of all its steps.
        horizon: at least 1.
    """
    weights = (mask * log_ratios)[:, :horizon].sum(dim=1)
    return effective_sample_size(weights) / len(weights)


@torch.no_grad()
def _look(
    agent: ActorCritic, played: Rollout, behavior: Tensor, horizons: Sequence[int]
) -> tuple[Tensor, Tensor]:
    log_probs = categorical_log_prob(agent.logits(played.states), played.actions)
    log_ratios = (log_probs - behavior).double()
    shares = [share_left(log_ratios, played.mask, horizon) for horizon in horizons]
    return torch.stack(shares), -played.counted(log_ratios).mean()


def drift(
    config: ReuseConfig,
    horizons: Sequence[int],
    *,
    warm_up: int = 16,
    batches: int = 8,
    episodes: int = 256,
    look_every: int = 5,
    seed: int = 0,
) -> Drift:
    """Train on CartPole, stop, play episodes, train on, and weigh those episodes again and again.

    Args:
        config: of the training; its price of a nat stays fixed.
        horizons: of how many first steps the weights are made.
        warm_up: batches before the episodes are played.
        batches: after them.
        episodes: number of episodes whose worth is followed.
        look_every: gradient steps between two looks.
        seed: of everything.
    """
    generator = make_generator(seed)
    agent, envs = ActorCritic(4, 2, generator), make_cartpole(32)
    optimizer = torch.optim.Adam(agent.parameters(), config.learning_rate, eps=1e-5, fused=True)
    collector = Collector(envs, draw_seed(generator))

    def batch_of(agent: ActorCritic) -> Rollout:
        return collector.collect(numpy_forward(agent), config.steps, generator)

    for _ in range(warm_up):
        batch = freeze(agent, batch_of(agent), config.update)
        for _ in range(config.epochs):
            epoch(agent, batch, optimizer, config, config.kl_coef)
    played = play_each_once(make_cartpole(episodes), PolicyEnsemble([agent.actor]), generator)
    with torch.no_grad():
        behavior = categorical_log_prob(agent.logits(played.states), played.actions)
    seen = [(1, 0, *_look(agent, played, behavior, horizons))]
    for number in range(1, batches + 1):
        batch = freeze(agent, batch_of(agent), config.update)
        for step in range(1, config.epochs + 1):
            epoch(agent, batch, optimizer, config, config.kl_coef)
            if step % look_every == 0:
                taken = (number - 1) * config.epochs + step
                seen.append((number, taken, *_look(agent, played, behavior, horizons)))
    envs.close()
    begun, taken_steps, shares, kl = zip(*seen, strict=True)
    earned = float(played.episode_returns().mean())
    return Drift(begun, taken_steps, torch.stack(shares), torch.stack(kl), earned)
