"""InstructGPT on a small GPT-2: supervised fine-tuning, a reward model from people's ratings, PPO, evaluation.

Made of the functions of chapters 8 to 11 (Ouyang et al., 2022); read it beside ``book/11_instruct_gpt.md``::

    python -m rlcourse.recipes.instruct_gpt                            # some minutes; then open report.html
    python -m rlcourse.recipes.instruct_gpt --preset ci --out runs/ci  # the same path in seconds
    python -m rlcourse.recipes.instruct_gpt --resume                   # go on after a cut, exactly
    python -m rlcourse.recipes.instruct_gpt --kl-coef 0 --out runs/b0  # what happens without a leash
    python -m rlcourse.recipes.instruct_gpt --ptx-coef 0.3 --out runs/ptx  # PPO-ptx

The folder gets the weights of each stage, ``config.json``, ``progress.csv``, ``checkpoint.pt``, the trained policy as
``policy/``, and the report as ``report.html`` and ``report.json``.
"""

import argparse
import copy
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from rlcourse.instruct_gpt import rlhf_step
from rlcourse.recipes.instruct_gpt_config import PRESETS, InstructGPTConfig, preset
from rlcourse.recipes.instruct_gpt_stages import (
    Models,
    generators,
    prepare,
    pretraining_texts,
    prompts_of,
)
from rlcourse.recipes.review_writer import demonstrations, film_part, write
from rlcourse.recipes.reward_model import RewardModel
from rlcourse.recipes.rlhf_evaluation import (
    MEANS,
    Evaluation,
    Evaluator,
    Scale,
    scale_of,
    score_responses,
    with_end,
)
from rlcourse.recipes.rlhf_report import RunReport, write_report
from rlcourse.recipes.sft import demonstrated_loss
from rlcourse.support.gpt2 import GPT2
from rlcourse.support.gpt2_weights import save_gpt2
from rlcourse.support.progress import Progress
from rlcourse.support.responses import Texts
from rlcourse.support.tokenizer import END_ID
from rlcourse.support.training_run import Part, TrainingRun, restore, state_of

OVERLAY = "RLCOURSE_OVERLAY"


class ScaledReward(nn.Module):
    """A reward model whose scores have mean 0 and deviation 1 on responses of the reference.

    Args:
        model: scores texts; not changed.
        scale: of its scores.
    """

    def __init__(self, model: RewardModel, scale: Scale) -> None:
        super().__init__()
        self.model, self.scale = model, scale

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B,) scores; arguments as those of ``with_end``: what was cut off is read as if it had ended."""
        return self.scale(self.model(*with_end(tokens, mask)))


def scaled_reward(models: Models, config: InstructGPTConfig) -> ScaledReward:
    """The reward of PPO, its scale set by what the reference answers to prompts of the training part."""
    generator = generators(config)["scale"]
    prompts = prompts_of("rm")
    some = torch.randperm(len(prompts), generator=generator)[: config.scale_prompts]
    found = write(models.reference, prompts[some], generator)
    return ScaledReward(models.reward_model, scale_of(score_responses(models.reward_model, found)))


def make_optimizer(actor: GPT2, critic: RewardModel, learning_rate: float) -> torch.optim.AdamW:
    """AdamW over policy and critic, without weight decay: zero is no place to be pulled to after pretraining."""
    parameters = [*actor.parameters(), *critic.parameters()]
    return torch.optim.AdamW(
        parameters, learning_rate, betas=(0.9, 0.95), eps=1e-5, weight_decay=0.0, fused=True
    )


def fine_tune(
    models: Models,
    config: InstructGPTConfig,
    run: TrainingRun | None = None,
    quiet: bool | None = None,
) -> GPT2:
    """Stage 3: PPO from the reference on, against the reward model; the critic starts as the reward model.

    With ``config.rlhf.ptx_coef`` above 0 it is PPO-ptx: each update also predicts as many snippets that people wrote.

    Args:
        models: of the first two stages; not changed.
        config: how long, how fast, how near to the reference.
        run: where to log and to keep checkpoints; one that resumes goes on exactly.
        quiet: whether to show no progress bar.

    Returns:
        the policy, in evaluation mode. ``run.rows`` has what ``rlhf_step`` reports of each update.
    """
    run = run or TrainingRun(None, config)
    actor = copy.deepcopy(models.reference).requires_grad_(True)
    critic = copy.deepcopy(models.reward_model).requires_grad_(True)
    optimizer = make_optimizer(actor, critic, config.rlhf.learning_rate)
    generator = generators(config)["ppo"]
    parts: dict[str, Part] = {
        "actor": actor,
        "critic": critic,
        "optimizer": optimizer,
        "generator": generator,
    }
    if (state := run.load()) is not None:
        restore(parts, state)
    reward, prompts = scaled_reward(models, config), prompts_of("rm")
    texts = pretraining_texts() if config.rlhf.ptx_coef > 0 else None
    for index in (progress := Progress(range(len(run.rows), config.updates), "ppo", quiet=quiet)):
        optimizer.param_groups[0]["lr"] = rate = config.learning_rate_at(index)
        some = torch.randperm(len(prompts), generator=generator)[: config.prompts]
        people = None if texts is None else random_texts(texts, config.prompts, generator)
        row = rlhf_step(
            actor,
            critic,
            models.reference,
            reward,
            prompts[some],
            config.rlhf,
            optimizer,
            END_ID,
            generator,
            people,
        )
        run.log((index + 1) * config.prompts, **row, learning_rate=rate)
        progress.report(**row)
        if (index + 1) % config.save_every == 0 or index + 1 == config.updates:
            run.save(state_of(parts))
    run.close()
    return actor.eval()


def random_texts(texts: Texts, count: int, generator: torch.Generator) -> Texts:
    """So many of the texts, each at most once."""
    return texts.rows(torch.randperm(len(texts.tokens), generator=generator)[:count])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a whole run gives."""

    models: Models
    policy: GPT2
    before: Evaluation
    """Of the reference."""
    after: Evaluation
    """Of the policy."""
    seconds: dict[str, float]
    """CPU seconds of this process, stage by stage; a stage that was read from a file took next to none."""
    people: dict[str, float]
    """Loss on snippets of the part ``val``, which people wrote, of the reference and of the policy; nats a token."""


