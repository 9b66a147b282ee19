"""A Llama-style language model (Touvron et al., 2023) that writes many texts behind one shared beginning.

Just what ``autograder.data.review_teacher`` needs, on a CPU: the beginning is read once and its keys and values are
kept once for all rows, and rows that have ended leave the batch. Shapes: B rows, T tokens, P tokens of the beginning,
D width, G groups of keys and values, H heads in each group, E numbers in a head.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from rlcourse.support.generation import draw_tokens


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """Sizes; the defaults are those of SmolLM2-135M."""

    layers: int = 30
    """Blocks."""
    heads: int = 9
    """Query heads in all."""
    groups: int = 3
    """G: heads of keys and values, each read by several query heads."""
    theta: float = 100_000.0
    """Base of the rotary positions' wavelengths."""
    epsilon: float = 1e-5
    """Added to the mean square when a hidden state is normalized."""


@dataclass(frozen=True, slots=True)
class Block:
    """Weights of one block; what reads the same input lies in one matrix."""

    attention_norm: Tensor
    """(D,)."""
    qkv: Tensor
    """(out, D) for queries, keys and values."""
    out: Tensor
    """(D, heads * E)."""
    mlp_norm: Tensor
    """(D,)."""
    gate_up: Tensor
    """(2 * inner, D)."""
    down: Tensor
    """(D, inner)."""


@dataclass(slots=True)
class Rows:
    """Keys and values of what each row has written itself."""

    keys: Tensor
    """(layers, B, G, T, E)."""
    values: Tensor
    """(layers, B, G, T, E)."""
    length: int = 0
    """Tokens kept so far."""

    def keep(self, rows: Tensor) -> None:
        """Let all but ``rows``, indices, leave the batch."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]


class Llama:
    """The model, made of a state dictionary with Hugging Face's names.

    Args:
        weights: by name; the head is the transposed embedding.
        config: sizes that the shapes do not tell.
    """

    def __init__(self, weights: dict[str, Tensor], config: LlamaConfig) -> None:
        get = {name.removeprefix("model."): x.float() for name, x in weights.items()}
        self.config = config
        self.embedding, self.norm = get["embed_tokens.weight"], get["norm.weight"]
        self.blocks = [self._block(get, f"layers.{i}.") for i in range(config.layers)]
        self.head_size = self.blocks[0].out.shape[1] // config.heads

    @staticmethod
    def _block(get: dict[str, Tensor], at: str) -> Block:
        attention = [get[f"{at}self_attn.{x}_proj.weight"] for x in "qkv"]
        mlp = [get[f"{at}mlp.{x}_proj.weight"] for x in ("gate", "up")]
        return Block(
            get[f"{at}input_layernorm.weight"],
            torch.cat(attention),
            get[f"{at}self_attn.o_proj.weight"],
            get[f"{at}post_attention_layernorm.weight"],
            torch.cat(mlp),
            get[f"{at}mlp.down_proj.weight"],
        )

    def new_rows(self, rows: int, longest: int) -> Rows:
        """Room for ``rows`` of at most ``longest`` tokens."""
        shape = (self.config.layers, rows, self.config.groups, longest, self.head_size)
        return Rows(torch.empty(shape), torch.empty(shape))

    def hidden(self, tokens: Tensor, rows: Rows, shared: Rows | None = None) -> Tensor:
        """(B, T, D) hidden states of new tokens (B, T) behind those of ``rows``, and behind ``shared`` (one row).

        The keys and values of the new tokens are appended to ``rows``.
        """
        begin = rows.length + (0 if shared is None else shared.length)
        turn = self._rotation(begin, tokens.shape[1])
        x = self.embedding[tokens]
        for i, block in enumerate(self.blocks):
            x = x + self._attend(self._normal(x, block.attention_norm), i, rows, shared, turn)
            gate, up = functional.linear(self._normal(x, block.mlp_norm), block.gate_up).chunk(
                2, -1
            )
            x = x + functional.linear(functional.silu(gate) * up, block.down)
        rows.length += tokens.shape[1]
        return self._normal(x, self.norm)

    def _normal(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, weight.shape, weight, self.config.epsilon)

    def _rotation(self, begin: int, count: int) -> tuple[Tensor, Tensor]:
        size = self.head_size
        speed = self.config.theta ** (-torch.arange(0, size, 2) / size)
        angle = torch.arange(begin, begin + count)[:, None] * speed.repeat(2)
        return angle.cos(), angle.sin()

    def _attend(
        self, x: Tensor, i: int, rows: Rows, shared: Rows | None, turn: tuple[Tensor, Tensor]
    ) -> Tensor:
        block, groups, size = self.blocks[i], self.config.groups, self.head_size
        count, steps, _ = x.shape
        parts = functional.linear(x, block.qkv).reshape(count, steps, -1, size).transpose(1, 2)
        query, key, value = parts.split([self.config.heads, groups, groups], dim=1)
        stop = rows.length + steps
        rows.keys[i, :, :, rows.length : stop] = rotated(key, turn)
        rows.values[i, :, :, rows.length : stop] = value
        query = rotated(query, turn).reshape(count, groups, -1, size) * size**-0.5  # (B, G, H*T, E)
        scores = query @ rows.keys[i, :, :, :stop].transpose(2, 3)
        if steps > 1:
            hidden = torch.ones(steps, stop, dtype=torch.bool).triu(stop - steps + 1)
            scores = scores.unflatten(2, (-1, steps)).masked_fill(hidden, -torch.inf).flatten(2, 3)
        if shared is None:
            seen = scores.softmax(-1) @ rows.values[i, :, :, :stop]
        else:
            seen = self._with_shared(query, scores, i, rows, shared)
        seen = seen.reshape(count, self.config.heads, steps, size).transpose(1, 2).flatten(2)
        mixed: Tensor = functional.linear(seen, block.out)
        return mixed

    def _with_shared(self, query: Tensor, own: Tensor, i: int, rows: Rows, shared: Rows) -> Tensor:
        """Attention over the beginning and the row's own tokens: one matrix product for all rows' looks back."""
        count, groups, heads, size = query.shape
        keys, values = (x[i, 0, :, : shared.length] for x in (shared.keys, shared.values))
        together = query.transpose(0, 1).reshape(groups, count * heads, size)
        back = (together @ keys.transpose(1, 2)).reshape(groups, count, heads, -1).transpose(0, 1)
        weight = torch.cat([back, own], dim=-1).softmax(-1)
        back, own = weight.split([shared.length, own.shape[-1]], dim=-1)
        flat = back.transpose(0, 1).reshape(groups, count * heads, -1)
        seen = (flat @ values).reshape(groups, count, heads, size).transpose(0, 1)
        total: Tensor = seen + own @ rows.values[i, :, :, : own.shape[-1]]
        return total


def rotated(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions (Su et al., 2021): x (..., T, E), each half of a head turned with the other."""
    cos, sin = turn
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


