r"""Chapter 9: a language model as a policy, and supervised fine-tuning.

Shapes: B sequences, T tokens (prompt and response together), P prompt tokens, N new tokens, V vocabulary. The logits
after position t belong to the token at t + 1. ``mask`` is 1 where a token counts.
"""

import torch
from torch import Tensor

from rlcourse.support.generation import CausalModel, Generation, draw_tokens


def response_mask(tokens: Tensor, prompt_lengths: Tensor, eos_id: int, pad_id: int) -> Tensor:
    r"""Which tokens the policy chose: those behind the prompt, up to and with the first end token.

    The end token is an action like any other: the policy chose to stop. What stands behind it was filled in by us. An
    end token inside the prompt ends nothing. Padding never counts; where ``pad_id`` equals ``eos_id``, the first one
    behind the prompt is the end, and the others are padding.

    Args:
        tokens: (B, T) int64.
        prompt_lengths: (B) columns that the prompt of each row takes.
        eos_id: the end token.
        pad_id: the padding token; may be the same.

    Returns:
        (B, T) float32, 1 for the tokens of the response.
    """
    ### BEGIN SOLUTION 9.1
    chosen = torch.ones_like(tokens).cumsum(dim=1) > prompt_lengths.unsqueeze(1)
    ends = chosen & (tokens == eos_id)
    ended_before = ends.cumsum(dim=1) > ends.long()
    padding = (tokens == pad_id) & ~ends
    return (chosen & ~ended_before & ~padding).float()
    ### END SOLUTION


def token_log_probs(logits: Tensor, tokens: Tensor) -> Tensor:
    r"""Log-probability of each token given those before it: :math:`\log \pi(a_t \mid s_t)` of the policy.

    .. math:: \log \pi(x_{t+1} \mid x_{\le t}) = \ell_{t, x_{t+1}} - \log \sum_v e^{\ell_{t v}}

    Args:
        logits: (B, T, V) after each position.
        tokens: (B, T) int64.

    Returns:
        (B, T-1) column t belongs to the token at t + 1; the first token has none. Gradients flow into the logits;
        finite for logits of any size.
    """
    ### BEGIN SOLUTION 9.2
    every = torch.log_softmax(logits[:, :-1], dim=-1)
    return every.gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1)
    ### END SOLUTION


