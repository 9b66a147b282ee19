"""Responses from a ``FastGPT2``: a cache of fixed size, no word to the host, and on a GPU one recorded step."""

from collections.abc import Callable

import torch
from torch import Tensor

from rlcourse.gpt2_ppo import decode_step
from rlcourse.support.fast_gpt2 import DecodeCache, FastGPT2
from rlcourse.support.generation import Generation

Step = Callable[[Tensor], Tensor]
"""Takes the tokens just drawn (B,), returns the logits of the next ones (B, V)."""


def draw(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """(B,) a token for each row, where its cumulated probability passes a uniform number.

    Args:
        log_probs: (B, V).
        uniform: (B,) in [0, 1).
    """
    cumulated = log_probs.float().exp().cumsum(dim=1)
    aim = uniform.unsqueeze(1) * cumulated[:, -1:]
    return (
        torch.searchsorted(cumulated, aim, right=True).squeeze(1).clamp(max=log_probs.shape[1] - 1)
    )


@torch.no_grad()
def write_fast(
    model: FastGPT2, prompts: Tensor, uniforms: Tensor, eos_id: int, temperature: float = 1.0
) -> Generation:
    """What ``generate`` of chapter 9 does, with uniform numbers drawn beforehand.

    Args:
        model: the policy.
        prompts: (B, P) int64, all of one length.
        uniforms: (B, N) in [0, 1); they decide the tokens.
        eos_id: the end token.
        temperature: divides the logits.
    """
    rows, new = uniforms.shape
    logits, cache = model.prefill(prompts, torch.ones_like(prompts), prompts.shape[1] + new)
    step = step_of(model, cache, rows)
    going = torch.ones(rows, dtype=torch.bool, device=prompts.device)
    tokens = torch.full((rows, new), eos_id, device=prompts.device)
    log_probs, mask = torch.zeros_like(uniforms), torch.zeros_like(uniforms)
    for n in range(new):
        every = (logits.float() / temperature).log_softmax(dim=1)
        drawn = torch.where(going, draw(every, uniforms[:, n]), eos_id)
        tokens[:, n], mask[:, n] = drawn, going
        log_probs[:, n] = every.gather(1, drawn.unsqueeze(1)).squeeze(1) * going
        going = going & (drawn != eos_id)
        if n + 1 == new or (not prompts.is_cuda and not bool(going.any())):
            break  # asking a GPU whether all are over would make the host wait
        logits = step(drawn)
    return Generation(torch.cat([prompts, tokens], dim=1), log_probs, mask)


def step_of(model: FastGPT2, cache: DecodeCache, rows: int) -> Step:
    """``decode_step`` on this cache; on a GPU it is recorded once and replayed."""
    if cache.keys.is_cuda:
        return _recorded(model, cache, rows)
    return lambda tokens: decode_step(model, tokens, cache)[0]


def _recorded(model: FastGPT2, cache: DecodeCache, rows: int) -> Step:
    """One launch for the whole step instead of some hundred small ones."""
    token = torch.zeros(rows, dtype=torch.int64, device=cache.keys.device)
    kept = cache.used.clone(), cache.mask.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        decode_step(model, token, cache)  # lets libraries choose their kernels before the recording
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits, _ = decode_step(model, token, cache)
    cache.used.copy_(kept[0])
    cache.mask.copy_(kept[1])

    def replay(tokens: Tensor) -> Tensor:
        token.copy_(tokens)
        graph.replay()
        return logits

    return replay