@torch.inference_mode()
def write(
    model: Llama,
    beginning: Sequence[int],
    rows: int,
    longest: int,
    allowed: Tensor,
    end: int,
    temperature: float,
    generator: torch.Generator,
) -> list[list[int]]:
    """Texts behind one beginning, each up to its ``end``, which is left out; those that never ended are dropped.

    Args:
        model: who writes.
        beginning: tokens that every text follows.
        rows: how many texts are begun.
        longest: tokens that each may have, its end among them.
        allowed: (A,) int64 the tokens that may be written; the end must be one of them.
        end: token that ends a text.
        temperature: above 0; below 1, likely tokens become likelier.
        generator: the only source of randomness; advanced.
    """
    shared = model.new_rows(1, len(beginning))
    last = model.hidden(torch.tensor([list(beginning)]), shared)[:, -1].expand(rows, -1)
    head, own = model.embedding[allowed] / temperature, model.new_rows(rows, longest)
    text, done = torch.empty(rows, 0, dtype=torch.int64), list[list[int]]()
    for _ in range(longest):
        chances = functional.linear(last, head).softmax(-1)
        text = torch.cat([text, allowed[draw_tokens(chances, generator)]], dim=1)
        ended = text[:, -1] == end
        if ended.any():
            done += [row[:-1] for row in text[ended].tolist()]
            going = (~ended).nonzero()[:, 0]
            if not len(going):
                break
            text = text[going]
            own.keep(going)
        last = model.hidden(text[:, -1:], own, shared)[:, -1]
    return done
