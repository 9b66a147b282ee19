"""Settings of one run of DPO, RLOO, GRPO or PPO on the small GPT-2; ``equal_kl`` makes it."""

from dataclasses import dataclass, replace

from rlcourse.recipes.instruct_gpt_config import InstructGPTConfig
from rlcourse.support.rlhf_config import RLHFConfig

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
        if self.responses % self.size or self.responses % self.minibatch or self.minibatch % 2:
            raise ValueError("size and minibatch must divide responses; minibatch must be even")

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
        return self.updates * self.epochs * self.responses // self.minibatch

    def rate(self, step: int) -> float:
        """Learning rate of a step of the optimizer, counted from 0."""
        return self.learning_rate * (1.0 - step / self.steps)
