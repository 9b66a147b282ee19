"""What one update must do to a linear actor and critic, with derivatives worked out by hand."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.sequence_oracles import gae_double_sum
from rlcourse.checks.probes.actor_critic import small_agent, some_rollout
from rlcourse.support.rollouts import Rollout

Weights = dict[str, Tensor]
ACTOR, CRITIC = "actor.logits_network.0", "critic.value_network.0"


class _Parts:
    """Everything about one update that does not need autograd."""

    def __init__(self, weights: Weights, rollout: Rollout, settings: dict[str, Any]) -> None:
        x = rollout.observations
        values = (x @ weights[f"{CRITIC}.weight"].T + weights[f"{CRITIC}.bias"])[..., 0]
        advantages = gae_double_sum(
            rollout.rewards,
            settings["gamma"] * (~rollout.terminated).double(),
            values[:, :-1],
            values[:, 1:],
            rollout.ends,
            settings["lam"],
        )
        keep = rollout.mask > 0
        self.settings = settings
        self.x, self.values, self.actions = (
            x[:, :-1][keep],
            values[:, :-1][keep],
            rollout.actions[keep],
        )
        raw = advantages[keep]
        self.targets = raw + self.values
        spread = (raw - raw.mean()).square().mean().sqrt()
        self.weights = (raw - raw.mean()) / (spread + 1e-8) if settings["standardize"] else raw
        scores = self.x @ weights[f"{ACTOR}.weight"].T + weights[f"{ACTOR}.bias"]
        self.log_policy = scores - scores.exp().sum(1, keepdim=True).log()
        self.policy = self.log_policy.exp()
        self.entropies = -(self.policy * self.log_policy).sum(1)

    def gradients(self) -> Weights:
        """d log pi / d logits = 1_a - pi and dH / d logits = -pi (log pi + H)."""
        count = len(self.actions)
        chosen = torch.eye(4, dtype=torch.float64)[self.actions]
        actor = -self.weights[:, None] * (chosen - self.policy)
        undecided = -self.policy * (self.log_policy + self.entropies[:, None])
        logits = (actor - self.settings["entropy_coef"] * undecided) / count
        errors = self.settings["critic_coef"] * (self.values - self.targets)[:, None] / count
        return {
            f"{ACTOR}.weight": logits.T @ self.x,
            f"{ACTOR}.bias": logits.sum(0),
            f"{CRITIC}.weight": errors.T @ self.x,
            f"{CRITIC}.bias": errors.sum(0),
        }

    def norm(self) -> Tensor:
        norm: Tensor = torch.cat([g.flatten() for g in self.gradients().values()]).norm()
        return norm


def parameters(seed: int, updates: int, settings: dict[str, Any]) -> Weights:
    """Weights and biases after some updates by plain gradient descent."""
    weights = {name: p.detach().clone() for name, p in small_agent(seed).named_parameters()}
    for update in range(updates):
        parts = _Parts(weights, some_rollout(seed + 10 * update), settings)
        norm = parts.norm()
        scale = min(1.0, settings["max_grad_norm"] / (float(norm) + 1e-6))
        for name, gradient in parts.gradients().items():
            weights[name] = weights[name] - 0.1 * scale * gradient
    return weights


def logged(seed: int, settings: dict[str, Any]) -> dict[str, float]:
    """The numbers for the log, in alphabetical order."""
    weights = {name: p.detach().clone() for name, p in small_agent(seed).named_parameters()}
    parts = _Parts(weights, some_rollout(seed), settings)
    chosen = parts.log_policy[torch.arange(len(parts.actions)), parts.actions]
    left = parts.targets - parts.values
    return {
        "actor_loss": float(-(parts.weights * chosen).mean()),
        "critic_loss": float(left.square().mean() / 2),
        "entropy": float(parts.entropies.mean()),
        "explained_variance": float(1 - left.var() / parts.targets.var()),
        "grad_norm": float(parts.norm()),
    }
