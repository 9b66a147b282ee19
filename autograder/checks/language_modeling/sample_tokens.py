"""Exercise 1.6: draw the next token."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import language_modeling as probes


def _refuse(temperature: float, top_k: int | None) -> None:
    if temperature < 0 or (top_k is not None and top_k < 1):
        raise ValueError("bad setting")


def _gumbel(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    """The largest of the logits plus Gumbel noise, scaled by the temperature."""
    _refuse(temperature, top_k)
    kept = _only_best(logits, top_k)
    uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64)
    noise = -(-uniform.clamp(min=1e-300).log()).log()
    return (kept.double() + temperature * noise).argmax(-1)


def _only_best(logits: Tensor, top_k: int | None) -> Tensor:
    """All but the k largest logits of each row at −∞."""
    size = logits.shape[-1]
    ranks = logits.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return logits.masked_fill(ranks >= (size if top_k is None else top_k), -math.inf)


def _draw(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    shifted = logits - logits.max(dim=-1, keepdim=True).values
    return torch.multinomial(shifted.softmax(-1), 1, generator=generator)[:, 0]


def _filtered(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    _refuse(temperature, top_k)
    if temperature == 0:
        return logits.argmax(-1)
    kept = _only_best(logits, top_k)
    kept = kept - kept.max(dim=-1, keepdim=True).values
    return _draw(kept / temperature, generator)


def _multiplies(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    _refuse(temperature, top_k)
    if temperature == 0:
        return logits.argmax(-1)
    return _draw(_only_best(logits, top_k) * temperature, generator)


def _one_more(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    _refuse(temperature, top_k)
    return _filtered(logits, temperature, None if top_k is None else top_k + 1, generator)


def _one_less(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    _refuse(temperature, top_k)
    fewer = None if top_k is None else max(top_k - 1, 1)
    return _filtered(logits, temperature, fewer, generator)


def _no_filter(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    _refuse(temperature, top_k)
    return _filtered(logits, temperature, None, generator)


def _zeroed(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    """Sets the others to 0, which is a logit like any other."""
    _refuse(temperature, top_k)
    if temperature == 0:
        return logits.argmax(-1)
    return _draw(_only_best(logits, top_k).nan_to_num(neginf=0.0) / temperature, generator)


def _index_within(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    """Returns the rank of what was drawn."""
    _refuse(temperature, top_k)
    if temperature == 0:
        return logits.argmax(-1)
    best = logits.topk(logits.shape[-1] if top_k is None else min(top_k, logits.shape[-1])).values
    return _draw((best - best[:, :1]) / temperature, generator)


def _always_best(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    _refuse(temperature, top_k)
    return logits.argmax(-1)


def _divides_by_zero(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    _refuse(temperature, top_k)
    return _draw(_only_best(logits, top_k) / temperature, generator)


def _unrefused(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    return _filtered(logits, abs(temperature), top_k and max(top_k, 1), generator)


def _global(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    _refuse(temperature, top_k)
    if temperature == 0:
        return logits.argmax(-1)
    return _draw(_only_best(logits, top_k) / temperature, None)


def _largest(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> Tensor:
    """Without noise or with one candidate nothing is random: the place of the largest logit."""
    places = [row.index(max(row)) for row in logits.tolist()]
    return torch.tensor(places)


def _seen(logits: Tensor, temperature: float, top_k: int | None) -> list[int]:
    """With logits this close together each of the k best must come up in 4,000 draws, and no other."""
    order = sorted(range(len(logits)), key=lambda i: -float(logits[i]))
    return sorted(order[:top_k])


def _double(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _plain(
    logits: Tensor, temperature: float, top_k: int | None, seed: int = 0
) -> dict[str, object]:
    return {
        "logits": logits,
        "temperature": temperature,
        "top_k": top_k,
        "generator": torch.Generator().manual_seed(seed),
    }


EXERCISE = ExerciseSpec(
    number="1.6",
    title="Sampling the next token",
    targets=("sample_tokens",),
    points=3,
    minutes=15,
    difficulty=2,
    section="From probabilities to text",
    statement="""
