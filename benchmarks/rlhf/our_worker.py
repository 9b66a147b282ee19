"""PPO by the course's ``rlhf_step`` on the same task as ``trl_worker.py``; prints the same JSON line."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

import rlcourse

rlcourse.overlay(Path(__file__).resolve().parents[2] / "solutions")

from rlcourse.instruct_gpt import rlhf_step  # noqa: E402
from rlcourse.recipes.instruct_gpt import make_optimizer  # noqa: E402
from rlcourse.recipes.review_writer import load_base  # noqa: E402
from rlcourse.recipes.reward_model import load_reward_model  # noqa: E402
from rlcourse.support.gpt2_weights import load_weights  # noqa: E402
from rlcourse.support.rlhf_config import RLHFConfig  # noqa: E402
from rlcourse.support.seeding import make_generator  # noqa: E402
from rlcourse.support.tokenizer import END_ID  # noqa: E402


def main() -> None:
    """Train for the task's updates and print what they took."""
    task = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(1)
    generator = make_generator(task["seed"])
    config = replace(
        RLHFConfig(),
        kl_coef=task["kl_coef"],
        epochs=task["epochs"],
        minibatch_size=task["minibatch"],
        max_new_tokens=task["room"],
        learning_rate=task["learning_rate"],
    )
    actor, reference = load_base(), load_base()
    for model in (actor, reference):
        load_weights(model, load_file(task["base"]))
    reward_model, critic = load_reward_model("rm"), load_reward_model("rm")
    optimizer = make_optimizer(actor, critic, config.learning_rate)
    prompts, batch = torch.tensor(task["prompts"]), task["batch"]
    seconds, tokens = [], []
    for _ in range(task["updates"]):
        start = time.process_time()
        some = torch.randperm(len(prompts), generator=generator)[:batch]
        models = actor, critic, reference, reward_model
        row = rlhf_step(*models, prompts[some], config, optimizer, END_ID, generator)
        seconds.append(time.process_time() - start)
        tokens.append(round(row["response_length"] * batch))
    print(json.dumps({"seconds": seconds, "tokens": tokens}))


if __name__ == "__main__":
    main()
