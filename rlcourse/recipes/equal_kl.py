"""DPO, RLOO, GRPO and PPO on the small GPT-2: the same start, the same reward, as many scored responses.

The task is chapter 11's: from the fine-tuned policy on, write film reviews that the reward model likes, at a price of
``beta`` a nat. Every method may have ``updates * responses`` responses scored and goes over each ``epochs`` times.
PPO is ``fine_tune`` of chapter 11. RLOO and GRPO answer each prompt several times and have no critic. DPO has the
reference write two responses to a prompt, is told once which is preferred, and never writes again.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.instruct_gpt import response_log_probs
from rlcourse.language_policy import kl_penalty_loss
from rlcourse.ppo import approx_kl, clip_fraction, mean_of, minibatches
from rlcourse.preference_optimization import dpo_loss, group_advantages, grpo_loss
from rlcourse.recipes.equal_kl_config import EqualKLConfig
from rlcourse.recipes.instruct_gpt import ScaledReward, fine_tune, scaled_reward
from rlcourse.recipes.instruct_gpt_stages import Models, generators, prompts_of
from rlcourse.recipes.review_writer import ROOM, write
from rlcourse.support.generation import Generation
from rlcourse.support.gpt2 import GPT2
from rlcourse.support.progress import Progress
from rlcourse.support.responses import (
    ended,
    penalize_missing_end,
    with_prompts,
    without_empty_columns,
)
from rlcourse.support.rlhf_config import RLHFConfig
from rlcourse.support.tokenizer import END_ID
from rlcourse.support.training_run import TrainingRun


@dataclass(frozen=True, slots=True)
class Answers:
    """B responses, what was paid for each, and how likely the reference finds them."""

    found: Generation
    scores: Tensor
    """(B) in deviations of the reference's scores, after the penalty of those that were cut off."""
    ref_log_probs: Tensor
    """(B, N) of each token; 0 behind the end."""


@torch.no_grad()
def answer(
    policy: GPT2, reference: GPT2, reward: ScaledReward, prompts: Tensor, generator: torch.Generator
) -> Answers:
    """Let a policy write behind prompts (B, P), and have it scored, as PPO of chapter 11 does."""
    found = without_empty_columns(write(policy, prompts, generator))
    scores = reward(found.tokens, with_prompts(found.mask, found.prompt_length))
    penalty = RLHFConfig().missing_end_penalty
    scores = penalize_missing_end(scores, ended(found, END_ID), penalty)
    return Answers(found, scores, response_log_probs(reference, found.tokens, found.mask, 1.0))