A model gives logits; a text needs tokens. Draw one for each row: sharper or flatter by the temperature, and only
among the `top_k` likeliest tokens if asked to. Temperature 0 is no special mode but a limit: the likeliest token,
always. Any way of drawing is right; the checks count thousands of draws.
""",
    hints=(
        "Three steps: keep the k largest logits, divide by the temperature, draw from the softmax. Which "
        "case cannot go "
        "through them?",
        "logits.topk(k) gives the k largest values and *which tokens they were*, both (B, k). After "
        "drawing a place among "
        "the k, look up the token. Subtract each row's largest value before dividing: nothing overflows then.",
        "Refuse bad settings; if temperature == 0 return logits.argmax(dim=-1); best, tokens = logits.topk(...); "
        "torch.multinomial(((best - best[:, :1]) / temperature).softmax(-1), 1, generator=generator); tokens.gather.",
    ),
    checks=(
        Case(
            "temperature 0",
            _plain(normal(0, 5, 6), 0.0, None),
            "temperature 0 takes the largest logit of each row",
            oracle=_largest,
        ),
        Case(
            "one candidate",
            _plain(normal(1, 4, 7), 2.0, 1),
            "with top_k = 1 there is nothing to choose, at any temperature",
            oracle=_largest,
        ),
        Case(
            "the candidates",
            {"logits": _double(0.3, -0.2, 0.5, 0.1, 0.2), "temperature": 1.0, "top_k": 3},
            "the tokens that 4,000 draws among the three best of five may give, and must",
            probe=probes.drawn_tokens,
            oracle=_seen,
        ),
        Case(
            "negative logits",
            {"logits": _double(-4.0, -5.0, -4.5, -4.2), "temperature": 1.0, "top_k": 2},
            "logits that are all below 0: a logit of 0 would be the likeliest",
            probe=probes.drawn_tokens,
            oracle=_seen,
        ),
        Case(
            "all may come",
            {"logits": _double(0.3, -0.2, 0.5), "temperature": 1.0, "top_k": 9},
            "top_k larger than the vocabulary keeps all tokens",
            probe=probes.drawn_tokens,
            oracle=_seen,
        ),
        Case(
            "temperature 1",
            {"weights": _double(1.0, 4.0), "temperature": 1.0, "top_k": None},
            "weights 1 and 4: shares of 0.2 and 0.8, in tenths",
            probe=probes.shares_drawn,
            expected=(2, 8),
        ),
        Case(
            "temperature 2",
            {"weights": _double(16.0, 1.0), "temperature": 2.0, "top_k": None},
            "weights 16 and 1 at temperature 2 are like 4 and 1: shares of 0.8 and 0.2",
            probe=probes.shares_drawn,
            expected=(8, 2),
        ),
        Case(
            "a low temperature",
            {"weights": _double(1.0, 2.0, 1.0), "temperature": 0.25, "top_k": 2},
            "at temperature 1/4 weights of 2 and 1 are like 16 and 1: shares of 0.94 and 0.06 among the two best",
            probe=probes.shares_drawn,
            expected=(1, 9, 0),
        ),
        Law(
            probes.the_same_seed_draws_the_same_tokens, "randomness comes from the generator alone"
        ),
        Law(probes.a_constant_added_to_a_row_changes_nothing, "only differences of logits count"),
        Law(probes.rows_are_drawn_apart, "each row has its own draw"),
        Case(
            "huge logits",
            _plain(torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4]]), 1e-36, None),
            "float32 logits of ±10,000 and a temperature of 1e-36, where dividing overflows",
            oracle=_largest,
        ),
        Case(
            "a negative temperature",
            _plain(normal(2, 1, 3), -1.0, None),
            "a temperature below 0 would prefer the unlikely",
            raises=ValueError,
        ),
        Case(
            "no candidates",
            _plain(normal(3, 1, 3), 1.0, 0),
            "top_k = 0 leaves nothing to draw",
            raises=ValueError,
        ),
        Case(
            "temperature 0 again",
            _plain(normal(4, 3, 9), 0.0, 4),
            "temperature 0 with several candidates",
            oracle=_largest,
            hidden=True,
        ),
        Case(
            "other candidates",
            {"logits": _double(1.0, 1.2, 0.9, 0.7, 1.1, 0.8), "temperature": 0.8, "top_k": 2},
            "two candidates of six",
            probe=probes.drawn_tokens,
            oracle=_seen,
            hidden=True,
        ),
        Case(
            "other negative logits",
            {"logits": _double(-9.0, -8.5, -8.8), "temperature": 1.5, "top_k": 2},
            "logits far below 0",
            probe=probes.drawn_tokens,
            oracle=_seen,
            hidden=True,
        ),
        Case(
            "temperature a half",
            {"weights": _double(2.0, 1.0, 0.01), "temperature": 0.5, "top_k": 2},
            "weights of 2 and 1 at temperature 1/2 are like 4 and 1",
            probe=probes.shares_drawn,
            expected=(8, 2, 0),
            hidden=True,
        ),
        Case(
            "far apart",
            _plain(torch.tensor([[0.0, 3e4, -3e4]]), 1e-37, 2),
            "float32 logits of ±30,000 and a tiny temperature",
            oracle=_largest,
            hidden=True,
        ),
        Case(
            "a temperature just below 0",
            _plain(normal(5, 2, 3), -0.01, 2),
            "temperatures are never negative",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "less than no candidates",
            _plain(normal(6, 2, 3), 0.0, -1),
            "top_k = −1 makes no sense, at temperature 0 either",
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the temperature multiplies",
            _multiplies,
            "A low temperature makes differences larger: divide the logits by it.",
        ),
        Mistake(
            "one candidate too many",
            _one_more,
            "top_k = k keeps k tokens. Is it >= where it should be >?",
        ),
        Mistake(
            "one candidate too few",
            _one_less,
            "top_k = k keeps k tokens, the k-th among them.",
        ),
        Mistake(
            "top-k ignored",
            _no_filter,
            "Tokens outside the k likeliest must never come up.",
        ),
        Mistake(
            "filtered logits set to 0",
            _zeroed,
            "0 is a logit like any other, and above a negative one. What may not be drawn gets −∞.",
        ),
        Mistake(
            "a place among the candidates returned",
            _index_within,
            "You drew a rank among the k best. Which token was that? topk also returns the indices.",
        ),
        Mistake(
            "always the likeliest",
            _always_best,
            "That is temperature 0. At other temperatures a token is drawn, with its probability.",
        ),
        Mistake(
            "divided by temperature 0",
            _divides_by_zero,
            "Temperature 0, and a very small one, need care: argmax for 0, and subtract the largest logit "
            "before dividing.",
        ),
        Mistake(
            "bad settings accepted",
            _unrefused,
            "A negative temperature prefers unlikely tokens, and top_k below 1 leaves none: raise a ValueError.",
        ),
        Mistake(
            "drawn from the global generator",
            _global,
            "Pass generator=generator to torch.multinomial, or nobody can repeat the run.",
        ),
    ),
    variants={"gumbel": _gumbel, "filtered": _filtered},
)
