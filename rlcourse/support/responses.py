"""Responses of a language model as experience: what PPO remembers of them, and how they are read again."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from rlcourse.support.generation import CausalModel, Generation
from rlcourse.support.gpt2 import GPT2


class Policy(CausalModel, Protocol):
    """A language model that can be trained."""

    def parameters(self) -> Any:
        """What an optimizer changes."""


class Critic(Protocol):
    """A value for each prefix; ``RewardModel`` of chapter 10 is one."""

    def values(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, T) value after each of ``tokens`` (B, T)."""

    def eval(self) -> Any:
        """Switch training mode off."""

    def parameters(self) -> Any:
        """What an optimizer changes."""


class RewardFunction(Protocol):
    """Scores whole responses; ``RewardModel`` of chapter 10 is one."""

    def __call__(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B,) scores of ``tokens`` (B, T) where the mask (B, T) is 1."""

    def eval(self) -> Any:
        """Switch training mode off."""


@dataclass(frozen=True, slots=True)
class Texts:
    """``B`` texts that nobody generated: a language model predicts them."""

    tokens: Tensor
    """(B, T) int64, padded behind."""
    mask: Tensor
    """(B, T) 1 on a text, 0 on padding."""

    def rows(self, places: Tensor) -> "Texts":
        """Those at ``places`` (M) int64, as long as the longest of them."""
        mask = self.mask[places]
        longest = int((mask > 0).any(dim=0).nonzero().max()) + 1
        return Texts(self.tokens[places, :longest], mask[:, :longest])


@dataclass(frozen=True, slots=True)
class Experience:
    """``B`` responses of at most ``N`` tokens, and all that is worked out once about them. No epoch changes it."""

    tokens: Tensor
    """(B, P+N) int64 prompts and responses."""
    mask: Tensor
    """(B, N) float, 1 for each token of a response, its end token among them, 0 behind."""
    log_probs: Tensor
    """(B, N) log-probability of each token when it was drawn."""
    ref_log_probs: Tensor
    """(B, N) log-probability of the same tokens under the reference."""
    values: Tensor
    """(B, N) what the critic said before each token."""
    advantages: Tensor
    """(B, N) standardized; 0 behind the end."""
    returns: Tensor
    """(B, N) what the critic should have said."""
    scores: Tensor
    """(B) what was paid for each response at its end."""

    @property
    def prompt_length(self) -> int:
        """``P``."""
        return self.tokens.shape[1] - self.mask.shape[1]

    def rows(self, places: Tensor) -> "Experience":
        """The responses at ``places`` (M) int64; columns behind the end of the longest of them are left out."""
        mask = self.mask[places]
        longest = max(1, int((mask > 0).sum(dim=1).max()))
        names = ("log_probs", "ref_log_probs", "values", "advantages", "returns")
        columns = {name: getattr(self, name)[places, :longest] for name in names}
        tokens = self.tokens[places, : self.prompt_length + longest]
        return Experience(tokens, mask[:, :longest], **columns, scores=self.scores[places])


def with_prompts(mask: Tensor, prompt_length: int) -> Tensor:
    """(B, P+N) a mask of responses (B, N) with ones for P prompt tokens in front."""
    return torch.cat([mask.new_ones(len(mask), prompt_length), mask], dim=1)


def read_before(mask: Tensor, prompt_length: int) -> Tensor:
    """(B, P+N-1) 1 on all that stands before a token of a response: the last token of each row is not among it.

    Args:
        mask: (B, N) 1 on the tokens of a response, up to and with its last, 0 behind.
        prompt_length: P.
    """
    return with_prompts(mask[:, 1:], prompt_length)


def without_empty_columns(found: Generation) -> Generation:
    """The same responses, less the columns that stand behind the end of the longest."""
    longest = max(1, int((found.mask > 0).sum(dim=1).max()))
    tokens = found.tokens[:, : found.prompt_length + longest]
    return Generation(tokens, found.log_probs[:, :longest], found.mask[:, :longest])


def ended(found: Generation, eos_id: int) -> Tensor:
    """(B) bool, which responses came to an end by themselves."""
    return ((found.responses == eos_id) & (found.mask > 0)).any(dim=1)


def penalize_missing_end(scores: Tensor, has_ended: Tensor, penalty: float) -> Tensor:
    """(B) scores, those of responses that were cut off at most 0, less the penalty.

    Half a sentence may please a reward model; nobody can send it.
    """
    return torch.where(has_ended, scores, scores.clamp(max=0.0) - penalty)


def response_logits(model: CausalModel, tokens: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """(K, V) logits over the temperature from which each of the K tokens that count was drawn, row by row.

    A ``GPT2`` reads nothing else than what stands before those tokens, and its head, which is most of the work of a
    small model, is applied nowhere else.

    Args:
        model: reads whole sequences.
        tokens: (B, P+N) int64, no padding in front.
        mask: (B, N) 1 on the tokens of a response, up to and with its last, 0 behind.
        temperature: by which logits are divided.
    """
    counted, width = mask > 0, tokens.shape[1] - mask.shape[1]
    if isinstance(model, GPT2):
        hidden = model.hidden(tokens[:, :-1], read_before(mask, width))[:, width - 1 :]
        return model.logits(hidden[counted] / temperature)
    return model(tokens)[:, width - 1 : -1][counted] / temperature
