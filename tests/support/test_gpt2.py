"""GPT-2: the same numbers as transformers, whatever the padding, with and without a cache."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.gpt2_weights import load_config, load_gpt2, load_weights, save_gpt2
from rlcourse.support.seeding import make_generator, no_global_rng

SIZES = [(11, 8, 1, 1), (50, 12, 2, 3), (97, 32, 3, 4), (64, 16, 5, 2)]


def config_of(size):
    vocabulary, width, layers, heads = size
    return GPT2Config(vocabulary, n_positions=24, n_embd=width, n_layer=layers, n_head=heads)


def rough_model(size, seed=0, **changes):
    """Weights large enough that every part of the model shows in the logits."""
    model = GPT2(config_of(size), make_generator(seed))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=make_generator(seed + p.numel())))
    return model.double().eval()


def tokens_of(model, batch, steps, seed=1):
    shape = (batch, steps)
    return torch.randint(model.config.vocab_size, shape, generator=make_generator(seed))


def peer_of(model, folder):
    """The same weights in transformers' own class, through a folder."""
    transformers = pytest.importorskip("transformers")
    save_gpt2(model, folder, torch.float64)
    return transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64).eval()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("size", SIZES)
def test_logits_are_those_of_transformers(size, tmp_path):
    model = rough_model(size)
    tokens = tokens_of(model, 3, 10)
    with torch.no_grad():
        theirs = peer_of(model, tmp_path)(tokens).logits
        assert theirs.std() > 0.1
        torch.testing.assert_close(model(tokens), theirs)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("size", SIZES)
def test_left_padded_logits_are_those_of_transformers(size, tmp_path):
    model = rough_model(size)
    tokens, mask = tokens_of(model, 3, 10), torch.ones(3, 10, dtype=torch.long)
    mask[0, :4] = mask[2, :7] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        peer = peer_of(model, tmp_path)
        theirs = peer(tokens, attention_mask=mask, position_ids=positions).logits
        torch.testing.assert_close(model(tokens, mask)[mask > 0], theirs[mask > 0])


@pytest.mark.filterwarnings("default")
def test_greedy_text_is_that_of_transformers(tmp_path):
    model = rough_model(SIZES[2])
    tokens, mask = tokens_of(model, 3, 6), torch.ones(3, 6, dtype=torch.long)
    mask[1, :4] = 0
    theirs = peer_of(model, tmp_path).generate(
        tokens,
        attention_mask=mask,
        max_new_tokens=12,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=None,
    )
    cache = model.new_cache(3, 18)
    with torch.no_grad():
        logits, columns = model(tokens, mask, cache), [tokens]
        for _ in range(12):
            columns.append(logits[:, -1].argmax(-1, keepdim=True))
            logits = model(columns[-1], cache=cache)
    assert torch.equal(torch.cat(columns, dim=1), theirs)


@pytest.mark.filterwarnings("default")
def test_weights_of_transformers_are_read_with_and_without_prefix(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = rough_model(SIZES[1])
    state = peer_of(model, tmp_path).state_dict()
    assert isinstance(transformers.__version__, str)
    bare = {name.removeprefix("transformer."): x.clone() for name, x in state.items()}
    bare["h.0.attn.bias"] = torch.ones(1, 1, 24, 24)  # as in the file of gpt2 on the hub
    for tensors in (state, bare):
        fresh = GPT2(model.config, make_generator(9)).double()
        load_weights(fresh, tensors)
        assert all(
            torch.equal(a, b) for a, b in zip(fresh.parameters(), model.parameters(), strict=True)
        )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("padded", [False, True])
def test_cached_decoding_is_the_full_pass_at_every_step(size, padded):
    model = rough_model(size)
    tokens, mask = tokens_of(model, 3, 14), torch.ones(3, 14)
    if padded:
        mask[0, :3] = mask[1, :4] = 0
    with torch.no_grad():
        full = model(tokens, mask)
        cache = model.new_cache(3, 14)
        pieces = [model(tokens[:, :5], mask[:, :5], cache)]
        for t in range(5, 14):
            pieces.append(model(tokens[:, t : t + 1], cache=cache))
            assert cache.length == t + 1
            torch.testing.assert_close(pieces[-1][:, 0], full[:, t])
    torch.testing.assert_close(torch.cat(pieces, 1)[mask > 0], full[mask > 0])


@pytest.mark.parametrize("padded", [False, True])
def test_several_tokens_at_once_behind_a_cache(padded):
    model = rough_model(SIZES[2])
    tokens, mask = tokens_of(model, 2, 12), torch.ones(2, 12)
    if padded:
        mask[1, :3] = 0
    cache = model.new_cache(2, 12)
    with torch.no_grad():
        parts = [model(tokens[:, a:b], mask[:, a:b], cache) for a, b in ((0, 4), (4, 9), (9, 12))]
        full = model(tokens, mask)
    torch.testing.assert_close(torch.cat(parts, 1)[mask > 0], full[mask > 0])


@pytest.mark.parametrize("side", ["left", "right", "both"])
@pytest.mark.parametrize("size", SIZES)
def test_padding_changes_nothing(size, side):
    model = rough_model(size)
    tokens = tokens_of(model, 2, 6)
    left, right = {"left": (5, 0), "right": (0, 5), "both": (3, 2)}[side]
    wide = tokens_of(model, 2, 6 + left + right, seed=2)
    wide[:, left : left + 6] = tokens
    mask = torch.zeros(wide.shape)
    mask[:, left : left + 6] = 1
    with torch.no_grad():
        found = model(wide, mask)
        assert found.isfinite().all()
        torch.testing.assert_close(found[:, left : left + 6], model(tokens))


def test_later_tokens_change_nothing_before():
    model = rough_model(SIZES[2])
    tokens = tokens_of(model, 2, 8)
    other = tokens.clone()
    other[:, 5:] = (other[:, 5:] + 1) % 97
    with torch.no_grad():
        before, after = model(tokens), model(other)
    torch.testing.assert_close(after[:, :5], before[:, :5])
    assert (after[:, 5:] - before[:, 5:]).abs().min() > 0


def test_a_folder_gives_the_same_model_back(tmp_path):
    model = rough_model(SIZES[2]).float()
    save_gpt2(model, tmp_path / "new" / "folder")
    again = load_gpt2(tmp_path / "new" / "folder")
    assert again.config == model.config and not again.training
    assert all(
        torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True)
    )


