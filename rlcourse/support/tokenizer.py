"""Text to token numbers and back: a byte-level byte-pair vocabulary of 2,048, made from the rated snippets.

Byte-pair encoding: Sennrich et al. (2016); on bytes, so that no text is unknown: Radford et al. (2019).
``rlcourse/data/README.md`` says which texts it was made from.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

VOCABULARY = "review_bpe.json"
"""Name of the shipped file."""
VOCAB_SIZE = 2048
"""V of the shipped file."""
END = "<|endoftext|>"
"""Stands before the first text, between texts and behind the last, as in GPT-2."""
END_ID = 0
"""Its number in the shipped vocabulary."""


def tidy(text: str) -> str:
    """The text with one space between words and plain quotation marks."""
    return re.sub(r"\s+", " ", text.replace("''", '"').replace("``", '"')).strip()


def train_tokenizer(texts: Iterable[str], vocab_size: int = VOCAB_SIZE) -> Tokenizer:
    """Make a byte-level byte-pair vocabulary.

    Args:
        texts: what to learn frequent pieces from.
        vocab_size: pieces in all, the 256 bytes and ``END`` among them.

    Raises:
        ValueError: if there is no room for the bytes.
    """
    if vocab_size < 257:
        raise ValueError(f"vocab_size must hold 256 bytes and {END}, got {vocab_size}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([tidy(text) for text in texts], trainer)
    return tokenizer


@lru_cache
def load_tokenizer() -> Tokenizer:
    """The shipped vocabulary. ``END`` inside a text is text, so that nobody can end anything by typing it."""
    text = files("rlcourse").joinpath("data", VOCABULARY).read_text("utf-8")
    tokenizer = Tokenizer.from_str(text)
    tokenizer.encode_special_tokens = True
    return tokenizer


def encode(texts: Sequence[str]) -> list[list[int]]:
    """Token numbers of each text, tidied, without ``END``."""
    found = load_tokenizer().encode_batch([tidy(text) for text in texts])
    return [encoding.ids for encoding in found]


def decode(tokens: Sequence[int] | Tensor) -> str:
    """The text of token numbers (T,), up to the first ``END`` that is not at the start."""
    numbers = torch.as_tensor(tokens).tolist()
    if numbers[:1] == [END_ID]:
        numbers = numbers[1:]
    if END_ID in numbers:
        numbers = numbers[: numbers.index(END_ID)]
    text: str = load_tokenizer().decode(numbers)
    return text
