"""Responses as experience: what is read, and where the head is applied."""

import torch

from rlcourse.support.generation import TableModel
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.responses import read_before, response_logits
from rlcourse.support.seeding import make_generator

WIDTH, LENGTHS = 3, (4, 1, 2)


def batch():
    """Tokens (3, 7): three of a prompt, four of a response; and the mask (3, 4) of the responses."""
    tokens = torch.randint(11, (3, 7), generator=make_generator(1))
    return tokens, (torch.arange(4) < torch.tensor(LENGTHS)[:, None]).float()


def test_the_last_token_of_a_response_is_not_read():
    _, mask = batch()
    expected = [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]]
    assert read_before(mask, WIDTH).tolist() == expected


def check_against_a_full_pass(model, atol=1e-6):
    tokens, mask = batch()
    full, row = model(tokens), 0
    found = response_logits(model, tokens, mask, 0.7)
    assert found.shape == (sum(LENGTHS), 11)
    for b, length in enumerate(LENGTHS):
        for t in range(length):
            torch.testing.assert_close(found[row], full[b, WIDTH - 1 + t] / 0.7, atol=atol, rtol=0)
            row += 1


def test_logits_are_those_from_which_each_token_was_drawn():
    generator = make_generator(2)
    tables = torch.randn(7, 11, 11, generator=generator), torch.randn(11, 11, generator=generator)
    check_against_a_full_pass(TableModel(*tables))
    model = GPT2(GPT2Config(11, n_positions=8, n_embd=8, n_layer=2, n_head=2), generator).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    check_against_a_full_pass(model, 1e-4)


def test_the_head_is_applied_to_nothing_else():
    model = GPT2(GPT2Config(11, n_positions=8, n_embd=8, n_layer=1, n_head=2)).eval()
    tokens, mask = batch()
    seen, head = [], model.logits
    model.logits = lambda hidden: (seen.append(hidden.shape), head(hidden))[1]
    response_logits(model, tokens, mask, 1.0)
    assert seen == [(sum(LENGTHS), 8)]
