"""What was written, and the model of two tables."""

import pytest
import torch

from rlcourse.support.generation import Generation, TableModel
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
