"""Padding that is left out: the same hidden states and gradients, and less work."""

import pytest
import torch

from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.packing import Packing, packing_of
from rlcourse.support.seeding import make_generator

LENGTHS = (3, 9, 1, 5)


def model_of(seed=0):
    config = GPT2Config(23, n_positions=12, n_embd=8, n_layer=2, n_head=2)
    model = GPT2(config, make_generator(seed)).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=make_generator(p.numel())).double())
    return model


def batch(front=False):
    """Tokens (4, 9), padded, and their mask."""
    tokens = torch.randint(23, (4, 9), generator=make_generator(1))
    columns = torch.arange(9).flip(0) if front else torch.arange(9)
    return tokens, columns < torch.tensor(LENGTHS)[:, None]


def test_what_is_packed_and_spread_stands_where_it_was():
    _, mask = batch()
    x = torch.randn(4, 9, 3, generator=make_generator(2))
    packing = Packing(mask)
    packed = packing.pack(x)
    assert packed.shape == (sum(LENGTHS), 3)
    torch.testing.assert_close(packed, x[mask])
    torch.testing.assert_close(packing.spread(packed), torch.where(mask[..., None], x, 0.0))


def test_little_padding_is_left_where_it_is():
    mask = torch.ones(4, 10, dtype=torch.bool)
    mask[0, 7:] = False
    assert packing_of(mask) is None
    mask[1, 7:] = False
    assert packing_of(mask) is not None


@pytest.mark.parametrize("front", [False, True])
def test_hidden_states_are_those_of_each_text_alone(front):
    model, (tokens, mask) = model_of(), batch(front)
    found = model.hidden(tokens, mask)
    for b in range(4):
        alone = model.hidden(tokens[b, mask[b]][None])[0]
        assert alone.std() > 0.1
        torch.testing.assert_close(found[b, mask[b]], alone)


def test_gradients_are_those_of_a_pass_with_padding(monkeypatch):
    model, (tokens, mask) = model_of(), batch()
    gradients = []
    for share in (0.1, 1.0):  # packed, and never packed
        monkeypatch.setattr("rlcourse.support.packing.ENOUGH", share)
        model.zero_grad()
        hidden = model.hidden(tokens, mask)[mask]
        (hidden * torch.arange(8.0)).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for packed, padded in zip(*gradients, strict=True):
        torch.testing.assert_close(packed, padded)


def test_linear_layers_see_no_padding():
    model, (tokens, mask) = model_of(), batch()
    seen = []
    for block in model.transformer.h:
        for layer in (block.attn.c_attn, block.attn.c_proj, block.mlp.c_fc, block.mlp.c_proj):
            layer.register_forward_hook(lambda _, x, __: seen.append(x[0].shape[:-1].numel()))
    model.hidden(tokens, mask)
    assert seen == [sum(LENGTHS)] * 8
