"""DPO, RLOO, GRPO and PPO on the small GPT-2: the same start, the same reward, as many scored responses.

The task is chapter 11's: from the fine-tuned policy on, write film reviews that the reward model likes, at a price of
``beta`` a nat. Every method may have ``updates * responses`` responses scored and goes over each ``epochs`` times.
PPO is ``fine_tune`` of chapter 11. RLOO and GRPO answer each prompt several times and have no critic. DPO has the
reference write two responses to a prompt, is told once which is preferred, and never writes again.
"""

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlcourse.instruct_gpt import response_log_probs
from rlcourse.language_policy import kl_penalty_loss
from rlcourse.ppo import approx_kl, clip_fraction, mean_of, minibatches
from rlcourse.preference_optimization import dpo_loss, group_advantages, grpo_loss
from rlcourse.recipes.instruct_gpt import ScaledReward, fine_tune, scaled_reward
from rlcourse.recipes.instruct_gpt_config import InstructGPTConfig
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

METHODS = ("dpo", "rloo", "grpo", "ppo")


@dataclass(frozen=True, slots=True)
class EqualKLConfig:
    """Settings of one run.

    Raises:
        ValueError: if there is no such method, a number lies outside its range, or sizes do not fit together.
    """

    method: str = "rloo"
    """One of ``METHODS``."""
    beta: float = 0.1
    """Price of a nat. The methods make different use of it: compare them at equal KL, not at equal price."""
    seed: int = 0
    """Of the fine-tuning before, of prompts, responses, comparisons and minibatches."""
    updates: int = 40
    """Batches of responses."""
    responses: int = 64
    """Responses in a batch."""
    size: int = 4
    """K, responses to one prompt, for RLOO and GRPO; DPO compares two, PPO writes one."""
    epochs: int = 2
    """Passes over each response."""
    minibatch: int = 32
    """Responses that make one gradient; half as many pairs."""
    learning_rate: float = 5e-4
    """Of AdamW; falls in a straight line to 0."""
    clip_eps: float = 0.2
    """Clip of the ratios, for all but DPO."""
    max_grad_norm: float = 1.0
    """Length to which a longer gradient is shortened."""
    snippets: int = 5_000
    """How many snippets the fine-tuning before reads at most."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"no method {self.method!r}; there are {', '.join(METHODS)}")
        if self.beta < 0 or (self.method == "dpo" and self.beta == 0):
            raise ValueError(f"beta must not be negative, for DPO positive; got {self.beta}")
        if min(self.updates, self.epochs, self.size - 1, self.minibatch - 1) < 1:
            raise ValueError("updates and epochs must be at least 1, size and minibatch at least 2")
        if self.responses % self.size or self.responses % 2 or self.minibatch % 2:
            raise ValueError("size must divide responses; responses and minibatch must be even")

    @property
    def instruct_gpt(self) -> InstructGPTConfig:
        """The same for chapter 11: how the policy was fine-tuned, what PPO does; both readers are the course's."""
        rlhf = RLHFConfig(
            kl_coef=self.beta,
            clip_range=self.clip_eps,
            epochs=self.epochs,
            minibatch_size=self.minibatch,
            learning_rate=self.learning_rate,
            max_grad_norm=self.max_grad_norm,
        )
        own = InstructGPTConfig(seed=self.seed, snippets=self.snippets, trained=(), rlhf=rlhf)
        return replace(own, updates=self.updates, prompts=self.responses)

    @property
    def steps(self) -> int:
        """Steps of the optimizer in all."""
        return self.updates * self.epochs * -(-self.responses // self.minibatch)

    def rate(self, step: int) -> float:
        """Learning rate of a step of the optimizer, counted from 0."""
        return self.learning_rate * (1.0 - step / self.steps)


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
        loss = dpo_loss(*new.chunk(2), *ref[rows].chunk(2), config.beta)
        _take(policy, loss, config, optimizer)
        better, worse = (new.detach() - ref[rows]).chunk(2)
        row = {"loss": loss.item(), "accuracy": float((better > worse).float().mean())}
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
