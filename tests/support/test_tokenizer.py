"""The shipped vocabulary: complete, reversible, made from training texts alone."""

import hashlib
from importlib.resources import files

import pytest
import torch

from rlcourse.support.ratings import SOURCES, load_snippets, split_snippets
from rlcourse.support.tokenizer import (
    END,
    END_ID,
    VOCAB_SIZE,
    VOCABULARY,
    decode,
    encode,
    load_tokenizer,
    tidy,
    train_tokenizer,
)


def training_texts():
    parts = [split_snippets(load_snippets(source)) for source in SOURCES]
    return [s.text for part in parts for s in (*part.rm, *part.judge)]


def test_the_file_is_the_one_that_is_documented():
    folder = files("rlcourse").joinpath("data")
    packed = folder.joinpath(VOCABULARY).read_bytes()
    assert hashlib.sha256(packed).hexdigest() in folder.joinpath("README.md").read_text("utf-8")
    assert len(packed) <= 60_000


def test_it_comes_from_the_training_texts_alone():
    """Made again from them, it is the same; with the held-out texts it would be another."""
    shipped = files("rlcourse").joinpath("data", VOCABULARY).read_text("utf-8")
    assert train_tokenizer(training_texts()).to_str() == shipped
    assert train_tokenizer(s.text for s in load_snippets()).to_str() != shipped


def test_sizes():
    assert load_tokenizer().get_vocab_size() == VOCAB_SIZE
    assert load_tokenizer().token_to_id(END) == END_ID
    film = [s.text for s in split_snippets(load_snippets("film")).val]
    tokens = encode(film)
    assert {token for row in tokens for token in row} <= set(range(1, VOCAB_SIZE))
    letters, pieces = sum(map(len, film)), sum(map(len, tokens))
    assert 3.0 < letters / pieces < 3.4  # a byte would be 1, a word about 5


@pytest.mark.parametrize(
    "text", ["A film.", "naïve — 電影 🎬", " two  spaces\nand a line ", "``quoted''", "x" * 300]
)
def test_every_text_comes_back(text):
    (ids,) = encode([text])
    assert decode(ids) == tidy(text)
    assert decode(torch.tensor([END_ID, *ids, END_ID, *ids])) == tidy(text)


def test_tidy():
    assert tidy("``A ''  b\n c ") == '"A " b c'


def test_an_end_in_a_text_is_no_end():
    """Somebody who types the mark of the end must not end anything."""
    (ids,) = encode([f"a {END} b"])
    assert END_ID not in ids


def test_a_vocabulary_without_room_for_bytes_is_refused():
    with pytest.raises(ValueError, match="must hold 256 bytes"):
        train_tokenizer(["a"], 256)
