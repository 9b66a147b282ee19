"""What a language model wrote, and the smallest language model that can be written with."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Generation:
    """``B`` responses of at most ``N`` tokens to prompts of ``P`` tokens.

    Raises:
        ValueError: if sizes disagree, or no prompt is left.
    """

    tokens: Tensor
    """(B, P+N) int64 prompt and response; behind the end of a response, the end token again and again."""
    log_probs: Tensor
    """(B, N) log-probability of each response token under the distribution it was drawn from; 0 behind the end."""
    mask: Tensor
    """(B, N) float, 1 for each token of the response, its end token among them, 0 behind."""

    def __post_init__(self) -> None:
        sizes = [tuple(x.shape) for x in (self.tokens, self.log_probs, self.mask)]
        if any(len(size) != 2 for size in sizes) or sizes[1] != sizes[2]:
            raise ValueError(f"tokens (B, P+N), log_probs (B, N) and mask (B, N), got {sizes}")
        if sizes[0][0] != sizes[1][0] or sizes[0][1] <= sizes[1][1]:
            raise ValueError(f"tokens must hold prompts and responses, (B, P+N), got {sizes}")

    @property
    def prompt_length(self) -> int:
        """``P``."""
        return self.tokens.shape[1] - self.mask.shape[1]

    @property
    def responses(self) -> Tensor:
        """(B, N) int64 the tokens behind the prompts."""
        return self.tokens[:, self.prompt_length :]


def draw_tokens(chances: Tensor, generator: torch.Generator) -> Tensor:
    r"""Draw one token a row, as ``torch.multinomial`` does, but with one random number a row instead of one a token.

    A uniform number :math:`u` falls on one step of the ladder of cumulative probabilities: token v is drawn where
    :math:`\sum_{w < v} p_w \le u < \sum_{w \le v} p_w` (inversion; Devroye, 1986, section III.2). A token of
    probability 0 has no step and is never drawn. Summed in float64, lest small steps be lost behind large ones.

    Args:
        chances: (B, V) not negative; rows need not sum to 1.
        generator: the only source of randomness; gives B numbers.

    Returns:
        (B, 1) int64.

    Raises:
        ValueError: if a row sums to 0, or to no finite number.
    """
    ladder = chances.cumsum(dim=1, dtype=torch.float64)
    total = ladder[:, -1:]
    if not bool(((total > 0) & (total < torch.inf)).all()):
        raise ValueError("each row needs a positive finite sum of probabilities to draw from")
    uniform = torch.rand(total.shape, generator=generator, dtype=total.dtype, device=total.device)
    return step_of(ladder, uniform)


def step_of(ladder: Tensor, uniform: Tensor) -> Tensor:
    """(B, 1) int64 the step of each ladder (B, V) of cumulative weights on which a number (B, 1) in [0, 1) falls.

    V where rounding carries it past the top.
    """
    return torch.searchsorted(ladder, uniform * ladder[:, -1:], right=True)


class CausalModel(Protocol):
    """What a function needs to know of a language model; ``GPT2`` and ``TableModel`` are two."""

    @property
    def training(self) -> bool:
        """Whether it is in training mode, with dropout."""

    def train(self, mode: bool = True) -> Any:
        """Switch training mode on or off."""

    def eval(self) -> Any:
        """Switch training mode off."""

    def new_cache(self, batch: int, longest: int) -> Any:
        """Something that remembers what each of ``batch`` rows of at most ``longest`` tokens has read."""

    def __call__(self, tokens: Tensor, mask: Tensor | None = None, cache: Any = None) -> Tensor:
        """(B, T, V) logits after each of ``tokens`` (B, T); with a cache these follow those it has read."""


class TableCache:
    """What a ``TableModel`` has read of each row."""

    def __init__(self, batch: int, longest: int) -> None:
        self._tokens = torch.zeros(batch, 0, dtype=torch.int64)
        self._longest = longest

    def extend(self, tokens: Tensor) -> Tensor:
        """(B, P) all tokens read, the new ones (B, T) among them.

        Raises:
            ValueError: if they do not fit.
        """
        room = (len(self._tokens), self._longest - self._tokens.shape[1])
        if len(tokens) != room[0] or tokens.shape[1] > room[1]:
            raise ValueError(f"there is room for {room} tokens, got {tuple(tokens.shape)}")
        self._tokens = torch.cat([self._tokens, tokens], dim=1)
        return self._tokens


class TableModel:
    """A language model that is two tables: quick, exact, and it knows position and context.

    With tokens x, its logits after position t are ``last[t, x_t] + sum of before[x_s] over s < t``. In training mode
    the sum is dropped: a dropout that always strikes.

    Args:
        last: (L, V, V) for the longest sequence of L tokens.
        before: (V, V).

    Raises:
        ValueError: if the tables do not fit together.
    """

    sandbox_names = frozenset({"training", "train", "eval", "new_cache"})

    def __init__(self, last: Tensor, before: Tensor) -> None:
        if last.shape[1:] != before.shape or before.shape[0] != before.shape[1]:
            raise ValueError(
                f"tables (L, V, V) and (V, V), got {tuple(last.shape)} and {tuple(before.shape)}"
            )
        self._last, self._before = last, before
        self.training = False
        self.tokens_read = 0
        """In all calls together, in all rows."""

    def train(self, mode: bool = True) -> "TableModel":
        """Switch training mode on or off."""
        self.training = mode
        return self

    def eval(self) -> "TableModel":
        """Switch training mode off."""
        return self.train(False)

    def new_cache(self, batch: int, longest: int) -> TableCache:
        """Remembers what each of ``batch`` rows of at most ``longest`` tokens has read."""
        return TableCache(batch, longest)

    def __call__(
        self, tokens: Tensor, mask: Tensor | None = None, cache: TableCache | None = None
    ) -> Tensor:
        """(B, T, V) logits after each of ``tokens`` (B, T).

        Raises:
            ValueError: if a mask hides a token, or a row is longer than the table.
        """
        if mask is not None and not bool((mask > 0).all()):
            raise ValueError("this model reads no padding")
        self.tokens_read += tokens.numel()
        seen = tokens if cache is None else cache.extend(tokens)
        if seen.shape[1] > len(self._last):
            raise ValueError(f"{seen.shape[1]} tokens; this model reads {len(self._last)}")
        logits = self._last[torch.arange(seen.shape[1]), seen]
        if not self.training:
            context = self._before[seen]
            logits = logits + context.cumsum(dim=1) - context
        return logits[:, -tokens.shape[1] :]
