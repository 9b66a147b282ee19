"""How much reward a nat buys: closed form, best-of-n and PPO in a world whose responses can all be listed."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.instruct_gpt import kl_regularized_optimum, kl_shaped_rewards, response_advantages
from rlcourse.ppo import clipped_surrogate_loss
from rlcourse.support.enum_world import EnumWorld
from rlcourse.support.seeding import make_generator


@dataclass(frozen=True, slots=True)
class Point:
    """One policy."""

    setting: float
    """The price of a nat, or n."""
    kl: float
    """Exact divergence from the reference, in nats."""
    reward: float
    """Exact expected reward."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """One prompt, 64 responses of three tokens, a reward for each."""

    world: EnumWorld
    reference: Tensor
    """(1, T, V+1, V) logits."""
    rewards: Tensor
    """(N,) of all responses; no two are equal."""

    @property
    def ref_log_probs(self) -> Tensor:
        """(N,) of whole responses."""
        return self.world.log_probs(self.reference)[0]

    def point(self, setting: float, log_probs: Tensor) -> Point:
        """A policy given by the log-probabilities (N,) of its responses."""
        chances = log_probs.exp()
        gaps = torch.where(chances > 0, log_probs - self.ref_log_probs, 0.0)
        return Point(setting, float((chances * gaps).sum()), float((chances * self.rewards).sum()))

    def closed_form(self, kl_coefs: Sequence[float]) -> list[Point]:
        """The best policies there are."""
        found = []
        for kl_coef in kl_coefs:
            best = kl_regularized_optimum(self.ref_log_probs, self.rewards, kl_coef)
            found.append(self.point(kl_coef, best))
        return found

    def best_of_n(self, counts: Sequence[int]) -> list[Point]:
        """Keeping the best of n draws: the chance that all n are at most this good, less that all are worse."""
        order = self.rewards.argsort()
        upto = self.ref_log_probs.exp()[order].cumsum(0)
        found = []
        for n in counts:
            powers = torch.cat([upto.new_zeros(1), upto**n])
            chances = torch.zeros_like(upto)
            chances[order] = powers.diff()
            found.append(self.point(float(n), chances.log()))
        return found

    def ppo(self, kl_coefs: Sequence[float], steps: int = 150, seed: int = 0) -> list[Point]:
        """Where PPO on sampled responses ends, with no critic."""
        return [self.point(b, self._train(b, steps, seed)) for b in kl_coefs]

    def _train(self, kl_coef: float, steps: int, seed: int) -> Tensor:
        """(N,) log-probabilities of the trained policy."""
        theta, generator = self.reference.clone().requires_grad_(), make_generator(seed)
        optimizer = torch.optim.Adam([theta], lr=0.03)
        ref = self.world.token_log_probs(self.reference)[0]
        prompts = torch.zeros(128, dtype=torch.int64)
        mask = torch.ones(128, self.world.steps, dtype=theta.dtype)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / steps)
            drawn = self.world.sample(theta, prompts, generator)
            old = self.world.token_log_probs(theta.detach())[0][drawn]
            rewards = kl_shaped_rewards(self.rewards[drawn], old, ref[drawn], mask, kl_coef)
            advantages, _ = response_advantages(rewards, torch.zeros_like(old), mask, 1.0, 1.0)
            for _ in range(2):
                new = self.world.token_log_probs(theta)[0][drawn]
                loss = clipped_surrogate_loss(new, old, advantages, mask, 0.2)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return self.world.log_probs(theta.detach())[0]


def make_frontier(seed: int = 0) -> Frontier:
    """Random logits and random rewards of deviation 1 under the reference, mean 0."""
    world, generator = EnumWorld(prompts=1), make_generator(seed)
    reference = world.random_theta(generator)
    rewards = torch.randn(64, generator=generator, dtype=torch.float64)
    chances = world.log_probs(reference)[0].exp()
    centred = rewards - (chances * rewards).sum()
    deviation = (chances * centred.square()).sum().sqrt()
    return Frontier(world, reference, centred / deviation)
