"""PPO on a small GPT-2, one algorithm on one page: write, judge, compare, update.

The same settings run on a CPU and on a GPU; with several GPUs, start it by ``torchrun``::

    python -m rlcourse.recipes.finale_run --folder runs/first --steps 40
    torchrun --nproc-per-node 4 -m rlcourse.recipes.finale_run --folder runs/four --batch 512

Ouyang et al. (2022), section 3.5; the page of chapter 12 reads through a run. ``finale_run`` keeps it alive.
"""

import copy
import math

import torch
from torch import Tensor, nn

from rlcourse.gpt2_ppo import Microbatch, accumulate_gradients, bucket_by_length
from rlcourse.instruct_gpt import kl_shaped_rewards, response_advantages
from rlcourse.ppo import (
    approx_kl,
    clip_fraction,
    clipped_surrogate_loss,
    clipped_value_loss,
    minibatches,
)
from rlcourse.recipes.fast_writing import write_fast
from rlcourse.recipes.finale_batch import (
    PROMPT_TOKENS,
    Batch,
    FinaleConfig,
    about,
)
from rlcourse.recipes.finale_models import (
    Judge,
    Trained,
    bytes_needed,
    film_texts,
    load_policy,
    new_critic,
    refuse_small,
)
from rlcourse.recipes.reward_model import load_reward_model
from rlcourse.support.fast_gpt2 import FastGPT2
from rlcourse.support.generation import Generation
from rlcourse.support.processes import join
from rlcourse.support.responses import ended, penalize_missing_end
from rlcourse.support.seeding import make_generator