def run_all(
    config: InstructGPTConfig, run: TrainingRun | None = None, quiet: bool | None = None
) -> Outcome:
    """All stages and the evaluation.

    Args:
        config: of all of them.
        run: keeps the files of all stages in its folder, if it has one.
        quiet: whether to show no progress bar.
    """
    run = run or TrainingRun(None, config)
    clock = [time.process_time()]
    models = prepare(config, run.folder, quiet)
    clock.append(time.process_time())
    policy = fine_tune(models, config, run, quiet)
    clock.append(time.process_time())
    prompts = prompts_of("test", config.evaluated)
    evaluator = Evaluator(models.reference, models.reward_model, prompts, models.judge)
    before, after = evaluator.evaluate(models.reference), evaluator.evaluate(policy)
    held_out = demonstrations(film_part("val"))
    people = {
        f"loss_on_people_{name}": demonstrated_loss(model, held_out)
        for name, model in (("before", models.reference), ("after", policy))
    }
    clock.append(time.process_time())
    names = ("sft_and_reward_models", "ppo", "evaluation")
    seconds = {n: clock[k + 1] - clock[k] for k, n in enumerate(names)}
    return Outcome(models, policy, before, after, seconds, people)


def report_run(
    config: InstructGPTConfig, folder: Path, resume: bool, quiet: bool | None = None
) -> RunReport:
    """Run everything in a folder, and leave the policy and the report there."""
    run = TrainingRun(folder, config, resume)
    found = run_all(config, run, quiet)
    save_gpt2(found.policy, folder / "policy")
    seconds = {f"cpu_seconds_{name}": x for name, x in found.seconds.items()}
    stages = found.models.report | found.people | seconds
    report = RunReport(asdict(config), stages, run.rows, found.before, found.after)
    write_report(report, folder)
    return report


def print_summary(report: RunReport) -> None:
    """The figures before and after, and one response of each, on the terminal."""
    before, after = report.before.summary(), report.after.summary()
    print(f"{'':<10}{'before':>8}{'after':>8}")
    for name in (*MEANS, "distinct"):
        print(f"{name:<10}{before[name]:>8.2f}{after[name]:>8.2f}")
    for old, new in list(zip(report.before.responses, report.after.responses, strict=True))[:5]:
        print(f"- {old.prompt}|{old.text}\n+ {new.prompt}|{new.text}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m rlcourse.recipes.instruct_gpt", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--preset", choices=tuple(PRESETS), default="default")
    parser.add_argument("--out", type=Path, default=Path("runs/instruct_gpt"), metavar="DIR")
    parser.add_argument("--resume", action="store_true", help="go on with what is in DIR")
    parser.add_argument("--seed", type=int, default=0, help="of all stages (default 0)")
    parser.add_argument("--kl-coef", type=float, metavar="B", help="price of a nat (default 0.2)")
    parser.add_argument(
        "--ptx-coef", type=float, metavar="G", help="weight of people's texts in PPO (default 0)"
    )
    parser.add_argument("--threads", type=int, default=1, help="more only on an idle machine")
    options = parser.parse_args(arguments)
    if options.threads < 1:
        parser.error(f"--threads must be at least 1, got {options.threads}")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line; bad input ends with one line that says what to do."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    try:
        config = preset(options.preset, options.seed, options.kl_coef, options.ptx_coef)
        report = report_run(config, options.out, options.resume)
    except NotImplementedError as error:
        run_on_solutions(error, sys.argv[1:] if arguments is None else arguments)
    except (ValueError, OSError) as error:
        raise SystemExit(f"instruct_gpt: {error}") from error
    else:
        print_summary(report)
        print(f"report: {options.out / 'report.html'}")


def run_on_solutions(error: NotImplementedError, arguments: Sequence[str]) -> None:
    """A chapter's function is not filled in: start again on the authors' solutions, where they are at hand."""
    solutions = Path(__file__).resolve().parents[2] / "solutions"
    if OVERLAY in os.environ or not solutions.is_dir():
        raise SystemExit(
            f"instruct_gpt is made of the functions of chapters 8 to 11, and one is missing: {error}"
        ) from error
    print("the chapters are not filled in here: running on the authors' solutions", flush=True)
    command = [sys.executable, "-m", "rlcourse.recipes.instruct_gpt", *arguments]
    os.execve(sys.executable, command, os.environ | {OVERLAY: str(solutions)})


if __name__ == "__main__":
    main()
