"""Laws and probes of chapter 1: code that tells nothing about the answers, so it ships to students.

Where a function draws, a probe counts many draws and rounds so coarsely that a right answer cannot miss: the
nearest boundary is more than fifteen standard deviations away.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


# 1.1


def the_order_of_the_negatives_changes_nothing(skip_gram_loss: Function) -> None:
    center, context, negatives = numbers(1, 3, 4), numbers(2, 3, 4), numbers(3, 3, 5, 4)
    assert_close(
        skip_gram_loss(center, context, negatives.flip(1)),
        skip_gram_loss(center, context, negatives),
        "the negatives of a word have no order",
    )


def turning_all_vectors_changes_nothing(skip_gram_loss: Function) -> None:
    center, context, negatives = numbers(4, 3, 4), numbers(5, 3, 4), numbers(6, 3, 2, 4)
    turn, _ = torch.linalg.qr(numbers(7, 4, 4))
    assert_close(
        skip_gram_loss(center @ turn, context @ turn, negatives @ turn),
        skip_gram_loss(center, context, negatives),
        "only angles and lengths count: turning all vectors together must not change the loss",
    )


# 1.2


def longer_vectors_are_no_better(analogy: Function) -> None:
    embeddings = numbers(8, 12, 4)
    stretched = embeddings.clone()
    stretched[5:] *= torch.linspace(0.1, 30.0, 7, dtype=torch.float64).unsqueeze(1)
    assert analogy(stretched, 0, 1, 2) == analogy(embeddings, 0, 1, 2), (
        "words that were not asked about became longer or shorter, and the answer changed"
    )


def the_answer_is_another_word(analogy: Function) -> None:
    embeddings = numbers(9, 6, 3)
    embeddings[1] = embeddings[0]
    answer = analogy(embeddings, 0, 1, 2)
    assert answer not in (0, 1, 2), f"the answer, {answer}, is one of the three words asked with"


# 1.3


def _hide(mask_tokens: Function, rate: float, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Mask 200 sequences of 200 tokens; the ids are 0 to 999 and 1000 hides."""
    tokens = torch.randint(1000, (200, 200), generator=torch.Generator().manual_seed(1))
    special = torch.zeros(200, 200, dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed)
    seen, labels = mask_tokens(tokens, special, 1000, 1000, rate, generator)
    return tokens, seen, labels


def _tenths(part: Tensor, whole: Tensor) -> int:
    """The share in tenths, rounded."""
    return round(10 * float(part.sum()) / max(float(whole.sum()), 1.0))


def shares(mask_tokens: Function, rate: float) -> dict[str, int]:
    """What happened to 40,000 tokens, in tenths of those chosen."""
    tokens, seen, labels = _hide(mask_tokens, rate)
    chosen = labels != -100
    return {
        "tenths of all tokens that are labelled": _tenths(chosen, torch.ones_like(chosen)),
        "tenths of the labelled that are hidden": _tenths(chosen & (seen == 1000), chosen),
        "tenths of the labelled that became another token": _tenths(
            chosen & (seen != 1000) & (seen != tokens), chosen
        ),
        "tenths of the labelled that stayed": _tenths(chosen & (seen == tokens), chosen),
    }


def wrong_places(mask_tokens: Function, rate: float, seed: int) -> dict[str, int]:
    """How many of 600 places break a rule of their own; the first and last of each row are special."""
    tokens = torch.randint(50, (20, 30), generator=torch.Generator().manual_seed(seed))
    special = torch.zeros(20, 30, dtype=torch.bool)
    special[:, [0, -1]] = True
    generator = torch.Generator().manual_seed(seed + 1)
    seen, labels = mask_tokens(tokens, special, 50, 50, rate, generator)
    chosen = labels != -100
    return {
        "special tokens with a label": int((chosen & special).sum()),
        "special tokens that changed": int(((seen != tokens) & special).sum()),
        "labels that are not the token": int((chosen & (labels != tokens)).sum()),
        "tokens that changed without a label": int((~chosen & (seen != tokens)).sum()),
        "tokens outside the vocabulary": int(((seen < 0) | (seen > 50)).sum()),
    }


def the_same_seed_hides_the_same_tokens(mask_tokens: Function) -> None:
    first, again, other = (_hide(mask_tokens, 0.5, seed)[1] for seed in (3, 3, 4))
    assert torch.equal(first, again), "the same generator seed hid other tokens"
    assert not torch.equal(first, other), "another generator seed hid the same tokens"


