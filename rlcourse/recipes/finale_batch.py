"""Settings of the finale, and the batch that one of its steps trains on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.actor_critic import explained_variance
from rlcourse.gpt2_ppo import Microbatch
from rlcourse.recipes.review_writer import distinct_pairs
from rlcourse.support.generation import Generation
from rlcourse.support.responses import ended
from rlcourse.support.transfer import to_device


@dataclass(frozen=True, slots=True)
class FinaleConfig:
    """Settings of a run, the same on every device.

    Raises:
        ValueError: if a number lies outside its range.
    """

    base: str = "shipped"
    """``"shipped"``, ``"shipped-5M"``, ``"random"``, a GPT-2's folder, or a name on the hub; see ``load_policy``."""
    steps: int = 40
    """Each writes one batch and trains on it."""
    batch: int = 64
    """Responses in a step, over all processes."""
    minibatch: int = 32
    """Responses in an update, over all processes."""
    micro_tokens: int = 2048
    """Largest rectangle of tokens that is held at once; halved when memory runs out."""
    prompt_tokens: int = 4
    """Tokens of a snippet that make a prompt; the end token stands in front of them."""
    room: int = 24
    """N, tokens of a response at most, its end among them."""
    epochs: int = 2
    """Times that each response is trained on."""
    learning_rate: float = 3e-4
    """Of AdamW at the start; falls in a straight line to 0."""
    kl_coef: float = 0.2
    """What a nat away from the reference costs."""
    lam: float = 0.95
    """Of ``gae``."""
    clip_eps: float = 0.2
    """Of the policy and of the critic."""
    value_coef: float = 0.1
    """Weight of the critic's loss."""
    max_grad_norm: float = 1.0
    """Length to which a longer gradient is shortened, after all microbatches are in."""
    missing_end_penalty: float = 1.0
    """A response that was cut off has at most 0 for its score, less this."""
    sharding: str = "none"
    """``"none"``: every process holds all weights; ``"fsdp2"``: each trains a part of them."""
    checkpoint_every: int = 20
    """Steps between two checkpoints."""
    seed: int = 0
    """Of prompts, responses and minibatches."""

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "batch",
            "minibatch",
            "micro_tokens",
            "prompt_tokens",
            "room",
            "epochs",
            "checkpoint_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.micro_tokens < self.width:
            raise ValueError(
                f"micro_tokens={self.micro_tokens} do not hold one response of {self.room} tokens"
            )
        if self.sharding not in ("none", "fsdp2"):
            raise ValueError(f'sharding must be "none" or "fsdp2", got {self.sharding!r}')
        if not 0.0 <= self.lam <= 1.0 or self.kl_coef < 0.0 or self.clip_eps <= 0.0:
            raise ValueError(
                "lam must lie in [0, 1], kl_coef not be negative, clip_eps be positive"
            )

    @property
    def width(self) -> int:
        """P + N, the longest row of tokens."""
        return 1 + self.prompt_tokens + self.room


def refuse_unequal_shares(config: FinaleConfig, processes: int) -> None:
    """Every process has equally many rows of a batch; with sharding, also of each minibatch.

    Raises:
        ValueError: if the settings do not allow it.
    """
    if config.batch % processes:
        raise ValueError(f"a batch of {config.batch} cannot be shared by {processes} processes")
    uneven = config.batch % config.minibatch or config.minibatch % processes
    if config.sharding == "fsdp2" and uneven:
        raise ValueError(
            f"with sharding, minibatches of {config.minibatch} must divide a batch of {config.batch}, "
            f"and {processes} processes a minibatch"
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Responses of all processes and what was worked out about them once; (B, N) unless said otherwise."""

    tokens: Tensor
    """(B, P+N) int64."""
    mask: Tensor
    old_log_probs: Tensor
    ref_log_probs: Tensor
    old_values: Tensor
    advantages: Tensor
    returns: Tensor
    scores: Tensor
    """(B,) what was paid."""
    judged: Tensor
    """(B,) by the judge that nobody trains against."""
    lengths: Tensor
    """(B,) int64 tokens of each response, on the host: whoever cuts batches need not ask the device."""

    def rows(self, places: Tensor) -> Microbatch:
        """Those at ``places`` (M) int64, on the host, less the columns that none of them reaches."""
        steps = max(1, int(self.lengths[places].max()))
        prompt = self.tokens.shape[1] - self.mask.shape[1]
        there = to_device(places, self.tokens.device)
        names = ("mask", "old_log_probs", "old_values", "advantages", "returns")
        part = {name: getattr(self, name)[there, :steps] for name in names}
        return {**part, "tokens": self.tokens[there, : prompt + steps]}


def about(batch: Batch, end_id: int) -> dict[str, float]:
    """What a log should say of a batch; names as in chapter 12's ``diagnose``."""
    counted = batch.mask > 0
    ratios = torch.where(counted, batch.old_log_probs - batch.ref_log_probs, 0.0)
    explained = explained_variance(batch.old_values[counted], batch.returns[counted])
    written = Generation(batch.tokens.cpu(), batch.old_log_probs.cpu(), batch.mask.cpu())
    return {
        "score": batch.scores.mean().item(),
        "judge": batch.judged.mean().item(),
        "kl": ratios.sum(dim=1).mean().item(),
        "entropy": -batch.old_log_probs[counted].mean().item(),
        "explained_variance": float(explained),
        "length": batch.mask.sum(dim=1).mean().item(),
        "ended": ended(written, end_id).double().mean().item(),
        "distinct": distinct_pairs(written, ends=False),
    }
