"""What one call of ppo_update must do to a linear actor and critic, with derivatives by hand."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.sequence_oracles import gae_double_sum
from rlcourse.checks.probes.ppo import small_agent, some_rollout
from rlcourse.support.ppo_config import PPOConfig

Weights = dict[str, Tensor]
ACTOR, CRITIC = "actor.logits_network.0", "critic.value_network.0"


class _Run:
    """Plain gradient descent on the batch of one rollout."""

    def __init__(self, seed: int, settings: dict[str, Any], rate: float) -> None:
        self.config, self.rate = PPOConfig(**settings), rate
        self.weights = {
            name: p.detach().clone() for name, p in small_agent(seed).named_parameters()
        }
        rollout = some_rollout(seed)
        keep, x = rollout.mask > 0, rollout.observations
        values = self.values(x)
        advantages = gae_double_sum(
            rollout.rewards,
            self.config.gamma * (~rollout.terminated).double(),
            values[:, :-1],
            values[:, 1:],
            rollout.ends,
            self.config.lam,
        )
        self.x, self.actions = x[:, :-1][keep], rollout.actions[keep]
        self.old_values, self.advantages = values[:, :-1][keep], advantages[keep]
        self.old = self.chosen(self.log_policy(self.x), self.actions)
        self.log: list[dict[str, float]] = []
        self.epochs = 0
        self._train(torch.Generator().manual_seed(seed))

    def values(self, x: Tensor) -> Tensor:
        return (x @ self.weights[f"{CRITIC}.weight"].T + self.weights[f"{CRITIC}.bias"])[..., 0]

    def log_policy(self, x: Tensor) -> Tensor:
        scores = x @ self.weights[f"{ACTOR}.weight"].T + self.weights[f"{ACTOR}.bias"]
        return scores - scores.exp().sum(-1, keepdim=True).log()

    @staticmethod
    def chosen(log_policy: Tensor, actions: Tensor) -> Tensor:
        return log_policy[torch.arange(len(actions)), actions]

    def _train(self, generator: torch.Generator) -> None:
        for _ in range(self.config.epochs):
            order = torch.randperm(len(self.x), generator=generator)
            before = len(self.log)
            for start in range(0, len(order), self.config.minibatch_size):
                self._step(order[start : start + self.config.minibatch_size])
            self.epochs += 1
            moved = [row["approx_kl"] for row in self.log[before:]]
            if sum(moved) / len(moved) > self.config.target_kl:
                return

    def _step(self, rows: Tensor) -> None:
        config, x, actions = self.config, self.x[rows], self.actions[rows]
        a = self.advantages[rows]
        if config.standardize:
            a = (a - a.mean()) / ((a - a.mean()).square().mean().sqrt() + 1e-8)
        log_policy, values = self.log_policy(x), self.values(x)
        policy, ratio = log_policy.exp(), (self.chosen(log_policy, actions) - self.old[rows]).exp()
        low, high = 1 - config.clip_eps, 1 + config.clip_eps
        active = torch.where(a > 0, ratio < high, ratio > low)
        paid = torch.where(a > 0, ratio.clamp(max=high), ratio.clamp(min=low)) * a
        entropies = -(policy * log_policy).sum(1)
        scores = torch.eye(4, dtype=torch.float64)[actions] - policy
        by_logits = -(active * ratio * a)[:, None] * scores
        by_logits += config.entropy_coef * policy * (log_policy + entropies[:, None])
        errors, by_values = self._critic(values, rows)
        by_values = config.critic_coef * by_values[:, None]
        gradients = {
            f"{ACTOR}.weight": by_logits.T @ x / len(rows),
            f"{ACTOR}.bias": by_logits.mean(0),
            f"{CRITIC}.weight": by_values.T @ x / len(rows),
            f"{CRITIC}.bias": by_values.mean(0),
        }
        norm = float(torch.cat([g.flatten() for g in gradients.values()]).norm())
        self.log.append(
            {
                "policy_loss": float(-paid.mean()),
                "value_loss": float(errors.mean() / 2),
                "entropy": float(entropies.mean()),
                "approx_kl": float((ratio - 1 - ratio.log()).mean()),
                "clip_fraction": float(((ratio > high) | (ratio < low)).double().mean()),
                "grad_norm": norm,
            }
        )
        scale = self.rate * min(1.0, config.max_grad_norm / (norm + 1e-6))
        for name, gradient in gradients.items():
            self.weights[name] = self.weights[name] - scale * gradient

    def _critic(self, values: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Squared errors, and half their derivatives."""
        old, eps = self.old_values[rows], self.config.value_clip_eps
        targets = self.advantages[rows] + old
        held = torch.minimum(torch.maximum(values, old - eps), old + eps)
        plain, other = (values - targets).square(), (held - targets).square()
        slope = torch.where(other > plain, torch.zeros_like(plain), values - targets)
        return torch.maximum(plain, other), slope


def parameters(seed: int, settings: dict[str, Any], rate: float) -> Weights:
    """Weights and biases after the update."""
    return _Run(seed, settings, rate).weights


def logged(seed: int, settings: dict[str, Any], rate: float) -> dict[str, float]:
    """The numbers for the log, in alphabetical order."""
    run = _Run(seed, settings, rate)
    means = {name: sum(row[name] for row in run.log) / len(run.log) for name in run.log[0]}
    means["epochs"] = float(run.epochs)
    return {name: means[name] for name in sorted(means)}
