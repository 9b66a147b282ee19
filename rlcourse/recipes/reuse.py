"""An actor-critic that uses each batch several times, held back by a KL penalty or by nothing.

The loop of chapter 6 with the loss of chapter 7; chapter 8 turns it into PPO. Read it beside
``book/07_off_policy.md``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from rlcourse.actor_critic import critic_loss, gae
from rlcourse.off_policy import adapt_kl_coef, categorical_kl, surrogate_loss
from rlcourse.policy_gradient import categorical_log_prob
from rlcourse.support.actor_critic_config import ActorCriticConfig
from rlcourse.support.collector import Collector
from rlcourse.support.networks import ActorCritic, numpy_forward
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import draw_seed

Adapt = Callable[[float, float, float, str], float]
Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class ReuseConfig:
    """Settings of one run; the defaults are those of CartPole on the page.

    Raises:
        ValueError: if a number lies outside its range.
    """

    total_steps: int = 30_000
    """Columns of all environments together after which training stops."""
    steps: int = 32
    """T, the steps of each environment between two updates."""
    epochs: int = 20
    """How often each batch is used, all of it at once."""
    learning_rate: float = 2.5e-3
    """Step size of Adam, the same from first to last."""
    kl_coef: float = 0.0
    """Price of a nat between old and new policy, mean over the steps; the first, if it adapts."""
    kl_target: float | None = None
    """Nats that an update should move the policy; None keeps ``kl_coef`` as it is."""
    rule: str = "ppo"
    """How the price follows the target."""
    update: ActorCriticConfig = field(default_factory=lambda: ActorCriticConfig(entropy_coef=0.0))
    """Discount, lambda, coefficient of the critic, largest gradient. No entropy bonus here."""

    def __post_init__(self) -> None:
        for name in ("total_steps", "steps", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.learning_rate <= 0.0 or self.kl_coef < 0.0:
            raise ValueError("learning_rate must be positive and kl_coef not negative")


@dataclass(frozen=True, slots=True)
class Batch:
    """What stays as it was while a rollout is used again and again."""

    rollout: Rollout
    logits: Tensor
    """(B, T, A) of the policy that played."""
    log_probs: Tensor
    """(B, T) of its actions."""
    advantages: Tensor
    """(B, T) standardized over the steps that count."""
    returns: Tensor
    """(B, T) targets of the critic."""


@torch.no_grad()
def freeze(agent: ActorCritic, rollout: Rollout, config: ActorCriticConfig) -> Batch:
    """Ask the agent that played for everything that is not to move while it learns."""
    logits, values = agent.logits(rollout.states), agent.values(rollout.observations)
    log_probs = categorical_log_prob(logits, rollout.actions)
    values, following = values[:, :-1], values[:, 1:]
    discounts = rollout.discounts(config.gamma)
    advantages = gae(rollout.rewards, discounts, values, following, rollout.ends, config.lam)
    seen = rollout.counted(advantages)
    standardized = (advantages - seen.mean()) / (seen.std(correction=0) + 1e-8)
    return Batch(rollout, logits, log_probs, standardized, advantages + values)


def epoch(
    agent: ActorCritic,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    config: ReuseConfig,
    kl_coef: float,
    loss: Loss = surrogate_loss,
) -> dict[str, float]:
    """One gradient step on a whole batch.

    Returns:
        before the step: ``kl`` (old from new, mean nats a step), ``ratio`` (largest distance of a
        ratio from 1) and ``gain``, what the surrogate claims.
    """
    rollout, mask = batch.rollout, batch.rollout.mask
    logits = agent.logits(rollout.states)
    log_probs = categorical_log_prob(logits, rollout.actions)
    actor = loss(log_probs, batch.log_probs, batch.advantages, mask)
    critic = critic_loss(agent.values(rollout.states), batch.returns, mask)
    kl = rollout.counted(categorical_kl(batch.logits, logits)).mean()
    optimizer.zero_grad()
    (actor + config.update.critic_coef * critic + kl_coef * kl).backward()
    torch.nn.utils.clip_grad_norm_(agent.parameters(), config.update.max_grad_norm)
    optimizer.step()
    ratios = rollout.counted((log_probs - batch.log_probs).detach().exp())
    return {
        "kl": kl.item(),
        "ratio": (ratios - 1.0).abs().max().item(),
        "gain": -actor.item(),
    }


@torch.no_grad()
def moved(agent: ActorCritic, batch: Batch) -> float:
    """Mean nats a step from the policy that played to the agent as it is now."""
    logits = agent.logits(batch.rollout.states)
    return float(batch.rollout.counted(categorical_kl(batch.logits, logits)).mean())


def reuse(
    agent: ActorCritic,
    envs: VectorEnv[Any, Any, Any],
    config: ReuseConfig,
    generator: torch.Generator,
    loss: Loss = surrogate_loss,
    adapt: Adapt = adapt_kl_coef,
) -> Iterator[dict[str, Any]]:
    """Train an agent in place, batch after batch.

    Args:
        agent: actor and critic.
        envs: B environments in NEXT_STEP mode.
        config: how long, how often, at which price.
        generator: all randomness; advanced.
        loss: the actor's; another one to see what a bug does.
        adapt: how the price follows the target; another one to see what a bug does.

    Yields:
        a row a batch: ``steps`` so far, ``return`` of the last 20 episodes (NaN before there is
        one), ``kl`` that the update moved, ``kl_coef`` in use, and ``epochs``, what each reports.
    """
    collector = Collector(envs, draw_seed(generator))
    optimizer = torch.optim.Adam(agent.parameters(), config.learning_rate, eps=1e-5, fused=True)
    kl_coef = config.kl_coef
    for _ in range(config.total_steps // (envs.num_envs * config.steps)):
        rollout = collector.collect(numpy_forward(agent), config.steps, generator)
        batch = freeze(agent, rollout, config.update)
        epochs = [
            epoch(agent, batch, optimizer, config, kl_coef, loss) for _ in range(config.epochs)
        ]
        kl = moved(agent, batch)
        yield {
            "steps": collector.total_steps,
            "return": collector.recent_return(20),
            "kl": kl,
            "kl_coef": kl_coef,
            "epochs": epochs,
        }
        if config.kl_target is not None:
            kl_coef = adapt(kl_coef, kl, config.kl_target, config.rule)
