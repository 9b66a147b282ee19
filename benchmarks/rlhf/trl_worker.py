"""PPO by TRL 1.12.0 on the course's small GPT-2; runs in an environment of its own, without the course.

``python trl_worker.py TASK.json`` prints one JSON line: CPU seconds and response tokens of each update.
``run.py`` writes the task and makes the environment.
"""

import json
import sys
import tempfile
import time
from typing import Any

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

END_ID, PAD_ID = 0, 2047
"""TRL wants a padding token that is no end token; the last of the vocabulary is nearly never drawn."""


class Clock(TrainerCallback):
    """Notes the CPU time at the end of each update."""

    def __init__(self) -> None:
        self.times = [time.process_time()]

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Called by TRL."""
        self.times.append(time.process_time())


def models(task: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Policy, reference, reward model and critic: all from the course's files."""
    base, reader = (
        {k: x.float() for k, x in load_file(task[k]).items()} for k in ("base", "reader")
    )
    size = dict(task["size"]) | dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0)
    config = GPT2Config(
        **size, bos_token_id=END_ID, eos_token_id=END_ID, pad_token_id=PAD_ID, num_labels=1
    )
    writers = GPT2LMHeadModel(config), GPT2LMHeadModel(config)
    for model in writers:
        model.load_state_dict(base | {"lm_head.weight": base["transformer.wte.weight"]})
    body = {k.removeprefix("reader."): x for k, x in reader.items() if k.startswith("reader.")}
    readers = GPT2ForSequenceClassification(config), GPT2ForSequenceClassification(config)
    for model in readers:
        model.load_state_dict(body | {"score.weight": reader["head.weight"]})
    return *writers, *readers


def count_tokens() -> list[int]:
    """A list that grows by the response tokens of each batch that TRL truncates."""
    counts: list[int] = []
    truncate = ppo_trainer.truncate_response

    def counting(stop: int, pad: int, responses: torch.Tensor) -> torch.Tensor:
        found = truncate(stop, pad, responses)
        counts.append(int((found != pad).sum()))
        return found

    ppo_trainer.truncate_response = counting
    return counts


def main() -> None:
    """Train for the task's updates and print what they took."""
    with open(sys.argv[1], encoding="utf-8") as file:
        task = json.load(file)
    torch.set_num_threads(1)
    torch.manual_seed(task["seed"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=task["vocabulary"], padding_side="left")
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(END_ID)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(PAD_ID)
    batch, minibatches = task["batch"], task["batch"] // task["minibatch"]
    settings = PPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=task["minibatch"],
        gradient_accumulation_steps=minibatches,
        num_mini_batches=minibatches,
        num_ppo_epochs=task["epochs"],
        total_episodes=batch * task["updates"],
        response_length=task["room"],
        local_rollout_forward_batch_size=batch,
        learning_rate=task["learning_rate"],
        kl_coef=task["kl_coef"],
        stop_token="eos",
        missing_eos_penalty=1.0,
        temperature=1.0,
        num_sample_generations=0,
        gradient_checkpointing=False,
        use_cpu=True,
        bf16=False,
        report_to=[],
        save_strategy="no",
    )
    policy, reference, reward_model, critic = models(task)
    data, clock, counts = Dataset.from_dict({"input_ids": task["prompts"]}), Clock(), count_tokens()
    trainer = PPOTrainer(
        args=settings,
        processing_class=tokenizer,
        model=policy,
        ref_model=reference,
        reward_model=reward_model,
        value_model=critic,
        train_dataset=data,
        eval_dataset=data.select(range(4)),
        callbacks=[clock],
    )
    trainer.train()
    seconds = [b - a for a, b in zip(clock.times, clock.times[1:], strict=False)]
    print(json.dumps({"seconds": seconds, "tokens": counts}))


if __name__ == "__main__":
    main()
