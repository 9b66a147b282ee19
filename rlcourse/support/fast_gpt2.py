"""GPT-2 laid out for speed: ``nn.Linear`` layers, a cache of fixed size, and a step of one token.

It computes what ``rlcourse.support.gpt2`` computes, which is the plain version to compare with. Two things that
implementations differ in are settings here: which GELU, and whether the head is the table of the embeddings. A fresh
model has PyTorch's defaults, not GPT-2's; ``load_gpt2_weights`` of chapter 12 sets them.

Shapes: B rows, T tokens, S slots of a cache, D width, H heads, L blocks, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlcourse.support.gpt2 import GPT2Config

GELUS = ("none", "tanh")
"""``none``: the exact function; ``tanh``: the approximation of Hendrycks and Gimpel (2016)."""


@dataclass(frozen=True, slots=True)
class DecodeCache:
    """Keys and values of what has been read, in tensors that never move or grow, so that a CUDA graph may use them.

    Slots are filled from the first on. A slot that nothing was written to holds zeros, and zeros are keys like any
    other: only the mask says which slots count.
    """

    keys: Tensor
    """(L, B, H, S, D/H)."""
    values: Tensor
    """(L, B, H, S, D/H)."""
    mask: Tensor
    """(B, S) bool, True where a slot holds a token; False on padding and where nothing was written yet."""
    used: Tensor
    """(1,) int64, how many slots are taken, padding among them: the next token goes there."""


class Projections(nn.Module):
    """Linear layers by name, each with (in, out)."""

    def __init__(self, **sizes: tuple[int, int]) -> None:
        super().__init__()
        for name, size in sizes.items():
            self.add_module(name, nn.Linear(*size))

    def layer(self, name: str) -> nn.Module:
        """The layer of that name."""
        return self.get_submodule(name)


class FastBlock(nn.Module):
    """Attention and a small network, cut where a cache has to get in between."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        width = config.n_embd
        self.ln_1 = nn.LayerNorm(width, eps=config.layer_norm_epsilon)
        self.attn = Projections(c_attn=(width, 3 * width), c_proj=(width, width))
        self.ln_2 = nn.LayerNorm(width, eps=config.layer_norm_epsilon)
        self.mlp = Projections(c_fc=(width, 4 * width), c_proj=(4 * width, width))

    def project(self, hidden: Tensor) -> Tensor:
        """(..., 3 D) queries, keys and values."""
        found: Tensor = self.attn.layer("c_attn")(self.ln_1(hidden))
        return found

    def finish(self, hidden: Tensor, seen: Tensor, gelu: str) -> Tensor:
        """(..., D) behind the block, where attention brought back ``seen`` (..., D)."""
        hidden = hidden + self.attn.layer("c_proj")(seen)
        inner = self.mlp.layer("c_fc")(self.ln_2(hidden))
        added: Tensor = self.mlp.layer("c_proj")(functional.gelu(inner, approximate=gelu))
        return hidden + added