def every_token_can_come_in(mask_tokens: Function) -> None:
    tokens = torch.full((100, 100), 3)
    special = torch.zeros(100, 100, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    seen, _ = mask_tokens(tokens, special, 9, 5, 1.0, generator)
    found = sorted(set(seen.reshape(-1).tolist()))
    assert found == [0, 1, 2, 3, 4, 9], (
        f"from a vocabulary of 5 and the mask 9, ten thousand tokens became {found}"
    )


# 1.4


def _rebuilt(source: Tensor, target: Tensor, first_sentinel: int) -> list[int]:
    """Put the spans of the target back into the source; sentinels are the ids from the first one on."""
    spans: dict[int, list[int]] = {}
    for token in target.tolist():
        if token >= first_sentinel:
            spans[token] = []
            current = spans[token]
        else:
            current.append(token)
    text: list[int] = []
    for token in source.tolist():
        text += spans[token] if token >= first_sentinel else [token]
    return text


def source_and_target_rebuild_the_text(corrupt_spans: Function) -> None:
    tokens = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    for spans in ([], [(0, 2)], [(3, 4), (6, 9)], [(0, 12)], [(1, 3), (3, 5), (11, 12)]):
        source, target = corrupt_spans(tokens, spans, [100, 101, 102, 103])
        assert _rebuilt(source, target, 100) == tokens.tolist(), (
            f"spans {spans}: the spans of the target, put back into the source, give another text"
        )


def no_token_is_said_twice(corrupt_spans: Function) -> None:
    tokens, spans = torch.arange(10), [(2, 4), (7, 8)]
    source, target = corrupt_spans(tokens, spans, [100, 101, 102])
    said = [token for token in [*source.tolist(), *target.tolist()] if token < 100]
    assert sorted(said) == list(range(10)), (
        "each token of the text belongs either to the source or to the target, once"
    )


# 1.5


def even_logits_cost_the_logarithm_of_the_vocabulary(causal_lm_loss: Function) -> None:
    tokens = torch.tensor([[0, 3, 1, 2], [2, 2, 0, 1]])
    mask = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    assert_close(
        causal_lm_loss(torch.zeros(2, 4, 5, dtype=torch.float64), tokens, mask),
        torch.tensor(5.0, dtype=torch.float64).log(),
        "a model that knows nothing of 5 words loses log 5 on each token, whatever the padding",
    )


def what_comes_after_the_last_token_does_not_matter(causal_lm_loss: Function) -> None:
    logits, tokens = numbers(10, 2, 5, 4), torch.tensor([[0, 1, 2, 3, 1], [3, 3, 0, 2, 1]])
    mask = torch.ones(2, 5, dtype=torch.float64)
    before = causal_lm_loss(logits.clone(), tokens, mask)
    logits[:, -1] += 7.0 * numbers(11, 2, 4)
    assert_close(
        causal_lm_loss(logits, tokens, mask),
        before,
        "the logits of the last position predict a token that is not there, yet they changed the loss",
    )


# 1.6


def _draw(
    sample_tokens: Function, logits: Tensor, temperature: float, top_k: int | None, seed: int
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn: Tensor = sample_tokens(logits, temperature, top_k, generator)
    return drawn


def drawn_tokens(
    sample_tokens: Function, logits: Tensor, temperature: float, top_k: int | None
) -> list[int]:
    """The different tokens among 4,000 draws from the same row."""
    rows = logits.expand(4000, -1)
    return sorted(set(_draw(sample_tokens, rows, temperature, top_k, 0).tolist()))


def shares_drawn(
    sample_tokens: Function, weights: Tensor, temperature: float, top_k: int | None
) -> list[int]:
    """How often each token is drawn, in tenths of 20,000; the logits are the logarithms of the weights."""
    rows = weights.log().expand(20_000, -1)
    drawn = _draw(sample_tokens, rows, temperature, top_k, 1)
    counts = torch.bincount(drawn, minlength=len(weights))
    return [round(10 * count / len(rows)) for count in counts.tolist()]


def the_same_seed_draws_the_same_tokens(sample_tokens: Function) -> None:
    rows = torch.zeros(50, 8)
    first, again, other = (_draw(sample_tokens, rows, 1.0, None, seed) for seed in (3, 3, 4))
    assert torch.equal(first, again), "the same generator seed drew other tokens"
    assert not torch.equal(first, other), "another generator seed drew the same 50 tokens"


def a_constant_added_to_a_row_changes_nothing(sample_tokens: Function) -> None:
    rows = numbers(12, 40, 6)
    plain = _draw(sample_tokens, rows, 0.7, 4, 5)
    shifted = _draw(sample_tokens, rows + 3.0, 0.7, 4, 5)
    assert torch.equal(plain, shifted), "softmax forgets a constant added to all logits of a row"


def rows_are_drawn_apart(sample_tokens: Function) -> None:
    drawn = _draw(sample_tokens, torch.zeros(200, 4), 1.0, None, 6)
    assert len(set(drawn.tolist())) == 4, (
        "two hundred rows with four equally likely tokens must not all draw the same"
    )
