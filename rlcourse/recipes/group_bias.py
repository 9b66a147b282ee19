"""What normalizations do to the expected gradient, by listing every group that can happen: the epilogue."""

import math
from itertools import product

import torch
from torch import Tensor

from rlcourse.preference_optimization import group_advantages, grpo_loss
from rlcourse.support.enum_world import EnumWorld


def prompt_weight(success: float, size: int, kind: str) -> float:
    r"""By how much a prompt's gradient is multiplied, where a response is right (1) or wrong (0).

    The expected gradient of a group is this number times the gradient of the prompt's rate of success p. Summed over
    how many of the K responses are right: a right one moves by its advantage over p, a wrong one by minus its advantage
    over 1 - p, since that is what the score function of p is.

    Args:
        success: p, the rate of success; between 0 and 1.
        size: K, responses in a group.
        kind: as in ``group_advantages``.
    """
    total = 0.0
    for right in range(size + 1):
        rewards = (torch.arange(size) < right).double().unsqueeze(0)
        scores = torch.where(rewards > 0, 1 / success, -1 / (1 - success))
        chance = math.comb(size, right) * success**right * (1 - success) ** (size - right)
        total += chance * float((group_advantages(rewards, kind) * scores).mean())
    return total


def ending_mask(responses: Tensor) -> Tensor:
    """(R, T) 1 up to and with the first token 0 of each response."""
    ends = (responses == 0).long()
    return ((ends.cumsum(dim=1) - ends) == 0).double()


def distinct_responses(world: EnumWorld, mask: Tensor) -> Tensor:
    """(U) numbers of responses that differ before they end; what stands behind an end is all zeros in these."""
    return ((world.responses * (1 - mask)).sum(dim=1) == 0).nonzero()[:, 0]


def expected_group_gradient(
    world: EnumWorld, theta: Tensor, rewards: Tensor, kind: str, aggregation: str
) -> Tensor:
    """Minus the gradient of ``grpo_loss``, averaged over every pair of responses to the first prompt.

    Args:
        world: token 0 ends a response.
        theta: (P, T, V+1, V) the policy, who wrote the responses too.
        rewards: (R) of each response to the first prompt.
        kind: of the advantages.
        aggregation: of the loss.

    Returns:
        (P, T, V+1, V) the direction in which the policy moves on average.
    """
    policy = theta.clone().requires_grad_(True)
    mask = ending_mask(world.responses)
    tokens = world.token_log_probs(policy)[0]
    chances = (tokens.detach() * mask).sum(dim=1).exp()
    total = torch.zeros((), dtype=theta.dtype)
    for i, j in product(distinct_responses(world, mask).tolist(), repeat=2):
        pair = torch.tensor([i, j])
        advantages = group_advantages(rewards[pair].unsqueeze(0), kind)[0]
        if not advantages.any():
            continue
        now = tokens[pair]
        loss = grpo_loss(now, now.detach(), advantages, mask[pair], 0.2, aggregation, world.steps)
        total = total - chances[i] * chances[j] * loss
    (gradient,) = torch.autograd.grad(total, policy)
    return gradient


def exact_slopes(world: EnumWorld, theta: Tensor, values: Tensor) -> Tensor:
    """(P, T, V+1, V) gradient of the first prompt's expectation of ``values`` (R), where token 0 ends a response."""
    policy = theta.clone().requires_grad_(True)
    mask = ending_mask(world.responses)
    rows = distinct_responses(world, mask)
    chances = (world.token_log_probs(policy)[0] * mask).sum(dim=1).exp()
    (gradient,) = torch.autograd.grad((chances * values)[rows].sum(), policy)
    return gradient


def cosine(a: Tensor, b: Tensor) -> float:
    """Of the angle between two tensors."""
    return float((a * b).sum() / (a.norm() * b.norm()))