def masked_mean(x: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    r"""Mean of the entries that count.

    .. math:: \frac{\sum_i m_i x_i}{\sum_i m_i}, \qquad 0 \text{ if } \textstyle\sum_i m_i = 0

    Args:
        x: (...) values; where the mask is 0 they may be anything, also NaN or infinite.
        mask: (...) as ``x``; 0 or 1, of any type.
        dim: along which to take means; None for one mean of everything.

    Returns:
        (...) without ``dim``, or (); of the type of ``x``. Entries that do not count get a gradient of 0.
    """
    ### BEGIN SOLUTION 9.3
    counted = mask > 0
    kept = torch.where(counted, x, 0.0)
    if dim is None:
        return kept.sum() / counted.sum().clamp(min=1)
    return kept.sum(dim=dim) / counted.sum(dim=dim).clamp(min=1)
    ### END SOLUTION


def generate(
    model: CausalModel,
    prompts: Tensor,
    max_new_tokens: int,
    temperature: float,
    eos_id: int,
    generator: torch.Generator,
) -> Generation:
    r"""Sample a response to each prompt: :math:`x_{t+1} \sim \operatorname{softmax}(\ell_t / \kappa)`, token by token.

    Each token is read once: ``cache = model.new_cache(rows, longest)`` remembers what has been read, and
    ``model(tokens, cache=cache)`` reads only the new tokens, (B, T), and returns their logits, (B, T, V). A row is over
    when it has drawn the end token; what it gets from then on is filled in. The model is in evaluation mode meanwhile,
    and in the mode in which it came afterwards; no gradient is recorded.

    Args:
        model: the policy.
        prompts: (B, P) int64, all of one length; not changed.
        max_new_tokens: N.
        temperature: :math:`\kappa`, positive.
        eos_id: the end token.
        generator: the only source of randomness.

    Returns:
        the prompts with N tokens behind each, whether a row ended early or not; their log-probabilities under the
        distribution they were drawn from, temperature and all; and a mask of those that were drawn, the end token
        among them. Behind the end: the end token, log-probability 0, mask 0.

    Raises:
        ValueError: if the temperature is not positive, or ``max_new_tokens`` below 1.
    """
    ### BEGIN SOLUTION 9.4
    if temperature <= 0 or max_new_tokens < 1:
        raise ValueError(f"{temperature=} must be positive and {max_new_tokens=} at least 1")
    tokens, log_probs, mask = [prompts], list[Tensor](), list[Tensor]()
    going, longest = torch.ones_like(prompts[:, :1]).bool(), prompts.shape[1] + max_new_tokens
    mode, cache = model.training, model.eval().new_cache(len(prompts), longest)
    with torch.no_grad():
        for _ in range(max_new_tokens):
            every = torch.log_softmax(model(tokens[-1], cache=cache)[:, -1] / temperature, dim=1)
            drawn = draw_tokens(every.exp(), generator)
            tokens.append(torch.where(going, drawn, eos_id))
            log_probs.append(torch.where(going, every.gather(1, drawn), 0.0))
            mask.append(going)
            going = tokens[-1] != eos_id
    model.train(mode)
    written, counted = torch.cat(log_probs, dim=1), torch.cat(mask, dim=1)
    return Generation(torch.cat(tokens, dim=1), written, counted.to(written.dtype))
    ### END SOLUTION


def sft_loss(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    r"""Supervised fine-tuning: make the demonstrated responses likely (Ouyang et al., 2022, section 3.1).

    .. math:: L = -\frac{\sum_{b,t} m_{bt} \log \pi(x_{bt} \mid x_{b,\lt t})}{\sum_{b,t} m_{bt}}, \qquad t \ge 1

    Args:
        logits: (B, T, V) after each position.
        tokens: (B, T) int64, prompts and demonstrated responses.
        mask: (B, T) 1 on the tokens of the responses, as ``response_mask`` returns it.

    Returns:
        () the mean over all response tokens of the batch, in nats; each token has the same weight. 0 if there is none.
    """
    ### BEGIN SOLUTION 9.5
    return -masked_mean(token_log_probs(logits, tokens), mask[:, 1:])
    ### END SOLUTION


def kl_estimate(log_probs: Tensor, ref_log_probs: Tensor, kind: str) -> Tensor:
    r"""Estimate :math:`\mathrm{KL}(\pi \| \pi_\text{ref})` from each sample (Schulman, 2020).

    With :math:`r = \pi_\text{ref} / \pi` at a sample drawn from :math:`\pi`:

    .. math:: k_1 = -\log r, \qquad k_2 = \tfrac12 (\log r)^2, \qquad k_3 = (r - 1) - \log r

    k1 and k3 are right on average, k2 nearly so where the policies are near; k2 and k3 are never negative.

    Args:
        log_probs: (...) log-probability of each sample under the policy that it was drawn from.
        ref_log_probs: (...) that of the same sample under the reference.
        kind: ``"k1"``, ``"k2"`` or ``"k3"``.

    Returns:
        (...) one estimate a sample, in nats; differentiable.

    Raises:
        ValueError: if there is no such kind.
    """
    ### BEGIN SOLUTION 9.6
    log_ratio = ref_log_probs - log_probs
    if kind == "k1":
        return -log_ratio
    if kind == "k2":
        return log_ratio.square() / 2
    if kind == "k3":
        return torch.expm1(log_ratio) - log_ratio
    raise ValueError(f"there is no kind {kind!r}; use 'k1', 'k2' or 'k3'")
    ### END SOLUTION


def kl_penalty_loss(log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor) -> Tensor:
    r"""A loss whose gradient is, on average over responses drawn from the policy, that of the KL from the reference.

    .. math:: \mathbb{E}_{y \sim \pi_\theta}\bigl[\nabla_\theta L(y)\bigr]
              = \nabla_\theta \mathrm{KL}(\pi_\theta \| \pi_\text{ref}),
              \qquad \mathrm{KL} = \mathbb{E}_{y \sim \pi_\theta}\bigl[\log \pi_\theta(y) - \log \pi_\text{ref}(y)\bigr]

    The KL is that of whole responses: the log-probability of a response is the sum over its tokens. Automatic
    differentiation sees the tokens as given; the loss has to make up for the fact that :math:`\theta` also decides
    which of them are drawn.

    Args:
        log_probs: (B, T) of each token of responses drawn from the policy.
        ref_log_probs: (B, T) of the same tokens under the reference, a constant.
        mask: (B, T) 1 on the tokens that count.

    Returns:
        () the mean over the B responses of each one's loss. Only its gradient matters.
    """
    ### BEGIN SOLUTION 9.7
    log_ratios = torch.where(mask > 0, log_probs - ref_log_probs.detach(), 0.0).sum(dim=1)
    return log_ratios.square().mean() / 2
    ### END SOLUTION