class FastGPT2(nn.Module):
    """A causal language model; parameters have Hugging Face's names without the prefix ``transformer.``.

    Args:
        config: its size; there is no dropout.
        generator: decides the weights; advanced. Without one, weights are left to be loaded.
    """

    def __init__(self, config: GPT2Config, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config, self.gelu, self.tied = config, "none", False
        with torch.random.fork_rng(devices=[]):  # torch's own initialization, overwritten below
            self.wte = nn.Embedding(config.vocab_size, config.n_embd)
            self.wpe = nn.Embedding(config.n_positions, config.n_embd)
            self.h = nn.ModuleList(FastBlock(config) for _ in range(config.n_layer))
            self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.lm_head = nn.Parameter(torch.empty(config.vocab_size, config.n_embd))
        drawn = generator or torch.Generator().manual_seed(0)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02, generator=drawn)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    # Settings

    def use_gelu(self, kind: str) -> None:
        """Choose the GELU: ``"none"`` for the exact one, ``"tanh"`` for the approximation.

        Raises:
            ValueError: if there is no such kind.
        """
        if kind not in GELUS:
            raise ValueError(f"no GELU {kind!r}; there are {', '.join(GELUS)}")
        self.gelu = kind

    def tie_head(self) -> None:
        """From now on the head *is* the table of the embeddings; the table of its own is given up."""
        self.tied = True
        self.lm_head.data = self.lm_head.data[:0].clone()
        self.lm_head.requires_grad_(False)

    # Parts, for a step of one token

    @property
    def layers(self) -> int:
        """L, the number of blocks."""
        return self.config.n_layer

    def embed(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """(..., D) what tokens (...) at positions (...) look like to the first block."""
        embedded: Tensor = self.wte(tokens) + self.wpe(positions)
        return embedded

    def project(self, layer: int, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of each head, all (..., H, D/H), for hidden states (..., D) before a block."""
        parts = self.block(layer).project(hidden)
        query, key, value = parts.unflatten(-1, (3, self.config.n_head, -1)).unbind(-3)
        return query, key, value

    def finish(self, layer: int, hidden: Tensor, seen: Tensor) -> Tensor:
        """(..., D) hidden states behind a block.

        Args:
            layer: which block.
            hidden: (..., D) hidden states before it.
            seen: (..., H, D/H) what each head brought back from attention.
        """
        return self.block(layer).finish(hidden, seen.flatten(-2), self.gelu)

    def block(self, layer: int) -> FastBlock:
        """One of the blocks."""
        found = self.h[layer]
        assert isinstance(found, FastBlock)
        return found

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., V) logits of the next token at hidden states (..., D) behind the last block."""
        table = self.wte.weight if self.tied else self.lm_head
        return functional.linear(self.ln_f(hidden), table)

    # The whole text at once

    def body(
        self, tokens: Tensor, mask: Tensor | None = None, cache: DecodeCache | None = None
    ) -> Tensor:
        """(B, T, D) hidden states behind the last block, before the final norm.

        Args:
            tokens: (B, T) int64.
            mask: (B, T) 1 where a token counts; None where padding, if any, stands behind, where nobody looks.
            cache: an empty one to fill, if any.

        Raises:
            ValueError: if a row is longer than the model's positions.
        """
        rows, steps = tokens.shape
        if steps > self.config.n_positions:
            raise ValueError(f"{steps} tokens; this model reads {self.config.n_positions}")
        visible = None if mask is None else _visible(mask > 0)
        positions = torch.arange(steps, device=tokens.device).expand(rows, -1)
        if mask is not None:
            positions = ((mask > 0).long().cumsum(dim=1) - 1).clamp(min=0)
        hidden = self.embed(tokens, positions)
        for layer in range(self.layers):
            query, key, value = (part.transpose(1, 2) for part in self.project(layer, hidden))
            if cache is not None:
                cache.keys[layer, :, :, :steps] = key
                cache.values[layer, :, :, :steps] = value
            seen = functional.scaled_dot_product_attention(
                query, key, value, attn_mask=visible, is_causal=visible is None
            )
            hidden = self.finish(layer, hidden, seen.transpose(1, 2))
        return hidden

    def hidden(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) hidden states behind the final norm; arguments as those of ``body``."""
        normed: Tensor = self.ln_f(self.body(tokens, mask))
        return normed

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, V) logits after each of ``tokens`` (B, T); arguments as those of ``body``."""
        return self.logits(self.body(tokens, mask))

    def prefill(self, tokens: Tensor, mask: Tensor, slots: int) -> tuple[Tensor, DecodeCache]:
        """Read the prompts into a new cache.

        Args:
            tokens: (B, P) int64, padded in front.
            mask: (B, P) 1 on prompts, 0 on padding.
            slots: S, room for prompts and responses together.

        Returns:
            (B, V) logits of the first new token, and the cache with P slots taken.

        Raises:
            ValueError: if there is too little room.
        """
        rows, steps = tokens.shape
        if not steps <= slots <= self.config.n_positions:
            raise ValueError(f"{steps} tokens, {slots} slots, {self.config.n_positions} positions")
        cache = self.new_cache(rows, slots)
        return self.read_prompts(tokens, mask, cache), cache

    def read_prompts(self, tokens: Tensor, mask: Tensor | None, cache: DecodeCache) -> Tensor:
        """(B, V) logits of the first new token; the cache forgets what it held and holds the prompts.

        Args:
            tokens: (B, P) int64, padded in front.
            mask: (B, P) 1 on prompts, 0 on padding; None where there is none.
            cache: of B rows and at least P slots; changed in place.
        """
        steps = tokens.shape[1]
        cache.mask.zero_()
        cache.mask[:, :steps] = True if mask is None else mask > 0
        cache.used.fill_(steps)
        return self.logits(self.body(tokens, mask, cache)[:, -1])

    def new_cache(self, rows: int, slots: int) -> DecodeCache:
        """An empty cache on the model's device and in its type."""
        like, heads = self.wte.weight.detach(), self.config.n_head
        shape = (self.layers, rows, heads, slots, self.config.n_embd // heads)
        return DecodeCache(
            like.new_zeros(shape),
            like.new_zeros(shape),
            torch.zeros(rows, slots, dtype=torch.bool, device=like.device),
            torch.zeros(1, dtype=torch.int64, device=like.device),
        )


def _visible(mask: Tensor) -> Tensor:
    """(B, 1, T, T) who looks at whom; padding looks at itself, lest a softmax over nothing gives NaN."""
    steps = torch.arange(mask.shape[1], device=mask.device)
    return ((steps <= steps[:, None]) & mask[:, None] | (steps == steps[:, None]))[:, None]
