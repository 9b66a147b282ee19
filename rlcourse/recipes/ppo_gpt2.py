"""PPO on a small GPT-2, one algorithm on one page: write, judge, compare, update.

The same settings run on a CPU and on a GPU; with several GPUs, start it by ``torchrun``::

    python -m rlcourse.recipes.finale_run --folder runs/first --steps 40
    torchrun --nproc-per-node 4 -m rlcourse.recipes.finale_run --folder runs/four --batch 512

Ouyang et al. (2022), section 3.5; the page of chapter 12 reads through a run. ``finale_run`` keeps it alive. The host
waits for a GPU in three places: for the texts and what the judges say of them, for the rewards and the lengths that
buckets are made of, and for the numbers of the log. While responses are written, and from one update to the next, it
does not.
"""

import copy
from collections.abc import Callable
from typing import TypeVar

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
from rlcourse.recipes.fast_writing import FastWriter
from rlcourse.recipes.finale_batch import Batch, FinaleConfig, about, refuse_unequal_shares
from rlcourse.recipes.finale_models import (
    Trained,
    bytes_needed,
    last_log_probs,
    load_policy,
    new_critic,
    refuse_absent,
    refuse_small,
)
from rlcourse.recipes.finale_sharding import announce, shard, whole
from rlcourse.recipes.finale_speed import speed_of
from rlcourse.recipes.finale_texts import Judges, film_texts
from rlcourse.recipes.finale_update import Updates
from rlcourse.support.fast_gpt2 import FastGPT2
from rlcourse.support.generation import Generation
from rlcourse.support.processes import join
from rlcourse.support.responses import ended, penalize_missing_end
from rlcourse.support.roofline import limits_of
from rlcourse.support.seeding import make_generator
from rlcourse.support.transfer import Stopwatch, to_device, to_host

Result = TypeVar("Result")


