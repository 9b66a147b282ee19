"""How good a policy is that was trained against a reward model: judged by what it was trained on, and by others.

A policy writes behind prompts that no training saw. Four judges read the responses: the reward model itself, a second
one that learned from the ratings of other texts (by the same crowd of anonymous people), a ridge regression on words,
and the lexicon VADER (Hutto and Gilbert, 2014), where it is installed. Beside them stands what no judge sees: how far
the policy has gone from its reference, and how often it repeats itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from rlcourse.recipes.review_writer import distinct_pairs, film_part, write
from rlcourse.recipes.reward_model import RewardModel, load_reward_model
from rlcourse.recipes.word_judge import WordJudge, train_word_judge
from rlcourse.support.generation import Generation
from rlcourse.support.gpt2 import GPT2
from rlcourse.support.responses import ended, response_logits, with_prompts
from rlcourse.support.seeding import make_generator
from rlcourse.support.tokenizer import END_ID, decode

Reader = Callable[[Sequence[str]], Tensor]
"""Texts to scores (B,)."""


@lru_cache
def ridge_judge() -> WordJudge:
    """The words and pairs of words that people like, learned from the snippets of the part ``judge``."""
    return train_word_judge(film_part("judge"))


@lru_cache
def load_vader() -> Reader | None:
    """VADER's compound score, from -1 to 1; None where the package vaderSentiment is not installed."""
    if find_spec("vaderSentiment") is None:
        return None
    analyzer = import_module("vaderSentiment.vaderSentiment").SentimentIntensityAnalyzer()
    return lambda texts: torch.tensor([analyzer.polarity_scores(t)["compound"] for t in texts])


