"""Make ``rlcourse/data/film_gpt.safetensors``: ``python -m autograder.data.film_gpt``. Some minutes on one core."""

import hashlib
import sys
from pathlib import Path

import torch
from safetensors.torch import save

from rlcourse import use_solutions

TARGET = Path(__file__).resolve().parents[2] / "rlcourse" / "data" / "film_gpt.safetensors"


def main() -> int:
    """Train the model with its documented settings and write its weights in half precision."""
    torch.set_num_threads(1)
    use_solutions("language_modeling")
    from rlcourse.recipes.film_gpt import train_film_gpt

    model, losses = train_film_gpt()
    weights = {name: weight.half().contiguous() for name, weight in model.state_dict().items()}
    made = save(weights)
    TARGET.write_bytes(made)
    last = sum(losses[-100:]) / 100
    print(f"{len(made):,} bytes, loss {last:.2f}, SHA-256 {hashlib.sha256(made).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
