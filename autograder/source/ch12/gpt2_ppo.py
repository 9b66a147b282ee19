# Generated from the authors' solutions/gpt2_ppo.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401, F841 (what the holes need is there already)
r"""Chapter 12, the finale: PPO fine-tune of a small GPT-2 on a GPU.

Shapes: B rows, T tokens, P prompt tokens, N new tokens, S slots of a cache, D width, H heads, L blocks, V vocabulary,
K microbatches. The models are ``rlcourse.support.fast_gpt2.FastGPT2``.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlcourse.support.fast_gpt2 import DecodeCache, FastGPT2
from rlcourse.support.generation import Generation
from rlcourse.support.roofline import Device, ModelSize

Microbatch = Mapping[str, Tensor]
"""Tensors of the same rows, among them ``mask`` (B, T)."""


def load_gpt2_weights(model: FastGPT2, state_dict: Mapping[str, Tensor]) -> None:
    r"""Give a fast model the weights of a GPT-2 file in Hugging Face's layout, and GPT-2's settings.

    Three things differ between the file and a fresh ``FastGPT2``. The file keeps the weights of ``c_attn``, ``c_proj``
    and ``c_fc`` as (in, out), for :math:`x W`; ``nn.Linear`` keeps (out, in), for :math:`x W^\top`. GPT-2 uses the
    tanh approximation of GELU (Radford et al., 2019, released code). Its head is the table of its embeddings.

    Names in the file may begin with ``transformer.``; masks that old files hold (``attn.bias``, ``attn.masked_bias``)
    and the head are not needed. Numbers are converted to the model's dtype.

    Args:
        model: changed in place; its parameters are named as in the file, without the prefix. ``tie_head()`` and
            ``use_gelu("tanh")`` change its settings; ``lm_head`` is given up in tying.
        state_dict: by name.

    Raises:
        ValueError: if a weight is missing or has another shape than the model's.
    """
    # Exercise 12.1: your code here (14 lines in our solution).
    raise NotImplementedError("Exercise 12.1: write load_gpt2_weights")


def accumulate_gradients(
    model: nn.Module,
    microbatches: Sequence[Microbatch],
    loss_fn: Callable[[nn.Module, Microbatch], Tensor],
) -> Tensor:
    r"""Gradient of the mean loss over all tokens of a batch that is too large to be held at once.

    Each microbatch has a mean of its own, :math:`L_k`, over its :math:`n_k = \sum_{b,t} m_{bt}` tokens. The mean over
    all tokens weighs them:

    .. math:: L = \sum_k \frac{n_k}{\sum_j n_j} L_k

    Gradients are added to those that the parameters have, as ``backward`` does. The graph of one microbatch is let go
    before the next one is built; that is what saves the memory.

    Args:
        model: whose parameters receive the gradients.
        microbatches: K of them; rows, columns and numbers of tokens may differ.
        loss_fn: takes the model and a microbatch, returns () the mean loss over the tokens where its mask is 1.

    Returns:
        () the mean loss over all tokens, without a graph; 0 if no token counts.
    """
    # Exercise 12.2: your code here (7 lines in our solution).
    raise NotImplementedError("Exercise 12.2: write accumulate_gradients")


def decode_step(model: FastGPT2, token: Tensor, cache: DecodeCache) -> tuple[Tensor, DecodeCache]:
    r"""Read one more token in each row and return the logits of the one after it.

    The cache has a fixed number of slots. The token goes into slot ``cache.used`` of every row. Its *position* is
    another number: how many tokens of its own row came before it, padding not counted. It looks at the slots that hold
    a token, itself among them, and at no other:

    .. math:: \text{seen} = \operatorname{softmax}\Bigl(\frac{q K^\top}{\sqrt{D/H}} + M\Bigr) V,
              \qquad M_s = 0 \text{ if slot } s \text{ counts, else } -\infty

    Nothing is moved to the host (no ``item``, ``int`` or ``if`` on a tensor), so that a CUDA graph can record the step.

    Args:
        model: ``embed``, ``project``, ``finish`` and ``logits`` are its parts; ``layers`` says how many blocks.
        token: (B) int64 the token just drawn in each row.
        cache: changed in place: keys, values, mask, and ``used`` by one.

    Returns:
        (B, V) logits, and the same cache.
    """
    # Exercise 12.3: your code here (13 lines in our solution).
    raise NotImplementedError("Exercise 12.3: write decode_step")


def bucket_by_length(lengths: Tensor, batch_tokens: int) -> list[Tensor]:
    r"""Divide rows of different length into batches with little padding.

    A batch of :math:`n` rows becomes a rectangle of :math:`n \times \max_i \ell_i` tokens. Rows are taken from the
    shortest to the longest, equal ones in their order; a batch takes as many as keep its rectangle within
    ``batch_tokens``, and the next batch begins with the row that did not fit.

    Args:
        lengths: (B) int64, at least 1 each.
        batch_tokens: largest rectangle, in tokens.

    Returns:
        int64 row numbers of each batch; every row is in one batch, and in one only. No batch if there is no row.

    Raises:
        ValueError: if a single row is longer than ``batch_tokens``.
    """
    # Exercise 12.4: your code here (8 lines in our solution).
    raise NotImplementedError("Exercise 12.4: write bucket_by_length")


def throughput(
    tokens: Generation, seconds: float, model: ModelSize, device: Device
) -> dict[str, float]:
    r"""How fast responses were written, and how near that is to the best that the device allows.

    To write token n of a row (n = 0, ..., N-1), a step reads the weights once for all rows, and of each row that
    is not over the P + n tokens in the cache, :math:`2 L D` numbers each. It takes about two operations a weight for
    each token. With :math:`s` bytes a number, :math:`W` weights, and :math:`n^*` steps in which some row wrote:

    .. math::
        \text{bytes} = s \Bigl( n^* W + \sum_{b,n} m_{bn} (P + n)\, 2 L D \Bigr), \qquad
        \text{operations} = 2 W \sum_{b,n} m_{bn}

    The time can be no less than either of the two takes at full speed (Williams et al., 2009). Only what was of use
    counts: a device that is busy with rows that are over makes no progress.

    Args:
        tokens: what was written; ``mask`` (B, N) says which tokens count, ``prompt_length`` is P.
        seconds: that it took, positive.
        model: sizes and dtype.
        device: its two limits.

    Returns:
        ``tokens_per_second``; ``bytes`` and ``flops``, the shares of the two limits that were reached; and
        ``roofline``, the least possible time divided by the time it took.

    Raises:
        ValueError: if ``seconds`` is not positive.
    """
    # Exercise 12.5: your code here (11 lines in our solution).
    raise NotImplementedError("Exercise 12.5: write throughput")


def diagnose(log: Mapping[str, Tensor]) -> tuple[str, ...]:
    r"""Name what is wrong with a PPO run on a language model, from its log alone.

    *Early* is the mean over the first quarter of the steps, *late* that over the last quarter; a quarter is the number
    of steps divided by 4, rounded down, and at least 1.

    ====================== ====================================================================
    ``"kl blow-up"``       late ``kl`` is above 20 nats a response
    ``"entropy collapse"`` late ``entropy`` is below 0.3 times the early one
    ``"dead critic"``      late ``explained_variance`` is below 0.1
    ``"length drift"``     late ``length`` is above twice the early one, or below half of it
    ====================== ====================================================================

    A number that is not finite is no sign of health: where a comparison cannot be made because of NaN, the finding is
    made.

    Args:
        log: (N) a number for each step, under the names ``kl``, ``entropy``, ``explained_variance`` and ``length``.

    Returns:
        the findings in the order of the table; empty if all is well.

    Raises:
        ValueError: if a column is missing, or there is no step.
    """
    # Exercise 12.6: your code here (13 lines in our solution).
    raise NotImplementedError("Exercise 12.6: write diagnose")
