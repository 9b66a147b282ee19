"""GPT-2 (Radford et al., 2019) in plain PyTorch, with the parameter names of Hugging Face.

Shapes: B sequences, T new tokens, P tokens in all (those in a cache and the new ones), D width, H heads, V vocabulary.
Weights on disk: ``rlcourse.support.gpt2_weights``. The page of chapter 9 reads through a model of this class.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlcourse.support.packing import Packing, packing_of


@dataclass(frozen=True, slots=True)
class GPT2Config:
    """Size of a model; the names are those of Hugging Face's ``config.json``, the defaults those of ``gpt2``.

    Raises:
        ValueError: if a size is not positive, or the heads do not divide the width.
    """

    vocab_size: int = 50257
    """V."""
    n_positions: int = 1024
    """The longest sequence, in tokens."""
    n_embd: int = 768
    """D, the numbers in a hidden state."""
    n_layer: int = 12
    """Blocks of attention and a small network."""
    n_head: int = 12
    """Attention heads in each block."""
    layer_norm_epsilon: float = 1e-5
    """Added to the variance when a hidden state is normalized."""
    dropout: float = 0.0
    """Share of numbers set to 0 in training, in three places of each block and on the embeddings."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.n_embd % self.n_head:
            raise ValueError(f"{self.n_head} heads do not divide a width of {self.n_embd}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")


