"""Make the shipped reward models from the shipped language model and the rated film snippets.

``python -m autograder.data.reward_gpt``: a few minutes on one core. ``rm`` is trained on one half of the training
snippets, ``judge`` on the other, with another seed. ``--seeds 3``
trains ``rm`` with seeds 0 to 2 instead, writes nothing
and prints accuracies on the test part.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

import rlcourse

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "rlcourse" / "data"
SEEDS = {"rm": 0, "judge": 1}


def train(name: str, seed: int, quiet: bool) -> tuple[torch.nn.Module, float]:
    """A reward model of one half of the training snippets, and its accuracy on all pairs of the test part."""
    from rlcourse.recipes.comparisons import pair_accuracy
    from rlcourse.recipes.review_writer import film_part, load_base
    from rlcourse.recipes.reward_model import RewardTrainingConfig, score_texts, train_on_ratings
    from rlcourse.support.seeding import make_generator

    config = RewardTrainingConfig()
    model, _ = train_on_ratings(load_base(), film_part(name), config, make_generator(seed), quiet)
    test = film_part("test")
    return model, pair_accuracy(score_texts(model, [s.text for s in test]), test)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write, or train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="only measure, with so many seeds")
    parser.add_argument("--only", choices=tuple(SEEDS), help="make only this one")
    parser.add_argument("--first-seed", type=int, default=0, help="of those that are only measured")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    chosen = parser.parse_args(arguments)
    rlcourse.overlay(str(ROOT / "solutions"))
    torch.set_num_threads(1)
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
        print(f"rm, seed {seed}: {train('rm', seed, chosen.quiet)[1]:.4f}", flush=True)
    if chosen.seeds:
        return
    for name in (chosen.only,) if chosen.only else tuple(SEEDS):
        seed = SEEDS[name]
        model, accuracy = train(name, seed, chosen.quiet)
        tensors = {key: x.half().contiguous() for key, x in model.state_dict().items()}
        save_file(tensors, DATA / f"reward_{name}_1m.safetensors")
        print(f"{name}: pair accuracy {accuracy:.4f} on the test part", flush=True)


if __name__ == "__main__":
    main()
