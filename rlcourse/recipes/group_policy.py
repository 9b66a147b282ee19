"""DPO, RLOO, GRPO and PPO on the same small world, where reward and KL of every policy are exact: the epilogue.

The world is an ``EnumWorld`` of two tokens a response, so that its policies can be any distribution over the
responses; then the optimum of reward minus KL is one of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from rlcourse.language_policy import kl_penalty_loss
from rlcourse.ppo import clipped_surrogate_loss
from rlcourse.preference_optimization import dpo_loss, group_advantages, grpo_loss
from rlcourse.support.enum_world import EnumWorld

WORLD = EnumWorld(prompts=4, vocabulary=8, steps=2)
"""64 responses to each of four prompts."""
METHODS = ("rloo", "grpo", "ppo", "dpo")


@dataclass(frozen=True, slots=True)
class Task:
    """What to optimize, and from where."""

    reference: Tensor
    """(P, T, V+1, V) where policies begin, and what they are held to."""
    rewards: Tensor
    """(P, R) of every response."""


@dataclass(frozen=True, slots=True)
class Point:
    """One policy in the plane of reward and KL."""

    kl: float
    """From the reference, in nats, mean over prompts."""
    reward: float
    """Expected, mean over prompts."""


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """How to train in the small world.

    Raises:
        ValueError: if there is nothing to do.
    """

    steps: int = 200
    """Updates."""
    groups: int = 8
    """Prompts in an update."""
    size: int = 8
    """Responses to each of them."""
    learning_rate: float = 0.05
    """Of Adam; falls in a straight line to 0."""
    clip_eps: float = 0.2
    """Clip of the ratios."""
    epochs: int = 2
    """Passes over the responses of an update."""

    def __post_init__(self) -> None:
        if min(self.steps, self.groups, self.epochs) < 1 or self.size < 2:
            raise ValueError("steps, groups and epochs must be at least 1, size at least 2")


def small_task(generator: torch.Generator) -> Task:
    """A random reference, and standardized rewards that know nothing of it."""
    reference = WORLD.random_theta(generator, 0.5)
    shape = (WORLD.prompts, len(WORLD.responses))
    rewards = torch.randn(shape, generator=generator, dtype=torch.float64)
    return Task(reference, (rewards - rewards.mean()) / rewards.std())


def measure(task: Task, theta: Tensor) -> Point:
    """Where a policy (P, T, V+1, V) lies: exact."""
    with torch.no_grad():
        reward = WORLD.expectation(theta, task.rewards)
        return Point(float(WORLD.kl(theta, task.reference).mean()), float(reward))


def closed_form(task: Task, beta: float) -> Tensor:
    """(P, R) log-probabilities of the optimum: the reference times exp(reward / beta), normalized."""
    return (WORLD.log_probs(task.reference) + task.rewards / beta).log_softmax(dim=1)


def frontier(task: Task, betas: Sequence[float]) -> list[Point]:
    """The best reward that can be had at each KL, one point a price."""
    points = []
    for beta in betas:
        log_probs = closed_form(task, beta)
        probs, before = log_probs.exp(), WORLD.log_probs(task.reference)
        kl = (probs * (log_probs - before)).sum(dim=1).mean()
        points.append(Point(float(kl), float((probs * task.rewards).sum(dim=1).mean())))
    return points


def best_of_n(task: Task, n: int) -> Point:
    """The best of n responses of the reference: exact, ties being impossible."""
    order = task.rewards.argsort(dim=1)
    before = WORLD.log_probs(task.reference).exp().gather(1, order)
    at_most = before.cumsum(dim=1).clamp(max=1.0)
    chosen = at_most**n - (at_most - before).clamp(min=0.0) ** n
    kl = torch.where(chosen > 0, chosen * (chosen / before).log(), 0.0).sum(dim=1).mean()
    return Point(float(kl), float((chosen * task.rewards.gather(1, order)).sum(dim=1).mean()))


def train_groups(
    task: Task, kind: str, beta: float, config: GroupConfig, generator: torch.Generator
) -> Tensor:
    """RLOO, GRPO or PPO with a price of ``beta`` a nat.

    ``rloo`` pays rewards minus ``beta`` times the log-ratio; ``grpo`` pays rewards and adds the penalty of exercise 9.7
    to its loss; ``ppo`` pays as RLOO does, but its baseline is a critic: a number for each prompt and each beginning of
    a response, learned along the way.

    Returns:
        (P, T, V+1, V) the policy at the end.
    """
    theta = task.reference.clone().requires_grad_(True)
    values = torch.zeros(WORLD.prompts, WORLD.vocabulary + 1, dtype=theta.dtype)
    optimizer = torch.optim.Adam([theta], lr=config.learning_rate)
    reference = WORLD.token_log_probs(task.reference)
    for step in range(config.steps):
        optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - step / config.steps)
        prompts = torch.randint(WORLD.prompts, (config.groups,), generator=generator)
        rows = prompts.repeat_interleave(config.size)
        drawn = WORLD.sample(theta, rows, generator)
        old = WORLD.token_log_probs(theta.detach())[rows, drawn]
        ref, paid = reference[rows, drawn], task.rewards[rows, drawn]
        penalized = paid - beta * (old - ref).sum(dim=1)
        advantages = _advantages(kind, penalized, paid, values, rows, drawn, config)
        for _ in range(config.epochs):
            new = WORLD.token_log_probs(theta)[rows, drawn]
            loss = _loss(kind, new, old, advantages, config)
            if kind == "grpo":
                loss = loss + beta * kl_penalty_loss(new, ref, torch.ones_like(new))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return theta.detach()


def _advantages(
    kind: str,
    penalized: Tensor,
    paid: Tensor,
    values: Tensor,
    rows: Tensor,
    drawn: Tensor,
    config: GroupConfig,
) -> Tensor:
    """(B) of responses, or (B, 2) of tokens for ``ppo``, whose critic ``values`` is trained in place."""
    if kind != "ppo":
        rewards = penalized if kind == "rloo" else paid
        return group_advantages(rewards.reshape(-1, config.size), kind).flatten()
    first = WORLD.responses[drawn, 0]
    start = torch.full_like(first, WORLD.vocabulary)
    states = torch.stack([start, first], dim=1)
    known = values[rows.unsqueeze(1), states]
    advantages = penalized.unsqueeze(1) - known
    counts = torch.zeros_like(values).index_put_(
        (rows.unsqueeze(1), states), torch.ones_like(known), accumulate=True
    )
    errors = torch.zeros_like(values).index_put_(
        (rows.unsqueeze(1), states), advantages, accumulate=True
    )
    values += 0.2 * errors / counts.clamp(min=1)
    return advantages


def _loss(kind: str, new: Tensor, old: Tensor, advantages: Tensor, config: GroupConfig) -> Tensor:
    mask = torch.ones_like(new)
    if kind == "ppo":
        scaled = advantages / advantages.std()
        return WORLD.steps * clipped_surrogate_loss(new, old, scaled, mask, config.clip_eps)
    return WORLD.steps * grpo_loss(
        new, old, advantages, mask, config.clip_eps, "constant", WORLD.steps
    )


def preference_pairs(
    task: Task, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of responses of the reference, compared once each as Bradley and Terry say.

    Returns:
        (N) prompts, (N) numbers of the preferred responses, (N) of the others.
    """
    prompts = torch.randint(WORLD.prompts, (count,), generator=generator)
    first = WORLD.sample(task.reference, prompts, generator)
    second = WORLD.sample(task.reference, prompts, generator)
    lead = task.rewards[prompts, first] - task.rewards[prompts, second]
    wins = torch.rand(count, generator=generator, dtype=torch.float64) < lead.sigmoid()
    return prompts, torch.where(wins, first, second), torch.where(wins, second, first)


