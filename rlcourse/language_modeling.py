# Generated from the authors' solutions/language_modeling.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401, F841 (what the holes need is there already)
r"""Chapter 1: why language models need reinforcement learning.

Shapes: B sequences or pairs, T tokens, K negatives, V words in the vocabulary, D numbers in an embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, normalize

IGNORE = -100
"""The label of a position that no loss should look at."""


def skip_gram_loss(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    r"""Skip-gram with negative sampling (Mikolov et al., 2013b, eq. 4), negated.

    With :math:`u` the vector of a word, :math:`v_+` that of a word found near it and :math:`v_1, \dots, v_K` those of
    words drawn at random:

    .. math:: L = -\frac1B \sum_b \Bigl[ \log\sigma(u_b \cdot v_{b+})
              + \sum_{k=1}^K \log\sigma(-u_b \cdot v_{bk}) \Bigr]

    Args:
        center: (B, D) vectors of the words in the middle.
        context: (B, D) vectors of a neighbour of each.
        negatives: (B, K, D) vectors of random words for each.

    Returns:
        () the mean over the batch; the K negatives are summed. Finite for vectors of any size.
    """
    # Exercise 1.1: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 1.1: write skip_gram_loss")


def analogy(embeddings: Tensor, a: int, b: int, c: int) -> int:
    r"""Solve "a is to b as c is to ?" with word vectors (Mikolov et al., 2013a, section 4).

    .. math:: \operatorname*{arg\,max}_{w \notin \{a, b, c\}} \cos(E_w,\; E_b - E_a + E_c)

    Args:
        embeddings: (V, D) one vector a word; a vector of zeros is similar to nothing, its cosine is 0.
        a: index of the first word.
        b: index of what belongs to it.
        c: index of the word that looks for its partner.

    Returns:
        the index of the best word; never ``a``, ``b`` or ``c``.
    """
    # Exercise 1.2: your code here (4 lines in our solution).
    raise NotImplementedError("Exercise 1.2: write analogy")


def mask_tokens(
    tokens: Tensor,
    special_mask: Tensor,
    mask_id: int,
    vocab_size: int,
    rate: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    r"""Hide tokens for masked language modelling (Devlin et al., 2019, section 3.1).

    Each token that is not special is chosen with probability ``rate``, independently. A chosen token is replaced by
    ``mask_id`` in 80 % of the cases, by a random token in 10 %, and left as it is in 10 %.

    Args:
        tokens: (B, T) int64; not changed.
        special_mask: (B, T) bool, True where a token may never be chosen: padding, start, end.
        mask_id: the token that hides another.
        vocab_size: V; random tokens are drawn evenly from 0 to V - 1.
        rate: share of the tokens to choose, from 0 to 1.
        generator: the only source of randomness.

    Returns:
        (B, T) what the model sees, and (B, T) labels: the token where one was chosen, also where it was left as it is,
        and ``IGNORE`` everywhere else.
    """
    # Exercise 1.3: your code here (5 lines in our solution).
    raise NotImplementedError("Exercise 1.3: write mask_tokens")


def corrupt_spans(
    tokens: Tensor, spans: Sequence[tuple[int, int]], sentinels: Sequence[int]
) -> tuple[Tensor, Tensor]:
    r"""Cut spans out of a text and ask for them (T5: Raffel et al., 2020, section 3.1.4 and figure 2).

    The source is the text with each span replaced by a sentinel of its own. The target lists the spans, each behind
    its sentinel, and ends with one sentinel more. With sentinels X, Y, Z:

    .. math:: \text{Thank you \underline{for inviting} me to your party \underline{last} week} \;\longrightarrow\;
              \begin{aligned} \text{source}&: \text{Thank you X me to your party Y week} \\
              \text{target}&: \text{X for inviting Y last Z} \end{aligned}

    Args:
        tokens: (T) int64, one text.
        spans: (start, end) of each span, end not included; in order, not empty, not overlapping.
        sentinels: tokens that occur in no text, to be used in this order.

    Returns:
        source and target, int64 with one dimension each.

    Raises:
        ValueError: if a span is empty, out of order, overlaps another or leaves the text, or if there are not more
            sentinels than spans.
    """
    # Exercise 1.4: your code here (11 lines in our solution).
    raise NotImplementedError("Exercise 1.4: write corrupt_spans")


def causal_lm_loss(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    r"""How badly each token is predicted from those before it (GPT: Radford et al., 2018, eq. 1), per token.

    .. math:: L = -\frac{\sum_{b,t} m_{bt} \log p(x_{bt} \mid x_{b,\lt t})}{\sum_{b,t} m_{bt}}, \qquad t \ge 1

    The logits at position t have read the tokens up to and with position t, so they predict the token at t + 1.
    Nothing predicts the first token; it does not count.

    Args:
        logits: (B, T, V) after each position.
        tokens: (B, T) int64.
        mask: (B, T) 1 where the token counts as something to predict, 0 on padding.

    Returns:
        () the mean over the tokens that count, in nats; 0 if none does. Finite for logits of any size.
    """
    # Exercise 1.5: your code here (4 lines in our solution).
    raise NotImplementedError("Exercise 1.5: write causal_lm_loss")


def sample_tokens(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    r"""Draw one token for each row from :math:`\operatorname{softmax}(\ell / \kappa)` over the k largest logits.

    Temperature :math:`\kappa = 1` samples the model as it is; the smaller it is, the more often the likeliest token is
    drawn, and :math:`\kappa = 0` always takes it. Top-k sampling: Fan et al. (2018), section 5.4.

    Args:
        logits: (B, V) unnormalized log-probabilities.
        temperature: what logits are divided by; 0 means the largest logit, without drawing.
        top_k: how many tokens stay in the draw, at most V; None for all.
        generator: the only source of randomness.

    Returns:
        (B) int64, the tokens drawn. Works for logits of any size and any temperature from 0 on.

    Raises:
        ValueError: if the temperature is negative or ``top_k`` below 1.
    """
    # Exercise 1.6: your code here (8 lines in our solution).
    raise NotImplementedError("Exercise 1.6: write sample_tokens")
