"""What was written, and the model of two tables."""

import pytest
import torch

from rlcourse.support.generation import Generation, TableModel, draw_tokens
from rlcourse.support.seeding import make_generator


def model(longest=8, vocabulary=4, seed=0):
    generator = make_generator(seed)
    last = torch.randn(longest, vocabulary, vocabulary, generator=generator)
    return TableModel(last, torch.randn(vocabulary, vocabulary, generator=generator))


def some_tokens(seed=1):
    return torch.randint(4, (3, 8), generator=make_generator(seed))


def test_logits_are_those_of_the_formula():
    table, tokens = model(), some_tokens()
    logits = table(tokens)
    for b in range(3):
        for t in range(8):
            expected = table._last[t, tokens[b, t]].clone()
            for s in range(t):
                expected += table._before[tokens[b, s]]
            torch.testing.assert_close(logits[b, t], expected)


def test_a_cache_changes_nothing_but_what_is_read():
    table, tokens = model(), some_tokens()
    full = table(tokens)
    table.tokens_read, cache = 0, table.new_cache(3, 8)
    pieces = [table(tokens[:, a:b], cache=cache) for a, b in ((0, 3), (3, 4), (4, 8))]
    torch.testing.assert_close(torch.cat(pieces, dim=1), full)
    assert table.tokens_read == 24


def test_training_mode_forgets_what_came_before():
    table, tokens = model(), some_tokens()
    usual, forgetful = table(tokens), table.train()(tokens)
    torch.testing.assert_close(forgetful[:, 0], usual[:, 0])
    assert (forgetful[:, 1:] != usual[:, 1:]).any(dim=-1).all()
    assert not table.eval().training


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="tables"):
        TableModel(torch.zeros(5, 3, 3), torch.zeros(3, 4))
    table, tokens = model(longest=5), some_tokens()
    with pytest.raises(ValueError, match="8 tokens; this model reads 5"):
        table(tokens)
    with pytest.raises(ValueError, match="reads no padding"):
        table(tokens[:, :3], mask=torch.tensor([[0, 1, 1]] * 3))
    cache = table.new_cache(3, 4)
    table(tokens[:, :3], cache=cache)
    with pytest.raises(ValueError, match=r"room for \(3, 1\)"):
        table(tokens[:, :2], cache=cache)


def test_a_generation_knows_its_prompt():
    tokens = torch.arange(12).reshape(2, 6)
    found = Generation(tokens, torch.zeros(2, 2), torch.ones(2, 2))
    assert found.prompt_length == 4
    assert found.responses.tolist() == [[4, 5], [10, 11]]


@pytest.mark.parametrize(
    "shapes", [((2, 6), (2, 2), (2, 3)), ((2, 2), (2, 2), (2, 2)), ((3, 6), (2, 2), (2, 2))]
)
def test_a_generation_that_does_not_fit_is_refused(shapes):
    with pytest.raises(ValueError, match="got"):
        Generation(torch.zeros(shapes[0]).long(), torch.zeros(shapes[1]), torch.zeros(shapes[2]))


def test_tokens_are_drawn_as_often_as_they_are_likely():
    """Pearson's chi-square against softmax; 80 would be 5.7 deviations above its mean of 29."""
    chances = (1.5 * torch.randn(30, generator=make_generator(3))).softmax(dim=0)
    drawn = draw_tokens(chances.expand(40_000, 30), make_generator(4))
    assert drawn.shape == (40_000, 1) and drawn.dtype == torch.int64
    counts, expected = torch.bincount(drawn[:, 0], minlength=30), 40_000 * chances
    assert float(((counts - expected).square() / expected).sum()) < 80


def test_rows_have_their_own_chances_and_need_not_sum_to_1():
    chances = torch.tensor([[0.0, 7.0, 0.0], [0.2, 0.0, 0.0], [0.0, 0.0, 1e-30]])
    for seed in range(5):
        assert draw_tokens(chances, make_generator(seed)).tolist() == [[1], [0], [2]]


@pytest.mark.parametrize(("uniform", "expected"), [(0.0, 1), (1 - 2**-53, 3)])
@pytest.mark.parametrize("total", [1.0, 0.3, 1.7])
def test_neither_end_draws_what_is_impossible(monkeypatch, uniform, expected, total):
    """Tokens 0, 2 and 4 have no probability; the smallest and the largest random number fall beside them."""
    monkeypatch.setattr(
        torch, "rand", lambda *_, **__: torch.full((1, 1), uniform, dtype=torch.float64)
    )
    chances = total * torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.0]], dtype=torch.float64)
    assert draw_tokens(chances, make_generator(0)).tolist() == [[expected]]


def test_small_steps_behind_large_ones_are_not_lost():
    """In float32, 1 + 2e-8 is 1; a thousand tokens of 2e-8 must still be drawn."""
    chances = torch.full((1, 1001), 2e-8)
    chances[0, 0] = 1.0
    drawn = [draw_tokens(chances.expand(5_000, -1), make_generator(seed)) for seed in range(200)]
    assert 5 <= int((torch.cat(drawn) > 0).sum()) <= 45  # twenty are expected


def test_one_number_a_row_is_taken_from_the_generator():
    generator, other = make_generator(5), make_generator(5)
    draw_tokens(torch.ones(3, 9), generator)
    torch.rand(3, dtype=torch.float64, generator=other)
    assert torch.equal(generator.get_state(), other.get_state())


@pytest.mark.parametrize("row", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_chances_that_are_none_are_refused(row):
    with pytest.raises(ValueError, match="positive finite sum"):
        draw_tokens(torch.tensor([[0.5, 0.5], row]), make_generator(0))
