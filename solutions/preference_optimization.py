r"""Epilogue: what came after. Preferences without a reward model, groups instead of a critic, rewards that are checked.

Shapes: B prompts or sequences, K responses to one prompt, T tokens, N pairs. ``chosen`` and ``rejected`` are
log-probabilities of whole responses here: sums over their tokens, not scores.
"""

import re
from decimal import Decimal

import torch
from torch import Tensor
from torch.nn import functional


def group_advantages(rewards: Tensor, kind: str) -> Tensor:
    r"""How much better each response was than the others to the same prompt: a baseline without a critic.

    .. math:: A_{bk} = R_{bk} - \frac{1}{K-1} \sum_{j \ne k} R_{bj} \;(\text{rloo}), \qquad
              A_{bk} = \frac{R_{bk} - \bar R_b}{\sigma_b} \;(\text{grpo}), \qquad
              A_{bk} = R_{bk} - \bar R_b \;(\text{dr_grpo})

    with the mean :math:`\bar R_b` and the deviation :math:`\sigma_b^2 = \frac1K \sum_k (R_{bk} - \bar R_b)^2` of the
    group. Sources: Ahmadian et al. (2024), equation 8; Shao et al. (2024), section 4.1.2; Liu et al. (2025), section 3.

    Args:
        rewards: (B, K) of K responses to each prompt; constants.
        kind: ``"rloo"``, ``"grpo"`` or ``"dr_grpo"``.

    Returns:
        (B, K) without gradient; a group in which all got the same has learned nothing: 0.

    Raises:
        ValueError: if a group has only one response, or there is no such kind.
    """
    ### BEGIN SOLUTION 13.1
    size, rewards = rewards.shape[1], rewards.detach()
    if size < 2:
        raise ValueError(f"a group needs at least 2 responses to compare, got {size}")
    centered = rewards - rewards.mean(dim=1, keepdim=True)
    if kind == "rloo":
        return centered * (size / (size - 1))
    if kind == "dr_grpo":
        return centered
    if kind == "grpo":
        differ = (rewards != rewards[:, :1]).any(dim=1, keepdim=True)
        return torch.where(
            differ, centered / centered.square().mean(dim=1, keepdim=True).sqrt(), 0.0
        )
    raise ValueError(f"there is no kind {kind!r}; use 'rloo', 'grpo' or 'dr_grpo'")
    ### END SOLUTION


def grpo_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip_eps: float,
    aggregation: str,
    max_tokens: int,
) -> Tensor:
    r"""Negated clipped objective of chapter 8 with one advantage for a whole response, averaged in one of three ways.

    With :math:`g_{bt} = \min\bigl(\rho_{bt} A_b, \operatorname{clip}(\rho_{bt}, 1 - \epsilon, 1 + \epsilon) A_b\bigr)`
    and the length :math:`n_b = \sum_t m_{bt}`:

    .. math:: \text{sequence: } -\frac1B \sum_b \frac{1}{n_b} \sum_t m_{bt} g_{bt}, \qquad
              \text{token: } -\frac{\sum_{b,t} m_{bt} g_{bt}}{\sum_b n_b}, \qquad
              \text{constant: } -\frac{1}{B\, T_{\max}} \sum_{b,t} m_{bt} g_{bt}

    Sources: Shao et al. (2024), equation 3, without its KL term; Yu et al. (2025), equation 8; Liu et al. (2025),
    section 3.

    Args:
        log_probs: (B, T) of the tokens of B responses, under the policy being trained.
        old_log_probs: (B, T) of the same tokens, under the policy that wrote them; constants.
        advantages: (B) one for each response; constants.
        mask: (B, T) 1 on the tokens of the response, of any type; elsewhere the others may hold anything, also NaN.
        clip_eps: how far a ratio may move from 1 before it stops paying.
        aggregation: ``"sequence"``, ``"token"`` or ``"constant"``.
        max_tokens: :math:`T_{\max}`, the tokens that a response was allowed; used by ``"constant"`` only.

    Returns:
        () the loss; 0 where no token counts.

    Raises:
        ValueError: if there is no such aggregation.
    """
    ### BEGIN SOLUTION 13.2
    counted = mask > 0
    ratios = torch.where(counted, log_probs - old_log_probs.detach(), 0.0).exp()
    weights = advantages.detach().unsqueeze(1)
    gains = torch.minimum(ratios * weights, ratios.clamp(1 - clip_eps, 1 + clip_eps) * weights)
    totals, lengths = (gains * counted).sum(dim=1), counted.sum(dim=1)
    if aggregation == "sequence":
        return -(totals / lengths.clamp(min=1)).mean()
    if aggregation == "token":
        return -totals.sum() / lengths.sum().clamp(min=1)
    if aggregation == "constant":
        return -totals.mean() / max_tokens
    raise ValueError(f"no aggregation {aggregation!r}; use 'sequence', 'token' or 'constant'")
    ### END SOLUTION


def dpo_loss(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, beta: float
) -> Tensor:
    r"""Learn from comparisons without a reward model (Rafailov et al., 2023, equation 7).

    .. math:: L = -\frac1N \sum_i \log \sigma\Bigl(
              \beta \log \frac{\pi_\theta(y_i^{+})}{\pi_{\text{ref}}(y_i^{+})}
              - \beta \log \frac{\pi_\theta(y_i^{-})}{\pi_{\text{ref}}(y_i^{-})} \Bigr)

    Args:
        chosen: (N) log-probability of each preferred response, whole, under the policy.
        rejected: (N) that of the other response to the same prompt.
        ref_chosen: (N) log-probability of the preferred responses under the reference; constants.
        ref_rejected: (N) that of the others; constants.
        beta: the price of a nat in the problem whose optimum is sought; positive.

    Returns:
        () the mean over the pairs; finite for log-probabilities of any size.

    Raises:
        ValueError: if beta is not positive.
    """
    ### BEGIN SOLUTION 13.3
    if beta <= 0:
        raise ValueError(f"beta must be positive, got {beta}")
    leads = (chosen - ref_chosen.detach()) - (rejected - ref_rejected.detach())
    return -functional.logsigmoid(beta * leads).mean()
    ### END SOLUTION


def verifier_reward(text: str, answer: int) -> float:
    r"""Whether a response states the right result: a reward that nobody had to learn.

    The result is what stands behind the *last* ``=``, blanks around it and one full stop at its end left out. It counts
    if it is one decimal number and nothing else (an optional sign, digits, and optionally a point with digits behind
    it) and equals the answer: in value, not in spelling, and exactly.

    Args:
        text: what the policy wrote; may be anything, also empty.
        answer: the right result, of any size.

    Returns:
        1.0 if the result is there and right, otherwise 0.0; never an error.
    """
    ### BEGIN SOLUTION 13.4
    _, stated, tail = text.rpartition("=")
    result = tail.strip().removesuffix(".").strip()
    if not stated or not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", result):
        return 0.0
    return float(Decimal(result) == answer)
    ### END SOLUTION
