"""The small GPT-2 that came with the course, film snippets as its prompts and demonstrations, and what it writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import torch
from safetensors.torch import load
from torch import Tensor

from rlcourse.language_policy import generate
from rlcourse.recipes.pretrain import SIZES
from rlcourse.support.generation import Generation
from rlcourse.support.gpt2 import GPT2
from rlcourse.support.gpt2_weights import load_weights
from rlcourse.support.masking import pad_right
from rlcourse.support.ratings import Snippet, load_snippets, split_snippets
from rlcourse.support.tokenizer import END_ID, decode, encode

WEIGHTS = {"1M": "review_gpt_1m.safetensors", "5M": "review_gpt_5m.safetensors"}
"""The shipped models by their size; ``rlcourse/data/README.md`` says what they read."""
PROMPT = 5
"""Tokens of a prompt: the start, and the first four of a snippet."""
ROOM = 24
"""Tokens of a response at most, its end among them."""


def load_base(size: str = "1M") -> GPT2:
    """The shipped model of a million weights, or of five million, which is more fluent and five times as slow.

    Raises:
        ValueError: if there is no model of that size.
    """
    if size not in WEIGHTS:
        raise ValueError(
            f"there is no shipped model of size {size!r}; sizes are {', '.join(WEIGHTS)}"
        )
    model = GPT2(SIZES[size])
    packed = files("rlcourse").joinpath("data", WEIGHTS[size]).read_bytes()
    load_weights(model, load(packed))
    return model.eval()


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """Prompts with responses that somebody wrote."""

    tokens: Tensor
    """(B, T) int64 prompt, response, end; padded with the end token."""
    prompt_lengths: Tensor
    """(B) columns of each prompt."""


@lru_cache
def film_part(name: str) -> tuple[Snippet, ...]:
    """One part of the film snippets: ``rm`` to train on, ``judge``, ``val`` or ``test``."""
    part: tuple[Snippet, ...] = getattr(split_snippets(load_snippets("film")), name)
    return part


def demonstrations(snippets: Sequence[Snippet], at_least: float = -4.0) -> Demonstrations:
    """Snippets that fit, cut into prompt and response.

    Args:
        snippets: where to look.
        at_least: mean rating below which a snippet is no example to follow.
    """
    liked = [snippet.text for snippet in snippets if snippet.mean >= at_least]
    rows = [
        [END_ID, *ids, END_ID] for ids in encode(liked) if PROMPT < len(ids) + 2 <= PROMPT + ROOM
    ]
    return Demonstrations(pad_right(rows, END_ID), torch.full((len(rows),), PROMPT))


def film_prompts(snippets: Sequence[Snippet], count: int) -> Tensor:
    """(count, P) the beginnings of the first snippets that are long enough."""
    rows = [[END_ID, *ids][:PROMPT] for ids in encode([s.text for s in snippets])]
    return torch.tensor([row for row in rows if len(row) == PROMPT][:count])


def write(
    model: GPT2, prompts: Tensor, generator: torch.Generator, temperature: float = 1.0
) -> Generation:
    """Responses of at most ``ROOM`` tokens."""
    return generate(model, prompts, ROOM, temperature, END_ID, generator)


def texts_of(found: Generation) -> list[str]:
    """Prompts and responses as text."""
    return [decode(row) for row in found.tokens]


def ended(found: Generation) -> float:
    """Share of the responses that came to an end by themselves."""
    return float(((found.responses == END_ID) & (found.mask > 0)).any(dim=1).float().mean())


def distinct_pairs(found: Generation, ends: bool = True) -> float:
    """Different pairs of neighbouring tokens, as a share of all pairs in the responses (distinct-2; Li et al., 2016).

    Args:
        found: what was written.
        ends: whether the last token of a text and the end token behind it are a pair. Where responses are short, and
            most texts close with a full stop, these pairs make them seem alike.
    """
    counted = found.mask > 0
    if not ends:
        counted &= found.responses != END_ID
    inside = (counted[:, :-1] & counted[:, 1:]).nonzero().tolist()
    rows = found.responses.tolist()
    pairs = [(rows[b][t], rows[b][t + 1]) for b, t in inside]
    return len(set(pairs)) / max(len(pairs), 1)
