"""Over-optimization in a world where the true reward is known: a proxy learned from comparisons, best of n by it.

A response is eight numbers. The judge's reward rises with six of them; of the seventh, think of length: a little more
is better, too much is worse. The proxy is linear, and learned on responses as the policy writes them, where more was
nearly always better. (After Gao et al., 2023, with a world of our own.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rlcourse.instruct_gpt import best_of_n_kl, best_of_n_value
from rlcourse.support.seeding import make_generator

WIDTH = 8
WEIGHTS = (0.3, 0.3, 0.3, 0.3, 0.15, 0.15, 1.0, 0.0)
BEND = 0.5
"""How much the square of the seventh number costs."""


def gold_reward(x: Tensor) -> Tensor:
    """(N,) what responses (N, 8) are truly worth."""
    return x @ torch.tensor(WEIGHTS, dtype=x.dtype) - BEND * x[:, 6].square()


def learn_proxy(comparisons: int, generator: torch.Generator) -> Tensor:
    """(8,) weights of the linear proxy, from as many comparisons, each decided by chance as Bradley and Terry say."""
    first, second = torch.randn(2, comparisons, WIDTH, generator=generator, dtype=torch.float64)
    chance = (gold_reward(first) - gold_reward(second)).sigmoid()
    wins = torch.rand(comparisons, generator=generator, dtype=torch.float64) < chance
    gaps = torch.where(wins[:, None], first - second, second - first)
    weights = torch.zeros(WIDTH, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=50)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = -logsigmoid(gaps @ weights).sum() + 0.5 * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weights.detach()


def standard(x: Tensor) -> Tensor:
    """(N,) in deviations from the mean."""
    return (x - x.mean()) / x.std()


@dataclass(frozen=True, slots=True)
class Curve:
    """What the best of n is worth, n by n."""

    counts: tuple[int, ...]
    kl: Tensor
    """(N,) nats."""
    proxy: Tensor
    """(N,) by the proxy, in its deviations."""
    gold: Tensor
    """(N,) truly, in deviations of the gold reward."""


def best_of_n_curve(
    comparisons: int, counts: Sequence[int], seeds: Sequence[int], pool: int = 20_000
) -> Curve:
    """Mean over seeds, each with its own comparisons and its own pool."""
    proxies, golds = [], []
    for seed in seeds:
        generator = make_generator(seed)
        weights = learn_proxy(comparisons, generator)
        x = torch.randn(pool, WIDTH, generator=generator, dtype=torch.float64)
        proxy, gold = standard(x @ weights), standard(gold_reward(x))
        proxies.append(torch.stack([best_of_n_value(proxy, proxy, n) for n in counts]))
        golds.append(torch.stack([best_of_n_value(proxy, gold, n) for n in counts]))
    kl = torch.tensor([best_of_n_kl(n) for n in counts], dtype=torch.float64)
    return Curve(tuple(counts), kl, torch.stack(proxies).mean(0), torch.stack(golds).mean(0))
