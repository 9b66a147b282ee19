"""One small transformer for three kinds of language model: what differs is who may look at whom.

Pre-norm blocks as in GPT-2 (Radford et al., 2019), learned positions, the output tied to the input vectors.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from rlcourse.recipes.words import PAD


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Size of a transformer.

    Raises:
        ValueError: if the heads do not divide the width.
    """

    vocab_size: int
    """V, words that it knows."""
    size: int = 64
    """D, the numbers in a hidden state."""
    heads: int = 4
    """Attention heads in each block."""
    blocks: int = 2
    """Attention and a small network after it, so many times."""
    longest: int = 40
    """The longest sequence, in tokens."""

    def __post_init__(self) -> None:
        if self.size % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.size}")


def both_sides(tokens: Tensor) -> Tensor:
    """(B, T, T) BERT: every position looks at every token that is not padding."""
    return (tokens != PAD).unsqueeze(1).expand(-1, tokens.shape[1], -1)


def left_only(tokens: Tensor) -> Tensor:
    """(B, T, T) GPT: a position looks at itself and at what stands before it."""
    steps = tokens.shape[1]
    return torch.ones(steps, steps, dtype=torch.bool).tril().expand(len(tokens), -1, -1)


def source_then_left(tokens: Tensor, source_lengths: Tensor) -> Tensor:
    """(B, T, T) T5 as one stack, a prefix language model: the source on both sides, the target to the left."""
    inside = torch.arange(tokens.shape[1]) < source_lengths.unsqueeze(1)
    return left_only(tokens) | inside.unsqueeze(1)


class Block(nn.Module):
    """Attention, then a network for each position; both add to what comes in."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attend, self.project = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.widen, self.narrow = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        batch, steps, size = x.shape
        parts = self.attend(self.norm_1(x)).reshape(batch, steps, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(query, key, value, attn_mask=visible.unsqueeze(1))
        x = x + self.project(seen.transpose(1, 2).reshape(batch, steps, size))
        changed: Tensor = self.narrow(nn.functional.gelu(self.widen(self.norm_2(x))))
        return x + changed


class TinyTransformer(nn.Module):
    """Hidden states of a sequence, and logits of the vocabulary from them.

    Args:
        config: its size.
        generator: decides the weights; advanced.
        embeddings: (V, D) word vectors to start from, such as those of skip-gram; random ones if None.
    """

    def __init__(
        self,
        config: TransformerConfig,
        generator: torch.Generator,
        embeddings: Tensor | None = None,
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # torch's own initialization, overwritten below
            self.words = nn.Embedding(config.vocab_size, config.size)
            self.positions = nn.Embedding(config.longest, config.size)
            self.blocks = nn.ModuleList(
                Block(config.size, config.heads) for _ in range(config.blocks)
            )
            self.norm = nn.LayerNorm(config.size)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02, generator=generator)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        if embeddings is not None:
            with torch.no_grad():
                lengths = embeddings.norm(dim=1).mean() / config.size**0.5
                self.words.weight.copy_(0.1 * embeddings / lengths)

    def forward(self, tokens: Tensor, visible: Tensor) -> Tensor:
        """(B, T, D) hidden states of ``tokens`` (B, T), where ``visible`` (B, T, T) says who looks at whom."""
        x = self.words(tokens) + self.positions.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, visible)
        hidden: Tensor = self.norm(x)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., V) logits of the vocabulary at hidden states (..., D)."""
        return hidden @ self.words.weight.T
