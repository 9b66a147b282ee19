"""A causal language model of film reviews: for a moment on the page of chapter 1, for longer in a shipped file."""

from importlib.resources import files

import torch
from safetensors.torch import load
from torch import Tensor

from rlcourse.recipes.language_models import TrainingConfig, train_causal
from rlcourse.recipes.tiny_transformer import TinyTransformer, TransformerConfig
from rlcourse.recipes.words import END, START, Vocabulary, split_words
from rlcourse.support.ratings import Snippet, Splits, load_snippets, split_snippets
from rlcourse.support.seeding import make_generator

LONGEST = 24
"""Words of a review that are read; the rest is cut off."""
MINIMUM = 8
"""How often a word must occur in the training part to be known."""
LONG_RUN = TrainingConfig(steps=2000, batch=32, learning_rate=4e-3)
"""How the shipped model was trained; seeds 1 for its weights at first and 2 for its batches."""
WEIGHTS = "film_gpt.safetensors"


def film_splits() -> Splits:
    """The film snippets in their four parts."""
    return split_snippets(load_snippets("film"))


def training_part(parts: Splits) -> list[Snippet]:
    """What the model may read: neither the test nor the validation part."""
    return [*parts.rm, *parts.judge]


def film_vocabulary(parts: Splits) -> Vocabulary:
    """The words of the training part."""
    return Vocabulary([split_words(s.text) for s in training_part(parts)], MINIMUM)


def review_tokens(vocabulary: Vocabulary, text: str) -> list[int]:
    """A review between ``START`` and ``END``."""
    return [START, *vocabulary.encode(split_words(text)[:LONGEST]), END]


def new_film_gpt(vocabulary: Vocabulary, embeddings: Tensor | None = None) -> TinyTransformer:
    """The model before it has read anything; ``embeddings`` (V, D) to start from word vectors."""
    config = TransformerConfig(len(vocabulary), longest=LONGEST + 2)
    return TinyTransformer(config, make_generator(1), embeddings)


def train_film_gpt(config: TrainingConfig = LONG_RUN) -> tuple[TinyTransformer, list[float]]:
    """Train the model anew.

    Returns:
        the model and its loss before each update.
    """
    parts = film_splits()
    vocabulary = film_vocabulary(parts)
    model = new_film_gpt(vocabulary)
    texts = [review_tokens(vocabulary, s.text) for s in training_part(parts)]
    return model, train_causal(model, texts, config, make_generator(2))


def load_film_gpt() -> TinyTransformer:
    """The shipped model, trained with ``LONG_RUN``. Its weights are stored in half precision."""
    model = new_film_gpt(film_vocabulary(film_splits()))
    packed = files("rlcourse").joinpath("data", WEIGHTS).read_bytes()
    weights = {name: weight.to(torch.float32) for name, weight in load(packed).items()}
    model.load_state_dict(weights)
    return model.eval()
