"""Sampling: the course's ``generate`` against ``transformers.generate``, tokens per CPU-second.

The same weights (random at 124M), no end token, so that both write every token; one thread, in turn, best of the
rounds. ``python benchmarks/rlhf/generation.py --json out.json``
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import torch  # noqa: E402
from transformers import GPT2Config as TheirConfig  # noqa: E402
from transformers import GPT2LMHeadModel  # noqa: E402

import rlcourse  # noqa: E402

rlcourse.overlay(REPOSITORY / "solutions")

from rlcourse.language_policy import generate  # noqa: E402
from rlcourse.recipes.review_writer import load_base  # noqa: E402
from rlcourse.support.gpt2 import GPT2, GPT2Config  # noqa: E402
from rlcourse.support.seeding import make_generator  # noqa: E402

NEVER = -1
"""No token has this number, so no response ends."""
CASES = {"1M": ((1, 24), (64, 24)), "124M": ((1, 12), (16, 12))}
"""Batch and new tokens for each size."""


def theirs_of(model: GPT2) -> GPT2LMHeadModel:
    """The same model in transformers."""
    size = asdict(model.config)
    del size["dropout"]
    found = GPT2LMHeadModel(TheirConfig(**size, bos_token_id=0, eos_token_id=None))
    tensors = model.state_dict()
    found.load_state_dict(tensors | {"lm_head.weight": tensors["transformer.wte.weight"]})
    found.generation_config.eos_token_id = None
    found.generation_config.pad_token_id = 0
    return found.eval()


def best(writers: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """CPU seconds of the fastest round of each, in turn; one more round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in writers}
    for turn in range(rounds + 1):
        for name, write in writers.items():
            start = time.process_time()
            write()
            if turn:
                seconds[name].append(time.process_time() - start)
    return {name: min(found) for name, found in seconds.items()}


def compare(model: GPT2, batch: int, new: int, rounds: int) -> dict[str, float]:
    """Tokens per CPU-second of both, and ours over theirs."""
    theirs, generator = theirs_of(model), make_generator(0)
    prompts = torch.randint(1, model.config.vocab_size, (batch, 8), generator=generator)
    whole = torch.ones_like(prompts)

    def ours() -> None:
        assert generate(model, prompts, new, 1.0, NEVER, generator).mask.all()

    def reference() -> None:
        found = theirs.generate(
            prompts, attention_mask=whole, max_new_tokens=new, do_sample=True, top_k=0
        )
        assert found.shape[1] == 8 + new

    seconds = best({"rlcourse": ours, "transformers": reference}, rounds)
    rates = {name: batch * new / used for name, used in seconds.items()}
    return rates | {"ratio": rates["rlcourse"] / rates["transformers"]}


def main() -> None:
    """Measure all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", choices=tuple(CASES), default=tuple(CASES))
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(machine)
    table: dict[str, Any] = {"machine": machine}
    for size in options.sizes:
        model = load_base() if size == "1M" else GPT2(GPT2Config(), make_generator(0)).eval()
        for batch, new in CASES[size]:
            found = table[f"{size}, batch {batch}"] = compare(model, batch, new, options.rounds)
            said = ", ".join(f"{name} {rate:.2f}" for name, rate in found.items())
            print(f"{size}, batch {batch}, {new} tokens: {said}", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
