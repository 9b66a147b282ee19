"""The writer of the corpus: transformers' numbers, however its texts are begun together, and a file to go on with."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from autograder.data.llama import Llama, LlamaConfig, Rows, write
from autograder.data.review_corpus import read_written
from autograder.data.review_teacher import pack, wanted_texts
from rlcourse.support.seeding import make_generator

transformers = pytest.importorskip("transformers")

CONFIG = LlamaConfig(layers=3, heads=6, groups=2, theta=10_000.0, epsilon=1e-5)
END = 7


@pytest.fixture(scope="module")
def peer():
    """A random model of transformers, with weights far from 0."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=40,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        rope_parameters={"rope_theta": 10_000.0, "rope_type": "default"},
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture(scope="module")
def model(peer) -> Llama:
    """The same weights in ours."""
    return Llama(peer.state_dict(), CONFIG)


def logits(model: Llama, hidden: Tensor) -> Tensor:
    return hidden @ model.embedding.T


def read(model: Llama, tokens: Tensor) -> Rows:
    rows = model.new_rows(len(tokens), tokens.shape[1])
    model.hidden(tokens, rows)
    return rows


@torch.no_grad()
def test_whole_pass_equals_transformers(peer, model: Llama) -> None:
    tokens = torch.randint(0, 40, (3, 11), generator=make_generator(1))
    ours = logits(model, model.hidden(tokens, model.new_rows(3, 11)))
    torch.testing.assert_close(ours, peer(tokens).logits, atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_rows_behind_a_shared_beginning_equal_a_whole_pass(peer, model: Llama) -> None:
    beginning = torch.randint(0, 40, (1, 5), generator=make_generator(2))
    own = torch.randint(0, 40, (4, 6), generator=make_generator(3))
    shared, rows = read(model, beginning), model.new_rows(4, 6)
    first = [logits(model, model.hidden(own[:, t : t + 1], rows, shared)) for t in range(3)]
    rows.keep(torch.tensor([0, 2]))  # two rows have ended
    kept = own[[0, 2]]
    second = [logits(model, model.hidden(kept[:, t : t + 1], rows, shared)) for t in range(3, 6)]
    whole = peer(torch.cat([beginning.expand(4, -1), own], dim=1)).logits[:, 5:]
    torch.testing.assert_close(torch.cat(first, 1), whole[:, :3], atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(torch.cat(second, 1), whole[[0, 2], 3:], atol=2e-4, rtol=1e-4)


def test_texts_end_hold_allowed_tokens_only_and_follow_the_models_chances(model: Llama) -> None:
    allowed, beginning = torch.tensor([3, END, 20, 31]), [1, 2, 3]
    texts = write(model, beginning, 4_000, 6, allowed, END, 2.0, make_generator(4))
    assert all(len(text) < 6 and set(text) <= {3, 20, 31} for text in texts)
    last = model.hidden(torch.tensor([beginning]), model.new_rows(1, 3))[0, -1]
    chances = (logits(model, last)[allowed] / 2.0).softmax(0)
    ended_at_once = sum(not text for text in texts) / 4_000
    assert abs(ended_at_once - float(chances[1])) < 0.03  # four standard errors
    again = write(model, beginning, 4_000, 6, allowed, END, 2.0, make_generator(4))
    assert texts == again


def test_lines_that_nobody_should_read_are_left_out() -> None:
    good, accent = "A film of four words.", "caf\u00e9 scenes are the best"
    german = "Ein Film f\u00fcr alle, \u00fcberall"
    assert wanted_texts([good, " " + good, "", "Too short.", german, accent]) == [good, accent]


def test_batches_are_packed_in_order_each_text_once(tmp_path: Path) -> None:
    first, second, third = (f"The {word} of all these films." for word in ("first", "last", "best"))
    (tmp_path / "00000.txt").write_text(f"{second}\n{first}\n", "utf-8")
    (tmp_path / "00001.txt").write_text(f"{first}\n{third}\n", "utf-8")
    (tmp_path / "00002.tmp").write_text("A batch that was cut off.\n", "utf-8")
    target = tmp_path / "packed.xz"
    assert pack(tmp_path, target) == 3
    assert read_written(target) == [second, first, third]