class Finale:
    """Models, optimizer, prompts, and one step.

    Args:
        config: settings.
        device: where to run; by default a GPU if there is one.

    Raises:
        ValueError: if the batch cannot be shared among the processes, or there is no such device, or it has too little
            memory.
        FileNotFoundError: if the base is a folder that lacks a file.
    """

    def __init__(self, config: FinaleConfig, device: str | torch.device | None = None) -> None:
        self.config = config
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        refuse_absent(self.device)
        self.processes = join(self.device)
        refuse_unequal_shares(config, self.processes.count)
        actor, self.vocabulary = load_policy(config.base)
        refuse_small(self.device, bytes_needed(actor))
        self.trained = Trained(actor, new_critic(config.base, actor)).to(self.device)
        self.reference = copy.deepcopy(self.trained.actor).requires_grad_(False)
        own = self.trained.actor
        if self.device.type == "cuda":  # half the bytes, and decoding is a matter of bytes
            own = copy.deepcopy(own).to(torch.bfloat16).requires_grad_(False)
        if config.sharding == "fsdp2":
            own = copy.deepcopy(own).requires_grad_(False)
            shard(self.trained, self.device)
        self.writer = FastWriter(own, self.vocabulary.end_id)
        self.updates = Updates(self.trained, config, self.processes)
        texts = film_texts("rm", config.prompt_tokens)
        self.prompts = self.vocabulary.prompts(texts, config.prompt_tokens)
        self.micro_tokens, self.clock = config.micro_tokens, Stopwatch(self.device)
        written = self.write(self.prompts[:256], make_generator(12345))
        self.judges = Judges(self.device, self.vocabulary.texts(written.tokens))
        self.limits, self.speeds = limits_of(self.device), list[dict[str, float]]()

    @property
    def policy(self) -> FastGPT2:
        """What was trained so far: whole, and in full precision unless only a copy in 16 bits is whole."""
        return self.trained.actor if self.config.sharding == "none" else self.writer.model

    def write(self, prompts: Tensor, generator: torch.Generator) -> Generation:
        """Responses of the present policy; the generator is on the CPU, the numbers are the same on every device."""
        uniforms = torch.rand(len(prompts), self.config.room, generator=generator)
        return self.writer.write(to_device(prompts, self.device), to_device(uniforms, self.device))

    def half_precision(self) -> torch.autocast:
        """On a GPU, products of matrices in 16 bits; everything else stays as it is."""
        on_gpu = self.device.type == "cuda"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu)

    @torch.no_grad()
    def collect(self, step: int) -> Batch:
        """Write, judge and compare; every process ends up knowing all rows."""
        config, share, room = self.config, self.processes.share, self.config.room
        generator = make_generator(config.seed * 1_000_003 + step)
        rows = torch.randint(len(self.prompts), (config.batch,), generator=generator)
        uniforms = share(torch.rand(config.batch, room, generator=generator))
        with self.clock("write"):
            own = to_device(share(self.prompts[rows]), self.device)
            found = self.writer.write(own, to_device(uniforms, self.device))
        texts = to_host(found.tokens)
        with self.clock("read"):
            with self.half_precision():
                read = self.or_halve(lambda: self.in_parts(self.trained, found.tokens))
                compared = self.or_halve(lambda: self.in_parts(self.compare, found.tokens))
            # In 32 bits, in which their scales were set.
            scores = self.judges.scores(self.vocabulary.texts(texts()[0]))
        noted = read[0]  # PPO compares with the policy that is trained, not with a copy of it in
        if self.writer.model is self.trained.actor:  # 16 bits; without such a copy they are one
            noted = found.log_probs
        over = ended(found, self.vocabulary.end_id)
        paid = penalize_missing_end(scores["score"], over, config.missing_end_penalty)
        parts = found.tokens, found.mask, noted, compared[0], read[1], paid, scores["judge"]
        return self.finished(*(self.processes.gather(part) for part in parts))

    def compare(self, tokens: Tensor, new: int) -> tuple[Tensor, ...]:
        """Log-probabilities (B, N) of the last N of ``tokens`` under the reference."""
        return (last_log_probs(self.reference, tokens, new),)

    def in_parts(
        self, read: Callable[[Tensor, int], tuple[Tensor, ...]], tokens: Tensor
    ) -> list[Tensor]:
        """What ``read`` finds in ``tokens`` (B, P+N), some rows at a time: no logits of a whole batch."""
        parts = tokens.split(max(1, self.micro_tokens // tokens.shape[1]))
        found = [read(part, self.config.room) for part in parts]
        return [torch.cat(column) for column in zip(*found, strict=True)]

    def finished(self, tokens: Tensor, mask: Tensor, *rest: Tensor) -> Batch:
        """Rewards, advantages and returns of the whole batch, the same in every process."""
        log_probs, ref_log_probs, values, scores, judged = rest
        rewards = kl_shaped_rewards(scores, log_probs, ref_log_probs, mask, self.config.kl_coef)
        targets = response_advantages(rewards, values, mask, 1.0, self.config.lam)
        lengths = mask.sum(dim=1).long().cpu()
        chances = log_probs, ref_log_probs
        return Batch(tokens, mask, *chances, values, *targets, scores, judged, lengths)

    def loss(self, trained: nn.Module, part: Microbatch) -> Tensor:
        """() PPO's objective and the critic's, a mean over the tokens of a microbatch."""
        mask, old, eps = part["mask"], part["old_log_probs"], self.config.clip_eps
        self.remaining -= 1
        announce(trained, self.remaining == 0)
        with self.half_precision():
            new, values = trained(part["tokens"], mask.shape[1])
        policy = clipped_surrogate_loss(new, old, part["advantages"], mask, eps)
        critic = clipped_value_loss(values, part["old_values"], part["returns"], mask, eps)
        with torch.no_grad():
            moved = approx_kl(new, old, mask), clip_fraction(new, old, mask, eps)
            self.fresh.append(torch.stack([mask.sum(), *(x * mask.sum() for x in moved)]))
        return (policy + self.config.value_coef * critic) * self.share_of_tokens

    def update(self, batch: Batch, rows: Tensor) -> Tensor:
        """One step of the optimizer on some rows of the batch; () the loss, before it."""
        own = self.processes.share(rows)
        every = batch.lengths[rows].sum().clamp(min=1)
        self.share_of_tokens = float(batch.lengths[own].sum() / every)
        loss = self.or_halve(lambda: self.gradients(batch, own))
        self.seen += self.fresh
        self.processes.add_up(loss)
        self.updates.take(loss)
        return loss

    def gradients(self, batch: Batch, own: Tensor) -> Tensor:
        """Leave this process's gradients in the parameters; () its part of the loss."""
        self.fresh = list[Tensor]()
        self.updates.forget()
        if not len(own):
            return torch.zeros((), device=self.device)
        widths = batch.lengths[own] + 1 + self.config.prompt_tokens
        places = bucket_by_length(widths, self.micro_tokens)
        parts = [batch.rows(own[some]) for some in places]
        self.remaining = len(parts)
        return accumulate_gradients(self.trained, parts, self.loss)

    def train(self, batch: Batch, step: int) -> dict[str, float]:
        """All epochs on one batch; numbers about the updates."""
        self.updates.begin(step)
        generator = make_generator(self.config.seed * 1_000_003 + step + 500_000)
        self.seen, losses = list[Tensor](), list[Tensor]()
        with self.clock("train"):
            for _ in range(self.config.epochs):
                for rows in minibatches(len(batch.mask), self.config.minibatch, generator):
                    losses.append(self.update(batch, rows))
            self.renew_writer()
        self.updates.refuse_bad(torch.stack(losses))
        tokens, kl, clipped = self.processes.add_up(torch.stack(self.seen).sum(dim=0)).tolist()
        loss = torch.stack(losses).mean().item()
        return {"loss": loss, "approx_kl": kl / tokens, "clip_fraction": clipped / tokens}

    def renew_writer(self) -> None:
        """Give the copy that writes, if there is one, the weights of the policy."""
        if self.writer.model is not self.trained.actor:
            state = self.trained.actor.state_dict()
            self.writer.model.load_state_dict({name: whole(x) for name, x in state.items()})

    def or_halve(self, work: Callable[[], Result]) -> Result:
        """Do it; where memory runs out, again with microbatches of half the size.

        Raises:
            torch.OutOfMemoryError: if not even one response fits.
        """
        while True:
            try:
                return work()
            except torch.OutOfMemoryError:
                half = self.micro_tokens // 2
                if half < self.config.width:
                    raise
                said = f"microbatches of {half} tokens instead of {self.micro_tokens}"
                print(f"out of memory: {said}")
                self.micro_tokens = half

    def step(self, step: int) -> dict[str, float]:
        """One step of PPO; numbers for the log."""
        batch = self.collect(step)
        updates = self.train(batch, step)
        self.note_speed(batch)
        return about(batch, self.vocabulary.end_id) | updates

    def note_speed(self, batch: Batch) -> None:
        """Keep how fast this step was; the clock waits until the device is through with it."""
        model = self.writer.model
        kind = self.config, model.config, self.limits, model.wte.weight.dtype, self.processes
        self.speeds.append(speed_of(batch, self.clock.read(), *kind))