def with_end(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Texts as a reward model was trained to read them: with an end token behind, also where they were cut off.

    Args:
        tokens: (B, T) int64, filled up with end tokens behind.
        mask: (B, T) 1 on a text, its own end token among it, 0 behind; at least one 1 a row.

    Returns:
        tokens (B, T+1), and a mask of the same shape.
    """
    rows, lengths = torch.arange(len(tokens)), (mask > 0).sum(dim=1)
    longer = torch.cat([tokens, tokens.new_full((len(tokens), 1), END_ID)], dim=1)
    counted = torch.cat([mask, mask.new_zeros(len(mask), 1)], dim=1)
    counted[rows, lengths] = (tokens[rows, lengths - 1] != END_ID).to(mask.dtype)
    return longer, counted


@torch.no_grad()
def score_responses(model: RewardModel, found: Generation) -> Tensor:
    """(B,) scores of prompts with their responses."""
    scores: Tensor = model(*with_end(found.tokens, with_prompts(found.mask, found.prompt_length)))
    return scores


@torch.no_grad()
def response_kls(policy: GPT2, reference: GPT2, found: Generation) -> Tensor:
    r"""How far the policy is from the reference along each response, in nats.

    .. math:: \sum_t m_t \sum_v \pi(v \mid s_t) \bigl(\log \pi(v \mid s_t) - \log \pi_\text{ref}(v \mid s_t)\bigr)

    Each token's divergence is exact, no estimate from the token that was drawn; averaged over responses of the policy
    it is the divergence of whole responses, with less noise than their log-ratios have. Never negative.

    Args:
        policy: that wrote the responses at temperature 1, in evaluation mode.
        reference: to compare with, in evaluation mode.
        found: what the policy wrote.

    Returns:
        (B,) sums over the tokens of each response.
    """
    every, others = (
        torch.log_softmax(response_logits(model, found.tokens, found.mask, 1.0), dim=-1)
        for model in (policy, reference)
    )
    exact = (every.exp() * (every - others)).sum(dim=-1).clamp(min=0.0)
    return torch.zeros_like(found.mask).masked_scatter(found.mask > 0, exact).sum(dim=1)


@dataclass(frozen=True, slots=True)
class Response:
    """One response and what was found of it."""

    prompt: str
    text: str
    """What stands behind the prompt."""
    ended: bool
    """Whether it came to an end by itself."""
    length: int
    """Tokens, the end among them."""
    kl: float
    """Nats from the reference, as ``response_kls``."""
    score: float
    """By the reward model, in deviations of the reference's scores, 0 being their mean."""
    judge: float
    """The same by the second reward model."""
    ridge: float
    """Guessed mean rating, from -4 to 4 or so."""
    vader: float
    """VADER's compound score, from -1 to 1; NaN where VADER is not installed."""


MEANS = ("score", "judge", "ridge", "vader", "kl", "ended", "length")
"""Entries of a response whose means make a summary."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy wrote behind the prompts, and what was found of it."""

    responses: tuple[Response, ...]
    """One a prompt, in the order of the prompts."""
    distinct: float
    """As ``distinct_pairs`` without ends."""

    def mean(self, name: str) -> float:
        """Mean of one entry of the responses."""
        return sum(self.values(name)) / len(self.responses)

    def values(self, name: str) -> list[float]:
        """One entry of each response."""
        return [float(getattr(response, name)) for response in self.responses]

    def summary(self) -> dict[str, float]:
        """Means of everything that is a number, and ``distinct``."""
        return {name: self.mean(name) for name in MEANS} | {"distinct": self.distinct}


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a judge's scores lie for the reference."""

    mean: float
    deviation: float

    def __call__(self, scores: Tensor) -> Tensor:
        """(B,) in deviations from the mean."""
        return (scores - self.mean) / self.deviation


def scale_of(scores: Tensor) -> Scale:
    """Mean and deviation of scores (B,).

    Raises:
        ValueError: if they do not differ, so that there is no scale to measure with.
    """
    deviation = float(scores.std()) if len(scores) > 1 else 0.0
    if not (deviation > 0.0 and math.isfinite(deviation)):
        raise ValueError("at least two different finite scores make a scale")
    return Scale(float(scores.mean()), deviation)


class Evaluator:
    """Asks the same judges about every policy, behind the same prompts.

    Args:
        reference: the policy that sets the scale; evaluated first.
        reward_model: what policies are trained against.
        prompts: (B, P) that no training saw, at least two.
        judge: a reward model that no policy is trained against; the one of the course, if None.
        seed: of the responses; the same for every policy.
    """

    def __init__(
        self,
        reference: GPT2,
        reward_model: RewardModel,
        prompts: Tensor,
        judge: RewardModel | None = None,
        seed: int = 1234,
    ) -> None:
        self.reference, self.prompts, self.seed = reference, prompts, seed
        self.models = {"score": reward_model, "judge": judge or load_reward_model("judge")}
        found = self.write(reference)
        self.scales = {
            name: scale_of(score_responses(model, found)) for name, model in self.models.items()
        }

    def write(self, policy: GPT2) -> Generation:
        """What a policy writes behind the prompts."""
        return write(policy, self.prompts, make_generator(self.seed))

    def evaluate(self, policy: GPT2) -> Evaluation:
        """Let a policy write, and look at the result from all sides; it stays in the mode in which it came."""
        mode = policy.training
        found = self.write(policy.eval())
        kls = response_kls(policy, self.reference, found)
        policy.train(mode)
        texts = [decode(row) for row in found.tokens]
        vader = load_vader()
        columns = {
            name: self.scales[name](score_responses(model, found))
            for name, model in self.models.items()
        }
        columns["ridge"] = ridge_judge().score(texts)
        columns["vader"] = vader(texts) if vader else torch.full((len(texts),), math.nan)
        return Evaluation(_responses(found, texts, kls, columns), distinct_pairs(found, ends=False))


def _responses(
    found: Generation, texts: Sequence[str], kls: Tensor, columns: dict[str, Tensor]
) -> tuple[Response, ...]:
    starts = [decode(row) for row in found.tokens[:, : found.prompt_length]]
    has_ended, lengths = ended(found, END_ID).tolist(), found.mask.sum(dim=1).long().tolist()
    return tuple(
        Response(
            prompt=starts[i],
            text=texts[i].removeprefix(starts[i]),
            ended=has_ended[i],
            length=lengths[i],
            kl=float(kls[i]),
            **{name: float(column[i]) for name, column in columns.items()},
        )
        for i in range(len(texts))
    )
