"""Sums of two digits, a small GPT-2 that is bad at them, and a reward that checks them: the epilogue."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.language_policy import generate, response_mask, sft_loss, token_log_probs
from rlcourse.preference_optimization import group_advantages, grpo_loss, verifier_reward
from rlcourse.support.generation import Generation
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.masking import pad_right

CHARACTERS = "0123456789+=."
STOP = CHARACTERS.index(".")
"""The full stop ends a response."""
ROOM = 5
"""Tokens of a response at most, its full stop among them."""
QUESTIONS = tuple((a, b) for a in range(10) for b in range(10))
PROMPT = 4
"""Tokens of a question, such as ``3+4=``."""

Verifier = Callable[[str, int], float]


@dataclass(frozen=True, slots=True)
class ArithmeticConfig:
    """How to train on sums.

    Raises:
        ValueError: if there is nothing to do.
    """

    steps: int = 80
    """Updates."""
    groups: int = 48
    """Questions in an update."""
    size: int = 8
    """Responses to each of them."""
    learning_rate: float = 2e-3
    """Of AdamW."""
    kind: str = "rloo"
    """Of the advantages."""
    aggregation: str = "constant"
    """Of the loss."""
    clip_eps: float = 0.2
    """Clip of the ratios."""

    def __post_init__(self) -> None:
        if min(self.steps, self.groups) < 1 or self.size < 2:
            raise ValueError("steps and groups must be at least 1, size at least 2")


@dataclass(frozen=True, slots=True)
class Progress:
    """What was seen in each update, before its step."""

    rewards: list[float]
    """Mean of what was paid."""
    right: list[float]
    """Share of responses that ``verifier_reward`` finds right, whatever was paid."""
    lengths: list[float]
    """Mean tokens of a response."""


def tokens_of(text: str) -> list[int]:
    """Characters as numbers."""
    return [CHARACTERS.index(character) for character in text]


def text_of(tokens: list[int]) -> str:
    """Numbers as characters, up to the first full stop."""
    text = "".join(CHARACTERS[token] for token in tokens)
    return text.partition(".")[0] + "." * ("." in text)


def new_model(generator: torch.Generator) -> GPT2:
    """A GPT-2 of some 50,000 weights."""
    return GPT2(GPT2Config(len(CHARACTERS), PROMPT + ROOM, 64, 1, 4), generator).eval()


def prompts_of(numbers: Tensor) -> Tensor:
    """(B, 4) the questions of these numbers (B)."""
    pairs = [QUESTIONS[number] for number in numbers.tolist()]
    return torch.tensor([tokens_of(f"{a}+{b}=") for a, b in pairs])


def answers_of(numbers: Tensor) -> list[int]:
    """The right results."""
    return [sum(QUESTIONS[number]) for number in numbers.tolist()]


def careless_demonstrations(count: int, right: float, generator: torch.Generator) -> Tensor:
    """(N, T) sums by somebody who is right with probability ``right`` and guesses from 0 to 18 otherwise."""
    rows = []
    for number in torch.randint(len(QUESTIONS), (count,), generator=generator).tolist():
        a, b = QUESTIONS[number]
        guess = int(torch.randint(19, (), generator=generator))
        knows = float(torch.rand((), generator=generator)) < right
        rows.append(tokens_of(f"{a}+{b}={a + b if knows else guess}."))
    return pad_right(rows, STOP)


def train_careless(
    model: GPT2, demonstrations: Tensor, steps: int, generator: torch.Generator
) -> list[float]:
    """Supervised fine-tuning in place; the loss before each of the updates."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / steps)
        rows = torch.randint(len(demonstrations), (64,), generator=generator)
        tokens = demonstrations[rows]
        mask = response_mask(tokens, torch.full((64,), PROMPT), STOP, STOP)
        loss = sft_loss(model(tokens), tokens, mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def written(found: Generation) -> list[str]:
    """Question and response of each row as text."""
    return [text_of(row) for row in found.tokens.tolist()]


def paid(texts: list[str], answers: list[int], verifier: Verifier) -> Tensor:
    """(B) what a verifier pays."""
    each = [verifier(text, answer) for text, answer in zip(texts, answers, strict=True)]
    return torch.tensor(each)


def train_on_rewards(
    model: GPT2,
    config: ArithmeticConfig,
    generator: torch.Generator,
    verifier: Verifier = verifier_reward,
) -> Progress:
    """Sample groups, verify, compare within each group, take one step; in place."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0)
    seen = Progress([], [], [])
    for _ in range(config.steps):
        asked = torch.randperm(len(QUESTIONS), generator=generator)[: config.groups]
        rows = asked.repeat_interleave(config.size)
        found = generate(model, prompts_of(rows), ROOM, 1.0, STOP, generator)
        texts, answers = written(found), answers_of(rows)
        rewards = paid(texts, answers, verifier)
        grouped = rewards.reshape(config.groups, config.size)
        advantages = group_advantages(grouped, config.kind).flatten()
        log_probs = token_log_probs(model(found.tokens), found.tokens)[:, PROMPT - 1 :]
        loss = grpo_loss(
            log_probs,
            found.log_probs,
            advantages,
            found.mask,
            config.clip_eps,
            config.aggregation,
            ROOM,
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.rewards.append(float(rewards.mean()))
        seen.right.append(float(paid(texts, answers, verifier_reward).mean()))
        seen.lengths.append(float(found.mask.sum(dim=1).mean()))
    return seen


def accuracy(model: GPT2, generator: torch.Generator, repeats: int = 10) -> float:
    """Share of sampled responses that are right, over all questions."""
    rows = torch.arange(len(QUESTIONS)).repeat_interleave(repeats)
    found = generate(model, prompts_of(rows), ROOM, 1.0, STOP, generator)
    return float(paid(written(found), answers_of(rows), verifier_reward).mean())


def greedy_answers(model: GPT2, numbers: Tensor) -> list[str]:
    """What the model writes when it always takes the likeliest token, or nearly so."""
    found = generate(model, prompts_of(numbers), ROOM, 0.01, STOP, torch.Generator().manual_seed(0))
    return written(found)


def contains_answer(text: str, answer: int) -> float:
    """A careless verifier: pays if the digits of the answer stand anywhere behind the question."""
    return float(str(answer) in text.partition("=")[2])