class KVCache:
    """Keys and values of the tokens already read, so that no token is read twice.

    Made by ``GPT2.new_cache``; every call of the model with it appends.
    """

    def __init__(self, config: GPT2Config, batch: int, longest: int, like: Tensor) -> None:
        shape = (config.n_layer, batch, config.n_head, longest, config.n_embd // config.n_head)
        self._keys, self._values = like.new_zeros(shape), like.new_zeros(shape)
        self._mask = torch.zeros(batch, longest, dtype=torch.bool, device=like.device)
        self._length = 0

    @property
    def length(self) -> int:
        """How many columns have been read."""
        return self._length

    def append(self, block: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep the keys and values (B, H, T, D/H) of new tokens; return those of all, (B, H, P, D/H)."""
        stop = self._length + keys.shape[2]
        self._keys[block, :, :, self._length : stop] = keys
        self._values[block, :, :, self._length : stop] = values
        return self._keys[block, :, :, :stop], self._values[block, :, :, :stop]

    def extend_mask(self, mask: Tensor) -> Tensor:
        """Keep the mask (B, T) of new tokens; return that of all, (B, P).

        Raises:
            ValueError: if there is no room left.
        """
        stop, room = self._length + mask.shape[1], self._mask.shape[1]
        if mask.shape[0] != self._mask.shape[0] or stop > room:
            raise ValueError(
                f"the cache holds {self._mask.shape[0]} rows of {room} tokens, {self._length} are taken; "
                f"{tuple(mask.shape)} do not fit"
            )
        self._mask[:, self._length : stop] = mask
        return self._mask[:, :stop]

    def advance(self, steps: int) -> None:
        """Note that all blocks have kept the last ``steps`` tokens."""
        self._length += steps


class Conv1D(nn.Module):
    """A linear layer; its weight (in, out) lies the other way round than that of ``nn.Linear``, as in GPT-2's files."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        flat = torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight)
        return flat.reshape(*x.shape[:-1], -1)


class Attention(nn.Module):
    """Each token looks at itself and at those before it, with several heads."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.n_head, self.dropout = config.n_head, config.dropout
        self.c_attn = Conv1D(config.n_embd, 3 * config.n_embd)
        self.c_proj = Conv1D(config.n_embd, config.n_embd)

    def forward(
        self,
        x: Tensor,
        visible: Tensor | None,
        cache: KVCache | None,
        packing: Packing | None,
        block: int,
    ) -> Tensor:
        parts = self.c_attn(x) if packing is None else packing.spread(self.c_attn(x))
        batch, steps, _ = parts.shape
        parts = parts.reshape(batch, steps, 3, self.n_head, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        if cache is not None:
            key, value = cache.append(block, key, value)
        seen = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=visible,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=visible is None and steps > 1,
        )
        seen = seen.transpose(1, 2).flatten(2)
        projected: Tensor = self.c_proj(seen if packing is None else packing.pack(seen))
        return projected


class MLP(nn.Module):
    """A network for each position, four times as wide inside."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = Conv1D(config.n_embd, 4 * config.n_embd)
        self.c_proj = Conv1D(4 * config.n_embd, config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        narrowed: Tensor = self.c_proj(functional.gelu(self.c_fc(x), approximate="tanh"))
        return narrowed


class Block(nn.Module):
    """Attention, then the network; both add to what comes in."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = MLP(config)
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        visible: Tensor | None,
        cache: KVCache | None,
        packing: Packing | None,
        block: int,
    ) -> Tensor:
        x = x + self.drop(self.attn(self.ln_1(x), visible, cache, packing, block))
        changed: Tensor = self.drop(self.mlp(self.ln_2(x)))
        return x + changed


class GPT2Body(nn.Module):
    """Everything but the head: tokens to hidden states."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor,
        visible: Tensor | None,
        cache: KVCache | None = None,
        packing: Packing | None = None,
    ) -> Tensor:
        if packing is not None:
            tokens, positions = packing.pack(tokens), packing.pack(positions)
        x = self.drop(self.wte(tokens) + self.wpe(positions))
        for number, block in enumerate(self.h):
            x = block(x, visible, cache, packing, number)
        hidden: Tensor = self.ln_f(x)
        return hidden if packing is None else packing.spread(hidden)


class GPT2(nn.Module):
    """A causal language model whose head is the table of its embeddings.

    Args:
        config: its size.
        generator: decides the weights; advanced. Without one, weights are left to be loaded.
    """

    def __init__(self, config: GPT2Config, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):  # torch's own initialization, overwritten below
            self.transformer = GPT2Body(config)
        _initialize(self, generator or torch.Generator().manual_seed(0))

    def hidden(
        self, tokens: Tensor, mask: Tensor | None = None, cache: KVCache | None = None
    ) -> Tensor:
        """Hidden states behind the last block. Without a cache, much padding costs attention only.

        Args:
            tokens: (B, T) int64, the new ones where there is a cache.
            mask: (B, T) 1 where a token counts, 0 on padding at either side; all count if None.
            cache: of the tokens before; the new ones are appended.

        Returns:
            (B, T, D); at padding they mean nothing.

        Raises:
            ValueError: if a row is longer than the model's positions, or the cache is full.
        """
        whole = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask > 0
        packing = packing_of(whole) if cache is None else None
        if cache is not None:
            whole = cache.extend_mask(whole)
        if whole.shape[1] > self.config.n_positions:
            raise ValueError(f"{whole.shape[1]} tokens; this model reads {self.config.n_positions}")
        steps = tokens.shape[1]
        positions = (whole.long().cumsum(dim=1) - 1).clamp(min=0)[:, -steps:]
        visible = _visible(whole, steps)
        found: Tensor = self.transformer(tokens, positions, visible, cache, packing)
        if cache is not None:
            cache.advance(steps)
        return found

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., V) logits of the next token at hidden states (..., D)."""
        return functional.linear(hidden, self.transformer.wte.weight)

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, cache: KVCache | None = None
    ) -> Tensor:
        """(B, T, V) logits after each of ``tokens`` (B, T); arguments as those of ``hidden``."""
        return self.logits(self.hidden(tokens, mask, cache))

    def new_cache(self, batch: int, longest: int) -> KVCache:
        """An empty cache for ``batch`` rows of at most ``longest`` tokens."""
        return KVCache(self.config, batch, longest, self.transformer.wte.weight)


def _visible(mask: Tensor, steps: int) -> Tensor | None:
    """(B, 1, T, P) who looks at whom; None where plain causal attention says it all.

    Nobody looks at padding behind. Padding in front looks at itself, lest a softmax over nothing gives NaN.
    """
    total = mask.shape[1]
    behind = steps == total and bool((mask[:, 1:] <= mask[:, :-1]).all())
    if behind or (steps == 1 and bool(mask.all())):
        return None
    rows = torch.arange(total - steps, total, device=mask.device)[:, None]
    columns = torch.arange(total, device=mask.device)
    return ((columns <= rows) & mask[:, None, :] | (columns == rows))[:, None]


@torch.no_grad()
def _initialize(model: GPT2, generator: torch.Generator) -> None:
    """Weights as in GPT-2: deviation 0.02, smaller where a block adds to the stream; biases 0."""
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            shrink = math.sqrt(2 * model.config.n_layer) if "c_proj" in name else 1.0
            nn.init.normal_(parameter, std=0.02 / shrink, generator=generator)
