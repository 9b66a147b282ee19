"""PPO by TRL 1.12.0 on the task of ``run.py``; knows nothing of the course, so it may run in another environment.

``python trl_worker.py TASK.json`` prints one JSON line: seconds and response tokens of each update, and most memory.
On a GPU TRL gets what its users would give it: mixed precision in bfloat16 while it trains, and while it writes.
"""

import json
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    TrainerCallback,
)
from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer


class Clock(TrainerCallback):
    """Notes the time at the end of each update, when the device is through with it."""

    def __init__(self) -> None:
        self.times = [time.perf_counter()]

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Called by TRL."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())


def models(task: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Policy, reference, reward model and critic; the reward model has the size of the course's."""
    folder, end, pad = Path(task["base"]), task["end_id"], task["pad_id"]
    stated = json.loads((folder / "config.json").read_text("utf-8"))
    ends = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": pad, "num_labels": 1}
    config = GPT2Config.from_dict(stated | ends)
    config.attn_pdrop = config.embd_pdrop = config.resid_pdrop = 0.0
    weights = {name: x.float() for name, x in load_file(folder / "model.safetensors").items()}
    body = {name.removeprefix("transformer."): x for name, x in weights.items()}
    writers = GPT2LMHeadModel(config), GPT2LMHeadModel(config)
    critic = GPT2ForSequenceClassification(config)
    for model in (*writers, critic):
        model.transformer.load_state_dict(body, strict=False)  # old files hold masks beside them
        model.tie_weights()
    small = GPT2Config(**task["judge_size"], **ends, vocab_size=config.vocab_size)
    return *writers, GPT2ForSequenceClassification(small), critic


def count_tokens() -> list[int]:
    """A list that grows by the response tokens of each batch that TRL truncates."""
    counts: list[int] = []
    truncate = ppo_trainer.truncate_response

    def counting(stop: int, pad: int, responses: torch.Tensor) -> torch.Tensor:
        found = truncate(stop, pad, responses)
        counts.append((found != pad).sum())  # asked for at the end, lest the device has to wait
        return found

    ppo_trainer.truncate_response = counting
    return counts


def write_in_half_precision() -> None:
    """TRL trains in mixed precision, but writes outside of it: put it inside."""
    generate = ppo_trainer.batch_generation

    def inside(*arguments: Any, **names: Any) -> Any:
        with torch.autocast("cuda", torch.bfloat16):
            return generate(*arguments, **names)

    ppo_trainer.batch_generation = inside


def settings(task: dict[str, Any], folder: str) -> PPOConfig:
    """The same batch, minibatches, epochs and prices as ours."""
    on_gpu = task["device"] == "cuda"
    return PPOConfig(
        output_dir=folder,
        per_device_train_batch_size=task["micro_rows"],
        gradient_accumulation_steps=task["batch"] // task["micro_rows"],
        num_mini_batches=task["batch"] // task["minibatch"],
        num_ppo_epochs=task["epochs"],
        total_episodes=task["batch"] * task["updates"],
        response_length=task["room"],
        local_rollout_forward_batch_size=task["rollout_rows"],
        learning_rate=task["learning_rate"],
        kl_coef=task["kl_coef"],
        stop_token="eos",
        missing_eos_penalty=1.0,
        temperature=1.0,
        num_sample_generations=0,
        gradient_checkpointing=False,
        use_cpu=not on_gpu,
        bf16=on_gpu,
        seed=task["seed"],
        report_to=[],
        save_strategy="no",
    )


def main() -> None:
    """Train for the task's updates and print what they took."""
    task = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    if version("trl") != task["trl"]:
        raise SystemExit(f"this is trl {version('trl')}, not {task['trl']}")
    torch.set_num_threads(task["threads"])
    torch.manual_seed(task["seed"])
    if task["device"] == "cuda":
        write_in_half_precision()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(Path(task["base"], "tokenizer.json")), padding_side="left"
    )
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(task["end_id"])
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(task["pad_id"])
    policy, reference, reward_model, critic = models(task)
    data, counts = Dataset.from_dict({"input_ids": task["prompts"]}), count_tokens()
    with tempfile.TemporaryDirectory() as folder:
        trainer = PPOTrainer(
            args=settings(task, folder),
            processing_class=tokenizer,
            model=policy,
            ref_model=reference,
            reward_model=reward_model,
            value_model=critic,
            train_dataset=data,
            eval_dataset=data.select(range(4)),
            callbacks=[clock := Clock()],
        )
        trainer.train()
    seconds = [b - a for a, b in zip(clock.times, clock.times[1:], strict=False)]
    tokens = torch.tensor([int(x) for x in counts]).reshape(task["updates"], -1).sum(dim=1)
    found = {
        "seconds": seconds,
        "tokens": tokens.tolist(),
        "peak_gigabytes": peak_gigabytes(task["device"]),
        "program": f"trl {version('trl')}, transformers {version('transformers')}, "
        f"torch {version('torch')}",
    }
    print(json.dumps(found))


def peak_gigabytes(device: str) -> float:
    """Most memory that tensors held on a GPU, or the process on a CPU."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    from resource import RUSAGE_SELF, getrusage

    return getrusage(RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
