"""Bits a character of texts under SmolLM2-135M-Instruct; runs in an environment of its own, without the course.

``python judge_worker.py WEIGHTS.gguf TEXTS.json`` reads a dictionary of lists of texts and prints one JSON line: for
each list the bits of its texts and their characters. ``fluency.py`` writes the texts and makes the environment.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

BATCH = 20
START = "\n"
"""Every text stands behind a line break, so that its first word is predicted too; its end is not."""


@torch.no_grad()
def bits(model: Any, tokenizer: Any, texts: list[str]) -> float:
    """Minus the logarithm, to the base 2, of the probability of all texts together."""
    total, order = 0.0, sorted(texts, key=len)
    for first in range(0, len(order), BATCH):
        batch = [START + text for text in order[first : first + BATCH]]
        found = tokenizer(batch, return_tensors="pt", padding=True)
        tokens, mask = found["input_ids"], found["attention_mask"]
        every = model(input_ids=tokens, attention_mask=mask).logits[:, :-1].log_softmax(-1)
        each = every.gather(-1, tokens[:, 1:, None])[..., 0]
        total -= float(each[mask[:, 1:] > 0].sum())
    return total / math.log(2)


def main() -> None:
    """Read, judge and print."""
    torch.set_num_threads(1)
    weights = Path(sys.argv[1])
    groups = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    where = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    tokenizer.pad_token, tokenizer.padding_side = tokenizer.eos_token, "right"
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32).eval()
    found = {}
    for name, texts in groups.items():
        found[name] = {"bits": bits(model, tokenizer, texts), "characters": sum(map(len, texts))}
        print(name, found[name], file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
