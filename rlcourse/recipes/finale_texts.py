"""Texts of the finale: prompts, vocabularies, and judges that read text, whatever the policy's vocabulary is."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from rlcourse.recipes.review_writer import film_part
from rlcourse.recipes.reward_model import load_reward_model, token_rows
from rlcourse.support.masking import lengths_to_mask, pad_right
from rlcourse.support.tokenizer import END_ID
from rlcourse.support.transfer import to_device

JUDGES = {"score": "rm", "judge": "judge"}
"""What a column of the log is called, and which of the course's reward models says it. Only the first one pays."""
LONG = 8
"""A prompt of more tokens than this is cut from several snippets, one behind the other."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Text to tokens and back."""

    tokenizer: Tokenizer
    end_id: int
    """Stands in front of a text and behind it."""

    def prompts(self, texts: Sequence[str], tokens: int) -> Tensor:
        """(B, tokens + 1) the end token and the first tokens of each text that has more than these.

        Raises:
            ValueError: if no text has.
        """
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        kept = [[self.end_id, *row[:tokens]] for row in rows if len(row) > tokens]
        if not kept:
            raise ValueError(f"none of {len(texts)} texts has more than {tokens} tokens")
        return torch.tensor(kept)

    def texts(self, tokens: Tensor) -> list[str]:
        """Of rows (B, T), without end tokens."""
        rows = [[token for token in row if token != self.end_id] for row in tokens.tolist()]
        found: list[str] = self.tokenizer.decode_batch(rows)
        return found


class Judges:
    """The course's reward models, by the names of their columns in the log.

    They read text, so they can judge a policy with any vocabulary. Scores are in standard deviations of some texts,
    around their mean.

    Args:
        device: where the models read.
        texts: to each judge their scores are 0 ± 1.
    """

    def __init__(self, device: torch.device, texts: Sequence[str]) -> None:
        self.device = device
        self.models = {
            name: load_reward_model(file).to(device).requires_grad_(False)
            for name, file in JUDGES.items()
        }
        self.scales = dict.fromkeys(JUDGES, (0.0, 1.0))
        found = self.scores(texts)
        self.scales = {name: (float(x.mean()), float(x.std())) for name, x in found.items()}

    @torch.no_grad()
    def scores(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """(B,) of each judge, on the device."""
        longest = min(model.reader.config.n_positions for model in self.models.values())
        rows = token_rows(texts, longest)
        tokens = pad_right(rows, END_ID)
        mask = lengths_to_mask(torch.tensor([len(row) for row in rows]), tokens.shape[1])
        both = to_device(tokens, self.device), to_device(mask, self.device)
        raw = {name: model(*both) for name, model in self.models.items()}
        return {name: (x - self.scales[name][0]) / self.scales[name][1] for name, x in raw.items()}


def film_texts(part: str, prompt_tokens: int) -> list[str]:
    """Texts that prompts are cut from: snippets, several of them together where prompts are long."""
    snippets = [snippet.text for snippet in film_part(part)]
    together = -(-prompt_tokens // LONG)
    rows = range(0, len(snippets) - together + 1, together)
    return [" ".join(snippets[row : row + together]) for row in rows]
