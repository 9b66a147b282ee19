"""The three estimates of a KL, judged exactly: as values and as losses, over all responses of a small world."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.language_policy import kl_estimate
from rlcourse.support.enum_world import EnumWorld
from rlcourse.support.seeding import make_generator

KINDS = ("k1", "k2", "k3")


@dataclass(frozen=True, slots=True)
class Estimator:
    """One kind at one distance from the reference."""

    kl: float
    """What it should say, in nats."""
    bias: float
    """Mean of the estimates minus that."""
    spread: float
    """Deviation of a single estimate."""
    gradient_error: float
    """Length of (expected gradient of the estimate minus gradient of the KL), over the length of the latter."""
    gradient_spread: float
    """Deviation of a single response's gradient, over the same length."""


def policies(distance: float, seed: int = 0) -> tuple[EnumWorld, Tensor, Tensor]:
    """A world with one prompt, a reference, and a policy at some distance from it in the logits.

    Returns:
        the world, and logits (1, T, V+1, V) of policy and reference.
    """
    world, generator = EnumWorld(prompts=1), make_generator(seed)
    reference, direction = world.random_theta(generator), world.random_theta(generator)
    return world, reference + distance * direction, reference


def judge(kind: str, distance: float, seed: int = 0) -> Estimator:
    """Bias and spread of one kind, as a value and as a gradient, of whole responses drawn from the policy."""
    world, theta, reference = policies(distance, seed)
    theta.requires_grad_(True)
    estimates = kl_estimate(world.log_probs(theta), world.log_probs(reference), kind)
    exact = world.kl(theta, reference).mean()
    (wanted,) = torch.autograd.grad(exact, theta, retain_graph=True)
    mean, variance = world.gradient_moments(theta, estimates)
    with torch.no_grad():
        value = world.expectation(theta, estimates)
        square = world.expectation(theta, (estimates - value).square())
    return Estimator(
        kl=exact.item(),
        bias=(value - exact).item(),
        spread=square.sqrt().item(),
        gradient_error=((mean - wanted).norm() / wanted.norm()).item(),
        gradient_spread=(variance.sqrt() / wanted.norm()).item(),
    )


def other_direction(distance: float, seed: int = 0) -> float:
    """How far the expected gradient of k3 is from that of KL(reference || policy), relative to the latter's length."""
    world, theta, reference = policies(distance, seed)
    theta.requires_grad_(True)
    estimates = kl_estimate(world.log_probs(theta), world.log_probs(reference), "k3")
    mean, _ = world.gradient_moments(theta, estimates)
    (wanted,) = torch.autograd.grad(world.kl(reference, theta).mean(), theta)
    return float((mean - wanted).norm() / wanted.norm())


def pulled_back(kind: str, updates: int = 300, rate: float = 0.5, seed: int = 0) -> list[float]:
    """The KL while only a penalty acts on a policy, with exact expected gradients.

    Args:
        kind: which estimate is minimized.
        updates: how many.
        rate: of plain gradient descent.
        seed: of policy and reference.

    Returns:
        the KL before each update.
    """
    world, theta, reference = policies(1.0, seed)
    theta.requires_grad_(True)
    path: list[float] = []
    for _ in range(updates):
        log_probs = world.log_probs(theta)
        chances = log_probs.exp().detach()
        path.append(world.kl(theta, reference).mean().item())
        loss = (chances * kl_estimate(log_probs, world.log_probs(reference), kind)).sum()
        (gradient,) = torch.autograd.grad(loss, theta)
        theta = (theta - rate * gradient).detach().requires_grad_(True)
    return path
