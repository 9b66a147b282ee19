"""All settings of one run of InstructGPT, and two that are known to work."""

from dataclasses import dataclass, field, replace

from rlcourse.recipes.reward_model import RewardTrainingConfig
from rlcourse.recipes.sft import SFTConfig
from rlcourse.support.rlhf_config import RLHFConfig

READERS = ("reward_model", "judge")
"""The models that read: what PPO is trained against, and who judges it."""


@dataclass(frozen=True, slots=True)
class InstructGPTConfig:
    """Supervised fine-tuning, reward model, PPO, evaluation.

    Raises:
        ValueError: if a number lies outside its range, or there is no such model to train.
    """

    seed: int = 0
    """Of all stages."""
    snippets: int = 5_000
    """How many rated snippets each stage reads at most; there are 4,553 in either part."""
    sft: SFTConfig = field(default_factory=lambda: SFTConfig(epochs=1, batch=32))
    """Stage 1."""
    reward: RewardTrainingConfig = field(default_factory=RewardTrainingConfig)
    """Stage 2; also that of the judge, which reads other snippets."""
    trained: tuple[str, ...] = READERS
    """Which of ``reward_model`` and ``judge`` are trained; otherwise those of the course are taken."""
    rlhf: RLHFConfig = field(default_factory=lambda: RLHFConfig(learning_rate=5e-4))
    """Stage 3, each update; its learning rate falls in a straight line to 0."""
    updates: int = 40
    """Batches of responses."""
    prompts: int = 64
    """Prompts of an update, one response each."""
    scale_prompts: int = 256
    """Responses of the reference whose scores set the scale of the reward: mean 0, deviation 1."""
    evaluated: int = 192
    """Prompts of the evaluation."""
    save_every: int = 10
    """Updates between two checkpoints."""

    def __post_init__(self) -> None:
        for name in ("snippets", "updates", "prompts", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("scale_prompts", "evaluated"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} must be at least 2, got {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if unknown := set(self.trained) - set(READERS):
            raise ValueError(f"there is no {sorted(unknown)} to train; there are {READERS}")

    def learning_rate_at(self, update: int) -> float:
        """The step size of an update, counted from 0."""
        return self.rlhf.learning_rate * (1.0 - update / self.updates)


PRESETS = {
    "default": InstructGPTConfig(),
    "ci": InstructGPTConfig(
        snippets=1_000,
        reward=RewardTrainingConfig(epochs=1, warmup=4),
        trained=("reward_model",),
        updates=8,
        prompts=32,
        scale_prompts=64,
        evaluated=64,
        save_every=4,
    ),
}
"""``default``: minutes on a laptop. ``ci``: the same path in half a minute, too short to learn much."""


def preset(
    name: str, seed: int = 0, kl_coef: float | None = None, ptx_coef: float | None = None
) -> InstructGPTConfig:
    """A configuration by its name.

    Args:
        name: one of ``PRESETS``.
        seed: of all stages.
        kl_coef: what a nat away from the reference costs; that of the preset, if None.
        ptx_coef: weight of texts that people wrote; that of the preset, if None.

    Raises:
        ValueError: if there is no such preset, or a number lies outside its range.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    config = PRESETS[name]
    rlhf = config.rlhf
    if kl_coef is not None:
        rlhf = replace(rlhf, kl_coef=kl_coef)
    if ptx_coef is not None:
        rlhf = replace(rlhf, ptx_coef=ptx_coef)
    return replace(config, seed=seed, rlhf=rlhf)