def group_step(
    policy: GPT2,
    batch: Answers,
    config: EqualKLConfig,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> dict[str, float]:
    """Train on one batch, K rows in turn answering the same prompt; numbers for the log.

    RLOO is paid the score less ``beta`` times the log-ratio, and sums over tokens. GRPO is paid the score, divides by
    the deviation of the group and by the length of the response, and has the price of a nat in its loss.
    """
    found, log = batch.found, []
    ratios = (found.log_probs - batch.ref_log_probs).sum(dim=1)
    grpo = config.method == "grpo"
    rewards = batch.scores if grpo else batch.scores - config.beta * ratios
    advantages = group_advantages(rewards.reshape(-1, config.size), config.method).flatten()
    averaged = "sequence" if grpo else "constant"
    for _ in range(config.epochs):
        for rows in minibatches(len(rewards), config.minibatch, generator):
            old, mask = found.log_probs[rows], found.mask[rows]
            new = response_log_probs(policy, found.tokens[rows], mask, 1.0)
            loss = grpo_loss(new, old, advantages[rows], mask, config.clip_eps, averaged, ROOM)
            if grpo:  # of whole responses; the rest of the loss is a mean over tokens
                penalty = kl_penalty_loss(new, batch.ref_log_probs[rows], mask)
                loss = loss + config.beta / ROOM * penalty
            _take(policy, loss, config, optimizer)
            moved = approx_kl(new, old, mask), clip_fraction(new, old, mask, config.clip_eps)
            log.append({"loss": loss, "approx_kl": moved[0], "clip_fraction": moved[1]})
    about = {
        "score": float(batch.scores.mean()),
        "kl": float(ratios.mean()),
        "entropy": -float(found.log_probs[found.mask > 0].mean()),
        "response_length": float(found.mask.sum(dim=1).mean()),
    }
    return about | mean_of(log)


def train_groups(
    models: Models, config: EqualKLConfig, run: TrainingRun, quiet: bool | None = None
) -> GPT2:
    """RLOO or GRPO, from the reference on; the policy at the end, in evaluation mode."""
    policy, optimizer = _fresh(models, config)
    generator = generators(config.instruct_gpt)["ppo"]
    reward, prompts = scaled_reward(models, config.instruct_gpt), prompts_of("rm")
    progress = Progress(range(config.updates), config.method, quiet=quiet)
    for update in progress:
        optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - update / config.updates)
        some = torch.randperm(len(prompts), generator=generator)
        asked = prompts[some[: config.responses // config.size]].repeat_interleave(config.size, 0)
        batch = answer(policy, models.reference, reward, asked, generator)
        row = group_step(policy, batch, config, optimizer, generator)
        run.log((update + 1) * config.responses, **row)
        progress.report(**row)
    return policy


@dataclass(frozen=True, slots=True)
class Pairs:
    """N pairs of responses of the reference, each compared once."""

    answers: Answers
    """(2 N) rows; rows i and N + i answer the same prompt."""
    chosen: Tensor
    """(N) row of the preferred response."""
    rejected: Tensor
    """(N) row of the other."""


def compare(models: Models, config: EqualKLConfig, generator: torch.Generator) -> Pairs:
    """Half as many comparisons as other methods have scores, decided by chance as Bradley and Terry say."""
    reward, prompts = scaled_reward(models, config.instruct_gpt), prompts_of("rm")
    count = config.updates * config.responses // 2
    rows = torch.randint(len(prompts), (count,), generator=generator).repeat(2)
    found = answer(models.reference, models.reference, reward, prompts[rows], generator)
    lead = found.scores[:count] - found.scores[count:]
    wins = torch.rand(count, generator=generator) < lead.sigmoid()
    first = torch.arange(count)
    second = first + count
    return Pairs(found, torch.where(wins, first, second), torch.where(wins, second, first))


def train_dpo(
    models: Models, config: EqualKLConfig, run: TrainingRun, quiet: bool | None = None
) -> GPT2:
    """DPO on comparisons of what the reference wrote; the policy at the end, in evaluation mode."""
    policy, optimizer = _fresh(models, config)
    generator = generators(config.instruct_gpt)["ppo"]
    pairs = compare(models, config, generator)
    found, ref = pairs.answers.found, pairs.answers.ref_log_probs.sum(dim=1)
    parts = (
        part
        for _ in range(config.epochs)
        for part in minibatches(len(pairs.chosen), config.minibatch // 2, generator)
    )
    progress = Progress(range(config.steps), "dpo", quiet=quiet)
    for step, some in zip(progress, parts, strict=True):
        optimizer.param_groups[0]["lr"] = config.rate(step)
        rows = torch.cat([pairs.chosen[some], pairs.rejected[some]])
        new = response_log_probs(policy, found.tokens[rows], found.mask[rows], 1.0).sum(dim=1)
        better, worse = new.chunk(2)
        ref_better, ref_worse = ref[rows].chunk(2)
        loss = dpo_loss(better, worse, ref_better, ref_worse, config.beta)
        _take(policy, loss, config, optimizer)
        right = (better - ref_better) > (worse - ref_worse)
        row = {"loss": loss.item(), "accuracy": float(right.float().mean())}
        run.log((step + 1) * config.minibatch, **row)
        progress.report(**row)
    return policy


def train(
    models: Models, config: EqualKLConfig, run: TrainingRun | None = None, quiet: bool | None = None
) -> GPT2:
    """One run by any method.

    Args:
        models: of chapter 11's first two stages, ``prepare(config.instruct_gpt)``; not changed.
        config: the method and its settings.
        run: where to log; by default nowhere.
        quiet: whether to show no progress bar.

    Returns:
        the policy at the end, in evaluation mode.
    """
    run = run or TrainingRun(None, config)
    if config.method == "ppo":
        return fine_tune(models, config.instruct_gpt, run, quiet)
    by = train_dpo if config.method == "dpo" else train_groups
    policy = by(models, config, run, quiet)
    run.close()
    return policy


def _fresh(models: Models, config: EqualKLConfig) -> tuple[GPT2, torch.optim.AdamW]:
    """A policy that begins as the reference, and the optimizer that PPO of chapter 11 uses."""
    policy = copy.deepcopy(models.reference).requires_grad_(True)
    optimizer = torch.optim.AdamW(
        policy.parameters(),
        config.learning_rate,
        betas=(0.9, 0.95),
        eps=1e-5,
        weight_decay=0.0,
        fused=True,
    )
    return policy, optimizer


def _take(
    policy: GPT2, loss: Tensor, config: EqualKLConfig, optimizer: torch.optim.Optimizer
) -> None:
    """One step of the optimizer."""
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(policy.parameters(), config.max_grad_norm)
    optimizer.step()
