"""Many PPO runs at once, each with settings of its own: how chapter 8 affords its comparisons.

Runs share no parameter. They are stacked along a first axis K, and a loss of the chapter is applied
to each run by ``torch.vmap``, so what is compared is the code of the exercises.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlcourse.actor_critic import entropy, gae
from rlcourse.ppo import clipped_surrogate_loss, clipped_value_loss, minibatches
from rlcourse.recipes.many_runs import PolicyEnsemble
from rlcourse.recipes.ppo import PPORunConfig
from rlcourse.support.collector import Collector
from rlcourse.support.environments import make_cartpole
from rlcourse.support.networks import ActorCritic
from rlcourse.support.ppo_config import PPOConfig
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import draw_seed, make_generator

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Variant:
    """What one kind of run does differently."""

    update: PPOConfig = field(default_factory=PPOConfig)
    """Clip, coefficients, norm of the gradient; epochs and minibatches are those of the first."""
    kl_coef: float = 0.0
    """Weight of KL(old, new) in the loss."""
    output_scale: float = 1.0
    """What the last layer of the actor is multiplied with before training."""


@dataclass(frozen=True, slots=True)
class Curves:
    """What came of K runs of U updates."""

    steps: Floats
    """(U,) steps of one run so far, resets included."""
    returns: Floats
    """(K, U) mean return of the last 20 episodes; NaN before there is one."""
    kl: Floats
    """(K, U) divergence from the policy that acted to the one after the update."""
    lag: Floats
    """(K, U) how far the critic's targets lie above what it said, on average."""


class Runs:
    """K actors and critics on CartPole.

    Args:
        variants: one for each run.
        seeds: of the weights, one for each run.
        config: sizes and step size, common to all.
        generator: decides starts, actions and shuffles; advanced.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        seeds: Sequence[int],
        config: PPORunConfig,
        generator: torch.Generator,
    ) -> None:
        members = [ActorCritic(4, 2, make_generator(seed), config.hidden) for seed in seeds]
        self.size, self.config, self.generator = len(members), config, generator
        self.actors = PolicyEnsemble([member.actor for member in members])
        self.critics = PolicyEnsemble([member.critic for member in members])
        with torch.no_grad():
            self.actors.weights[-1] *= column([v.output_scale for v in variants])[..., None]
        self.parameters = [*self.actors.parameters(), *self.critics.parameters()]
        self.optimizer = torch.optim.Adam(
            self.parameters, config.learning_rate, eps=config.adam_eps, fused=True
        )
        self.collector = Collector(make_cartpole(self.size * config.num_envs), draw_seed(generator))
        self.episodes = Episodes(self.size, config.num_envs)
        self.settings, self.first = Settings(variants), variants[0].update

    def one_update(self) -> tuple[Tensor, Tensor]:
        """Play a batch and learn from it; how far each policy moved (K), each critic's lag (K)."""
        rollout = self.collector.collect(
            self.actors.numpy_forward(), self.config.steps, self.generator
        )
        self.episodes.see(rollout)
        batch = self.work_out(rollout)
        for _ in range(self.first.epochs):
            for rows in self.deal(batch["mask"].shape[1]):
                self.descend({name: take(x, rows) for name, x in batch.items()})
        with torch.no_grad():
            moved = divergence(batch["old_logits"], self.logits(batch["states"]))
            mask = batch["mask"]
            count = mask.sum(1)
            return (mask * moved).sum(1) / count, (mask * batch["advantages"]).sum(1) / count

    def logits(self, states: Tensor) -> Tensor:
        """(K, M, A) of states (K, M, D)."""
        rows: Tensor = self.actors(states.flatten(0, 1))
        return rows.reshape(*states.shape[:2], -1)

    @torch.no_grad()
    def work_out(self, rollout: Rollout) -> dict[str, Tensor]:
        """What is computed once, each (K, M, ...) with M the steps of one run."""
        values = self.critics(rollout.observations)[..., 0]
        now, following = values[:, :-1], values[:, 1:]
        discounts = rollout.discounts(self.first.gamma)
        advantages = gae(rollout.rewards, discounts, now, following, rollout.ends, self.first.lam)
        logits = self.actors(rollout.states)
        columns = {
            "states": rollout.states,
            "actions": rollout.actions[..., None],
            "old_logits": logits,
            "old": logits.log_softmax(-1).gather(-1, rollout.actions[..., None])[..., 0],
            "values": now,
            "advantages": advantages,
            "returns": advantages + now,
            "mask": rollout.mask,
        }
        return {name: x.reshape(self.size, -1, *x.shape[2:]) for name, x in columns.items()}

    def deal(self, count: int) -> list[Tensor]:
        """Minibatches (K, size) of row numbers, shuffled for each run by itself."""
        size = self.first.minibatch_size
        orders = [
            torch.cat(list(minibatches(count, size, self.generator))) for _ in range(self.size)
        ]
        return list(torch.stack(orders).split(size, dim=1))

    def descend(self, mini: dict[str, Tensor]) -> None:
        """One step of the optimizer; the sum of the runs' losses gives each its own gradient."""
        logits = self.logits(mini["states"])
        log_probs = logits.log_softmax(-1).gather(-1, mini["actions"])[..., 0]
        values = self.critics(mini["states"].flatten(0, 1)).reshape(log_probs.shape)
        mask, settings = mini["mask"], self.settings
        weights = settings.weigh(mini["advantages"], mask)
        policy_losses = each(clipped_surrogate_loss)(
            log_probs, mini["old"], weights, mask, settings.clip_eps
        )
        value_losses = each(clipped_value_loss)(
            values, mini["values"], mini["returns"], mask, settings.value_clip_eps
        )
        undecided = (mask * entropy(logits)).sum(1) / mask.sum(1)
        moved = (mask * divergence(mini["old_logits"], logits)).sum(1) / mask.sum(1)
        losses = policy_losses + self.first.critic_coef * value_losses
        losses = losses - settings.entropy_coef * undecided + settings.kl_coef * moved
        self.optimizer.zero_grad()
        losses.sum().backward()
        shorten(self.parameters, settings.max_grad_norm)
        self.optimizer.step()