def test_half_precision_halves_the_file(tmp_path):
    model = rough_model(SIZES[2]).float()
    sizes = []
    for dtype in (torch.float32, torch.float16):
        save_gpt2(model, tmp_path, dtype)
        tensors = load_file(tmp_path / "model.safetensors")
        assert {x.dtype for x in tensors.values()} == {dtype}
        sizes.append((tmp_path / "model.safetensors").stat().st_size)
    assert sizes[1] < 0.6 * sizes[0]
    assert next(load_gpt2(tmp_path).parameters()).dtype == torch.float32


def test_what_does_not_fit_is_named(tmp_path):
    model = rough_model(SIZES[1])
    state = {name: x.clone() for name, x in model.state_dict().items()}
    lacking = dict(state)
    del lacking["transformer.h.1.mlp.c_fc.bias"]
    with pytest.raises(ValueError, match=r"missing: transformer.h.1.mlp.c_fc.bias"):
        load_weights(model, lacking)
    with pytest.raises(ValueError, match="no weights of this model: transformer.h.7.ln_1.bias"):
        load_weights(model, state | {"h.7.ln_1.bias": torch.zeros(12)})
    with pytest.raises(ValueError, match="another size"):
        load_weights(model, state | {"transformer.wpe.weight": torch.zeros(25, 12)})
    with pytest.raises(ValueError, match="ties them"):
        load_weights(model, state | {"lm_head.weight": torch.zeros(50, 12)})
    load_weights(model, state | {"lm_head.weight": state["transformer.wte.weight"]})


def test_an_incomplete_folder_and_a_missing_one_are_told_apart(tmp_path, monkeypatch):
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
        load_gpt2(tmp_path)
    huggingface_hub = pytest.importorskip("huggingface_hub")

    def offline(name, file):
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(FileNotFoundError, match=r"Without a network: download config\.json"):
        load_gpt2("gpt2")


def test_the_hub_is_asked_for_both_files(tmp_path, monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    model = rough_model(SIZES[0]).float()
    save_gpt2(model, tmp_path)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda name, file: tmp_path / file)
    tokens = tokens_of(model, 1, 5)
    with torch.no_grad():
        assert torch.equal(load_gpt2("somebody/gpt2-tiny")(tokens), model(tokens))


@pytest.mark.parametrize(
    "change", [{"model_type": "llama"}, {"activation_function": "gelu"}, {"n_head": 5}]
)
def test_another_architecture_is_refused(tmp_path, change):
    save_gpt2(rough_model(SIZES[0]).float(), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match="describes no GPT-2|heads do not divide"):
        load_config(path)


def test_weights_depend_on_the_generator_alone():
    with no_global_rng():
        first, again, other = (GPT2(config_of(SIZES[1]), make_generator(s)) for s in (3, 3, 4))
    table = [m.transformer.wte.weight for m in (first, again, other)]
    assert torch.equal(table[0], table[1]) and not torch.equal(table[0], table[2])


def test_dropout_strikes_in_training_only():
    size = GPT2Config(50, n_positions=24, n_embd=12, n_layer=2, n_head=3, dropout=0.5)
    model = GPT2(size, make_generator(0))
    tokens = tokens_of(model, 2, 6)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        assert not torch.equal(model.train()(tokens), model(tokens))
        assert torch.equal(model.eval()(tokens), model(tokens))


def test_bad_sizes_and_long_texts_are_refused():
    with pytest.raises(ValueError, match="5 heads do not divide"):
        GPT2Config(n_head=5)
    with pytest.raises(ValueError, match="n_layer must be at least 1"):
        GPT2Config(n_layer=0)
    with pytest.raises(ValueError, match="dropout"):
        GPT2Config(dropout=1.0)
    model = rough_model(SIZES[0])
    with pytest.raises(ValueError, match="25 tokens; this model reads 24"):
        model(tokens_of(model, 1, 25))
    cache = model.new_cache(2, 4)
    model(tokens_of(model, 2, 3), cache=cache)
    with pytest.raises(ValueError, match="do not fit"):
        model(tokens_of(model, 2, 2), cache=cache)