class Finale:
    """Models, optimizer, prompts, and one step.

    Args:
        config: settings.
        device: where to run; by default a GPU if there is one.

    Raises:
        ValueError: if the batch cannot be shared among the processes, or the device has too little memory.
        FileNotFoundError: if the base is a folder that lacks a file.
    """

    def __init__(self, config: FinaleConfig, device: str | torch.device | None = None) -> None:
        self.config = config
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.processes = join(self.device)
        if config.batch % self.processes.count:
            raise ValueError(
                f"a batch of {config.batch} cannot be shared by {self.processes.count} processes"
            )
        actor, self.vocabulary = load_policy(config.base)
        refuse_small(self.device, bytes_needed(actor))
        critic = new_critic(config.base, actor)
        self.trained = Trained(actor, critic).to(self.device)
        self.reference = copy.deepcopy(self.trained.actor).requires_grad_(False)
        self.writer = self.trained.actor
        if self.device.type == "cuda":  # half the bytes, and decoding is a matter of bytes
            self.writer = copy.deepcopy(self.trained.actor).to(torch.bfloat16).requires_grad_(False)
        weights = [p for p in self.trained.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            weights,
            config.learning_rate,
            betas=(0.9, 0.95),
            eps=1e-5,
            weight_decay=0.0,
            fused=self.device.type == "cuda",
        )
        self.prompts = self.vocabulary.prompts(film_texts("rm"), PROMPT_TOKENS)
        self.micro_tokens = config.micro_tokens
        self.judge = self.calibrated("rm")

    def calibrated(self, name: str, count: int = 256) -> Judge:
        """One of the course's reward models, to whom what the reference writes is 0 ± 1."""
        judge = Judge(load_reward_model(name).to(self.device).requires_grad_(False))
        written = self.write(self.prompts[:count].to(self.device), make_generator(12345))
        return judge.calibrated(self.vocabulary.texts(written.tokens))

    def write(self, prompts: Tensor, generator: torch.Generator) -> Generation:
        """Responses of the present policy; the generator is on the CPU, the numbers are the same on every device."""
        uniforms = torch.rand(len(prompts), self.config.room, generator=generator)
        return write_fast(self.writer, prompts, uniforms.to(self.device), self.vocabulary.end_id)

    def log_probs(self, model: FastGPT2, tokens: Tensor, new: int) -> Tensor:
        """(B, N) of the last N of ``tokens``; no logits for the prompt."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            hidden = model.body(tokens)[:, -new - 1 : -1]
            logits = model.logits(hidden)
        every = logits.float().log_softmax(dim=-1)
        return every.gather(-1, tokens[:, -new:].unsqueeze(-1)).squeeze(-1)

    def values(self, tokens: Tensor, new: int) -> Tensor:
        """(B, N) of the critic before each of the last N tokens."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            found: Tensor = self.trained.critic(tokens)
        return found[:, -new - 1 : -1].float()

    @torch.no_grad()
    def collect(self, step: int) -> Batch:
        """Write, judge and compare; every process ends up knowing all rows."""
        config, share = self.config, self.processes.share
        generator = make_generator(config.seed * 1_000_003 + step)
        rows = torch.randint(len(self.prompts), (config.batch,), generator=generator)
        uniforms = share(torch.rand(config.batch, config.room, generator=generator))
        prompts = share(self.prompts[rows]).to(self.device)
        found = write_fast(self.writer, prompts, uniforms.to(self.device), self.vocabulary.end_id)
        log_probs = found.log_probs
        if self.writer is not self.trained.actor:  # PPO compares with the policy that is trained
            log_probs = self.log_probs(self.trained.actor, found.tokens, config.room)
        parts = (
            found.tokens,
            found.mask,
            log_probs,
            self.log_probs(self.reference, found.tokens, config.room),
            self.values(found.tokens, config.room),
            self.judged(found),
        )
        return self.finished(*(self.processes.gather(part) for part in parts))

    def judged(self, found: Generation) -> Tensor:
        """(B,) scores; one that was cut off gets 0 at most, less the penalty."""
        scores = self.judge.scores(self.vocabulary.texts(found.tokens))
        over = ended(found, self.vocabulary.end_id)
        return penalize_missing_end(scores, over, self.config.missing_end_penalty)

    def finished(self, tokens: Tensor, mask: Tensor, *rest: Tensor) -> Batch:
        """Rewards, advantages and returns of the whole batch, the same in every process."""
        log_probs, ref_log_probs, values, scores = rest
        rewards = kl_shaped_rewards(scores, log_probs, ref_log_probs, mask, self.config.kl_coef)
        advantages, returns = response_advantages(rewards, values, mask, 1.0, self.config.lam)
        return Batch(tokens, mask, log_probs, ref_log_probs, values, advantages, returns, scores)

    def loss(self, trained: nn.Module, part: Microbatch) -> Tensor:
        """() PPO's objective and the critic's, a mean over the tokens of a microbatch."""
        tokens, mask, eps = part["tokens"], part["mask"], self.config.clip_eps
        new = self.log_probs(self.trained.actor, tokens, mask.shape[1])
        policy = clipped_surrogate_loss(new, part["old_log_probs"], part["advantages"], mask, eps)
        values = self.values(tokens, mask.shape[1])
        critic = clipped_value_loss(values, part["old_values"], part["returns"], mask, eps)
        with torch.no_grad():
            old = part["old_log_probs"]
            self.seen.append(
                (mask.sum(), approx_kl(new, old, mask), clip_fraction(new, old, mask, eps))
            )
        return policy + self.config.value_coef * critic

    def update(self, batch: Batch, rows: Tensor) -> Tensor:
        """One step of the optimizer on some rows of the batch; () the loss, before it."""
        own = self.processes.share(rows).to(self.device)
        total = batch.mask[rows.to(self.device)].sum().clamp(min=1)
        self.optimizer.zero_grad()
        loss = torch.zeros((), device=self.device)
        if len(own):
            widths = batch.mask[own].sum(dim=1).long().cpu() + PROMPT_TOKENS + 1
            parts = [
                batch.rows(own[places.to(self.device)])
                for places in bucket_by_length(widths, self.micro_tokens)
            ]
            loss = accumulate_gradients(self.trained, parts, self.loss)
            own_share = batch.mask[own].sum() / total
            loss = loss * own_share
            for parameter in self.trained.parameters():
                if parameter.grad is not None:
                    parameter.grad *= own_share
        self.share_gradients()
        self.processes.add_up(loss)
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"the loss is {loss.item()}")
        for model in (self.trained.actor, self.trained.critic):
            torch.nn.utils.clip_grad_norm_(model.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        return loss

    def share_gradients(self) -> None:
        """Add up the gradients of all processes; one that had no row adds zeros."""
        if self.processes.count == 1:
            return
        for parameter in self.trained.parameters():
            if parameter.requires_grad:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                self.processes.add_up(parameter.grad)

    def train(self, batch: Batch, step: int) -> dict[str, float]:
        """All epochs on one batch; numbers about the updates."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * (1 - step / self.config.steps)
        generator = make_generator(self.config.seed * 1_000_003 + step + 500_000)
        self.seen = list[tuple[Tensor, Tensor, Tensor]]()
        losses = list[Tensor]()
        for _ in range(self.config.epochs):
            for rows in minibatches(len(batch.mask), self.config.minibatch, generator):
                losses.append(self.update_or_halve(batch, rows))
        self.renew_writer()
        tokens, kl, clipped = (torch.stack(column) for column in zip(*self.seen, strict=True))
        sums = torch.stack([tokens.sum(), (tokens * kl).sum(), (tokens * clipped).sum()])
        sums = self.processes.add_up(sums)
        return {
            "loss": torch.stack(losses).mean().item(),
            "approx_kl": (sums[1] / sums[0]).item(),
            "clip_fraction": (sums[2] / sums[0]).item(),
        }

    def renew_writer(self) -> None:
        """Give the copy that writes, if there is one, the weights of the policy."""
        if self.writer is not self.trained.actor:
            self.writer.load_state_dict(self.trained.actor.state_dict())

    def update_or_halve(self, batch: Batch, rows: Tensor) -> Tensor:
        """An update; where memory runs out, again with microbatches of half the size.

        Raises:
            torch.OutOfMemoryError: if not even one response fits.
        """
        while True:
            try:
                return self.update(batch, rows)
            except torch.OutOfMemoryError:
                half = self.micro_tokens // 2
                if half < batch.tokens.shape[1]:
                    raise
                print(
                    f"out of memory: microbatches of {half} tokens instead of {self.micro_tokens}"
                )
                self.micro_tokens = half

    def step(self, step: int) -> dict[str, float]:
        """One step of PPO; numbers for the log."""
        batch = self.collect(step)
        return about(batch) | self.train(batch, step)