def all_pairs(odds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every pair of responses, compared so often that the shares are those of Bradley and Terry to the last digit.

    Args:
        odds: (P, R) int64, positive: of ``odds[i] + odds[j]`` comparisons of two responses, i wins ``odds[i]``.

    Returns:
        as ``preference_pairs``.
    """
    count = odds.shape[1]
    different = (~torch.eye(count, dtype=torch.bool)).nonzero()
    prompts, chosen, rejected = [], [], []
    for prompt, row in enumerate(odds):
        wins, losses = different.repeat_interleave(row[different[:, 0]], dim=0).T
        prompts.append(torch.full_like(wins, prompt))
        chosen.append(wins)
        rejected.append(losses)
    return torch.cat(prompts), torch.cat(chosen), torch.cat(rejected)


def total_variation(log_probs: Tensor, others: Tensor) -> float:
    """Half the summed distance of two tables (P, R) of log-probabilities, at the prompt where it is largest."""
    return float((log_probs.exp() - others.exp()).abs().sum(dim=1).max() / 2)


def reward_at(points: Sequence[Point], kl: float) -> float:
    """Reward at some KL, on straight lines between points over the root of the KL.

    Over the root such curves are nearly straight.

    Raises:
        ValueError: if no two points have it between them.
    """
    ordered = sorted(points, key=lambda point: point.kl)
    for a, b in pairwise(ordered):
        if a.kl <= kl <= b.kl:
            share = (kl**0.5 - a.kl**0.5) / (b.kl**0.5 - a.kl**0.5)
            return float(a.reward + (b.reward - a.reward) * share)
    raise ValueError(f"a KL of {kl} lies outside of {ordered[0].kl} to {ordered[-1].kl}")


def train_dpo(
    task: Task, pairs: tuple[Tensor, Tensor, Tensor], beta: float, iterations: int = 60
) -> Tensor:
    """(P, T, V+1, V) the policy that likes the pairs best: DPO, minimized to the end or nearly so."""
    prompts, chosen, rejected = pairs
    before = WORLD.log_probs(task.reference)

    def loss_of(theta: Tensor) -> Tensor:
        now = WORLD.log_probs(theta)
        both = (now[prompts, chosen], now[prompts, rejected])
        loss = dpo_loss(*both, before[prompts, chosen], before[prompts, rejected], beta)
        return loss * len(prompts)  # a sum: steeper, so that the minimum is found to more digits

    return minimize(loss_of, task.reference, iterations)


def minimize(loss_of: Callable[[Tensor], Tensor], start: Tensor, iterations: int) -> Tensor:
    """Where a smooth loss is smallest, as ``start``: L-BFGS, without randomness.

    First with a line search, which compares losses and so stops at the eighth digit or so; then by gradients alone.
    """
    theta = start.clone().requires_grad_(True)
    for search in ("strong_wolfe", None):
        optimizer = torch.optim.LBFGS(
            [theta],
            max_iter=iterations,
            tolerance_grad=1e-14,
            tolerance_change=0,
            history_size=40,
            line_search_fn=search,
        )

        def closure(optimizer: torch.optim.LBFGS = optimizer) -> Tensor:
            optimizer.zero_grad()
            loss = loss_of(theta)
            loss.backward()
            return loss

        optimizer.step(closure)
    return theta.detach()