class Settings:
    """The numbers in which the runs differ, each (K)."""

    def __init__(self, variants: Sequence[Variant]) -> None:
        updates = [variant.update for variant in variants]
        self.clip_eps = torch.tensor([u.clip_eps for u in updates])
        self.value_clip_eps = torch.tensor([u.value_clip_eps for u in updates])
        self.entropy_coef = torch.tensor([u.entropy_coef for u in updates])
        self.max_grad_norm = torch.tensor([u.max_grad_norm for u in updates])
        self.standardize = column([u.standardize for u in updates])
        self.kl_coef = torch.tensor([variant.kl_coef for variant in variants])

    def weigh(self, advantages: Tensor, mask: Tensor) -> Tensor:
        """(K, M) standardized over the steps that count, in the runs that do so."""
        count = mask.sum(1, keepdim=True)
        middle = (mask * advantages).sum(1, keepdim=True) / count
        spread = ((mask * (advantages - middle).square()).sum(1, keepdim=True) / count).sqrt()
        return torch.where(
            self.standardize > 0, (advantages - middle) / (spread + 1e-8), advantages
        )


class Episodes:
    """The returns of the last 20 episodes of each run."""

    def __init__(self, runs: int, num_envs: int) -> None:
        self.open = torch.zeros(runs * num_envs)
        self.num_envs = num_envs
        self.finished: list[list[float]] = [[] for _ in range(runs)]

    def see(self, rollout: Rollout) -> None:
        for rewards, ends in zip(rollout.rewards.T, rollout.ends.T, strict=True):
            self.open += rewards
            for row in ends.nonzero()[:, 0].tolist():
                self.finished[row // self.num_envs].append(float(self.open[row]))
                self.open[row] = 0.0

    def recent(self) -> list[float]:
        """The mean of each run; NaN before there is an episode."""
        return [float(np.mean(known[-20:])) if known else float("nan") for known in self.finished]


def side_by_side(
    variants: Sequence[Variant], seeds: Sequence[int], config: PPORunConfig, seed: int
) -> Curves:
    """Train runs on CartPole.

    Args:
        variants: one for each run.
        seeds: of the weights, one for each run.
        config: sizes and step size of all.
        seed: of starts, actions and shuffles.
    """
    runs = Runs(variants, seeds, config, make_generator(seed))
    returns, kl, lag = [], [], []
    for index in range(config.updates):
        runs.optimizer.param_groups[0]["lr"] = config.learning_rate_at(index)
        moved, behind = runs.one_update()
        kl.append(moved.numpy())
        lag.append(behind.numpy())
        returns.append(runs.episodes.recent())
    steps = np.arange(1, config.updates + 1) * config.num_envs * config.steps
    columns = (np.array(rows, dtype=float).T for rows in (returns, kl, lag))
    return Curves(steps.astype(float), *columns)


def each(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A loss of the chapter for K runs at once: arguments (K, ...), also the clip; result (K)."""
    stacked: Callable[..., Tensor] = torch.vmap(loss)
    return stacked


def divergence(old_logits: Tensor, logits: Tensor) -> Tensor:
    """(...) KL(old, new) of each state, exact: a sum over the actions."""
    old, new = old_logits.log_softmax(-1), logits.log_softmax(-1)
    return (old.exp() * (old - new)).sum(-1)


def column(numbers: Sequence[float]) -> Tensor:
    """(K, 1)."""
    return torch.tensor(numbers, dtype=torch.float32)[:, None]


def take(x: Tensor, rows: Tensor) -> Tensor:
    """(K, m, ...) the rows (K, m) of x (K, M, ...)."""
    return x[torch.arange(len(x))[:, None], rows]


def shorten(parameters: Sequence[Tensor], longest: Tensor) -> None:
    """Shorten each run's gradient to its own ``longest`` (K)."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()
    factors = (longest / (norms + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors[:, None, None])
