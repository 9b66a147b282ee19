"""Exact answers for the checks about sequences and distributions, by loops over Python floats.

Every function takes tensors and returns float64. Never shipped to students.
"""

import itertools
import math

import torch
from torch import Tensor


def discounted_sums(rewards: Tensor, discounts: Tensor) -> Tensor:
    """(B, T) G_t: each r_k from t on times the discounts of the steps t to k-1."""
    returns = torch.zeros(rewards.shape, dtype=torch.float64)
    for b, t in itertools.product(*map(range, rewards.shape)):
        for k in range(t, rewards.shape[1]):
            factor = math.prod(float(discounts[b, j]) for j in range(t, k))
            returns[b, t] += factor * float(rewards[b, k])
    return returns


def n_step_return(
    rewards: Tensor, discounts: Tensor, next_values: Tensor, ends: Tensor, n: int
) -> Tensor:
    """(B, T) up to ``n`` rewards, then the discounted value of what came next.

    Fewer than ``n`` where the trajectory or the batch ends before.
    """
    returns = torch.zeros(rewards.shape, dtype=torch.float64)
    for b, t in itertools.product(*map(range, rewards.shape)):
        factor = 1.0
        for k in range(t, min(t + n, rewards.shape[1])):
            returns[b, t] += factor * float(rewards[b, k])
            factor *= float(discounts[b, k])
            last = k
            if bool(ends[b, k]):
                break
        returns[b, t] += factor * float(next_values[b, last])
    return returns


def gae_double_sum(
    rewards: Tensor,
    discounts: Tensor,
    values: Tensor,
    next_values: Tensor,
    ends: Tensor,
    lam: float,
) -> Tensor:
    """(B, T) the deltas from t to its trajectory's end, each times the lam * discounts before."""
    advantages = torch.zeros(rewards.shape, dtype=torch.float64)
    for b, t in itertools.product(*map(range, rewards.shape)):
        factor = 1.0
        for k in range(t, rewards.shape[1]):
            bootstrapped = float(rewards[b, k]) + float(discounts[b, k]) * float(next_values[b, k])
            advantages[b, t] += factor * (bootstrapped - float(values[b, k]))
            if bool(ends[b, k]):
                break
            factor *= lam * float(discounts[b, k])
    return advantages


def gae_mixture(
    rewards: Tensor,
    discounts: Tensor,
    values: Tensor,
    next_values: Tensor,
    ends: Tensor,
    lam: float,
) -> Tensor:
    """(B, T) advantages as the lambda-mixture of n-step returns, minus V.

    (1 - lam) sum over n of lam^(n-1) G^(n), where the last possible n takes all the weight that is
    left (Schulman et al., 2016, eq. 16). Equals ``gae_double_sum`` only where ``next_values`` is
    the next column of ``values``, save after an end.
    """
    steps = rewards.shape[1]
    candidates = [
        n_step_return(rewards, discounts, next_values, ends, n) for n in range(1, steps + 1)
    ]
    advantages = torch.zeros(rewards.shape, dtype=torch.float64)
    for b, t in itertools.product(*map(range, rewards.shape)):
        stop = next((k for k in range(t, steps) if bool(ends[b, k])), steps - 1)
        longest = stop - t + 1
        for n in range(1, longest + 1):
            weight = lam ** (n - 1) * (1.0 if n == longest else 1.0 - lam)
            advantages[b, t] += weight * float(candidates[n - 1][b, t])
        advantages[b, t] -= float(values[b, t])
    return advantages


def log_softmax_row(logits: Tensor) -> Tensor:
    """(A,) log-probabilities of one row of logits (A,), with exactly rounded sums."""
    row = [float(x) for x in logits]
    top = max(row)
    log_sum = math.log(math.fsum(math.exp(x - top) for x in row))
    return torch.tensor([x - top - log_sum for x in row], dtype=torch.float64)


def entropy_of(probabilities: Tensor) -> float:
    """- sum of p log p in nats, of one distribution (A,); 0 log 0 = 0."""
    return -math.fsum(p * math.log(p) for p in map(float, probabilities) if p > 0)


def kl_of(p: Tensor, q: Tensor) -> float:
    """KL(p || q) in nats, of two distributions (A,); infinite where q = 0 < p.

    The samples of this direction come from ``p``.
    """
    terms = []
    for a, b in zip(map(float, p), map(float, q), strict=True):
        if a > 0:
            terms.append(a * math.log(a / b) if b > 0 else math.inf)
    return math.fsum(terms)


def importance_weight_variance(p: Tensor, q: Tensor, steps: int) -> float:
    """Variance of the product of ``steps`` ratios p/q when actions come from ``q`` (A,).

    Enumerates all A^steps sequences.
    """
    mean = square = 0.0
    for actions in itertools.product(range(len(p)), repeat=steps):
        weight = math.prod(float(p[a]) / float(q[a]) for a in actions)
        probability = math.prod(float(q[a]) for a in actions)
        mean += probability * weight
        square += probability * weight**2
    return square - mean**2


def clipped_term(ratio: float, advantage: float, clip_eps: float) -> tuple[float, float]:
    """One step's PPO-clip objective and its derivative by the ratio, region by region."""
    if advantage > 0 and ratio > 1 + clip_eps:
        return (1 + clip_eps) * advantage, 0.0
    if advantage < 0 and ratio < 1 - clip_eps:
        return (1 - clip_eps) * advantage, 0.0
    return ratio * advantage, advantage


def mean_and_variance(x: Tensor) -> tuple[Tensor, Tensor]:
    """(D,) mean and (D,) population variance of the rows of ``x`` (N, D), with exact sums."""
    columns = [[float(value) for value in column] for column in x.T]
    means = [math.fsum(column) / len(column) for column in columns]
    variances = [
        math.fsum((value - mean) ** 2 for value in column) / len(column)
        for column, mean in zip(columns, means, strict=True)
    ]
    return torch.tensor(means, dtype=torch.float64), torch.tensor(variances, dtype=torch.float64)
