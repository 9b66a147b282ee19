"""The surrogate objective against the truth, in a language with 64 responses a prompt: chapter 7.

What a new policy really gains, what the surrogate predicts, and how far the two policies are apart
are all sums here. Only the batch that a policy is trained on is sampled.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.off_policy import categorical_kl, surrogate_loss
from rlcourse.support.enum_world import EnumWorld
from rlcourse.support.seeding import make_generator

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class RatedWorld:
    """Prompts, ratings of all responses, and the policy that wrote them."""

    world: EnumWorld
    old: Tensor
    """(P, T, V+1, V) logits of the policy that samples; P counts prompts here, V tokens."""
    ratings: Tensor
    """(P, R) one for each of the R responses."""

    def gain(self, theta: Tensor) -> Tensor:
        """() what another policy earns more than the old one, truly."""
        earned = self.world.expectation(theta, self.ratings)
        return earned - self.world.expectation(self.old, self.ratings)

    def distance(self, theta: Tensor) -> Tensor:
        """() KL(old || theta) of whole responses, in nats, mean over prompts."""
        return self.world.kl(self.old, theta).mean()

    def advantages(self) -> Tensor:
        """(P, R, T) exact advantage of each token under the old policy."""
        values = self.world.prefix_expectation(self.old, self.ratings)
        following = torch.cat([values[..., 1:], self.ratings[..., None]], dim=-1)
        return following - values

    def surrogate(self, theta: Tensor) -> Tensor:
        """() the gain that the surrogate predicts: each token's ratio alone weights its advantage."""
        log_ratios = self.world.token_log_probs(theta) - self.world.token_log_probs(self.old)
        return self.world.expectation(self.old, (log_ratios.exp() * self.advantages()).sum(-1))

    def direction(self) -> Tensor:
        """(P, T, V+1, V) the policy gradient at the old policy, of length 1."""
        theta = self.old.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(self.gain(theta), theta)
        unit: Tensor = gradient / gradient.norm()
        return unit


def rated_world(seed: int = 0) -> RatedWorld:
    """Two prompts; ratings with mean 0 and deviation 1."""
    world, generator = EnumWorld(), make_generator(seed)
    old = world.random_theta(generator, scale=0.7)
    ratings = torch.randn(2, 64, generator=generator, dtype=torch.float64)
    return RatedWorld(world, old, ratings)


@dataclass(frozen=True, slots=True)
class BatchReuse:
    """What happened while one batch was used again and again; one number an epoch."""

    claimed: Tensor
    """(E) the gain that the surrogate reports on its own batch."""
    gained: Tensor
    """(E) the true gain."""
    distance: Tensor
    """(E) KL(old || new) in nats."""


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """Settings of one such run.

    Raises:
        ValueError: if a number lies outside its range.
    """

    samples: int = 24
    """B, responses in the batch."""
    epochs: int = 60
    """E, how often the batch is used."""
    learning_rate: float = 0.05
    """Step size of Adam."""
    kl_coef: float = 0.0
    """Price of a nat of KL(old || new) at the tokens of the batch."""

    def __post_init__(self) -> None:
        if min(self.samples, self.epochs) < 1:
            raise ValueError("samples and epochs must be at least 1")
        if self.learning_rate <= 0.0 or self.kl_coef < 0.0:
            raise ValueError("learning_rate must be positive and kl_coef not negative")


def reuse_batch(
    rated: RatedWorld,
    config: BatchConfig,
    generator: torch.Generator,
    loss: Loss = surrogate_loss,
) -> BatchReuse:
    """Draw one batch from the old policy, and train on nothing else.

    Args:
        rated: the world and the old policy.
        config: how many samples, how often, at which price.
        generator: decides the batch; advanced.
        loss: of log-probabilities, old ones, advantages and mask; another one to see a bug.

    Returns:
        numbers before each epoch, and after the last.
    """
    world = rated.world
    prompts = torch.randint(world.prompts, (config.samples,), generator=generator)
    chosen = world.sample(rated.old, prompts, generator)
    earned = rated.ratings[prompts, chosen]
    advantages = (earned - earned.mean())[:, None].expand(-1, world.steps)
    old_logits = world.logits(rated.old)[prompts, chosen]
    old_log_probs = world.token_log_probs(rated.old)[prompts, chosen]
    mask = torch.ones_like(old_log_probs)
    theta = rated.old.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([theta], config.learning_rate)
    rows = []
    for _ in range(config.epochs + 1):
        log_probs = world.token_log_probs(theta)[prompts, chosen]
        objective = loss(log_probs, old_log_probs, advantages, mask)
        with torch.no_grad():
            claimed = -world.steps * objective
            rows.append(torch.stack([claimed, rated.gain(theta), rated.distance(theta)]))
        kl = categorical_kl(old_logits, world.logits(theta)[prompts, chosen]).mean()
        optimizer.zero_grad()
        (objective + config.kl_coef * kl).backward()
        optimizer.step()
    return BatchReuse(*torch.stack(rows, dim=1))


def mean_reuse(
    rated: RatedWorld, config: BatchConfig, batches: int, seed: int, loss: Loss = surrogate_loss
) -> BatchReuse:
    """The mean of several such runs, each from a batch of its own."""
    generator = make_generator(seed)
    runs = [reuse_batch(rated, config, generator, loss) for _ in range(batches)]
    names = ("claimed", "gained", "distance")
    return BatchReuse(
        *(torch.stack([getattr(run, name) for run in runs]).mean(0) for name in names)
    )
