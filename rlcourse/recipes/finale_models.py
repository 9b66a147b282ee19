"""The models of the finale: what is trained, what it is compared with, and who judges."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from rlcourse.gpt2_ppo import load_gpt2_weights
from rlcourse.recipes.review_writer import film_part, load_base
from rlcourse.recipes.reward_model import RewardModel, load_reward_model, token_rows
from rlcourse.support.fast_gpt2 import FastGPT2
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.gpt2_weights import load_gpt2
from rlcourse.support.masking import lengths_to_mask, pad_right
from rlcourse.support.seeding import make_generator
from rlcourse.support.tokenizer import END, END_ID, load_tokenizer


class FastCritic(nn.Module):
    """A number for every prefix: a body of its own and one linear unit."""

    def __init__(self, body: FastGPT2) -> None:
        super().__init__()
        self.body = body
        with torch.random.fork_rng(devices=[]):  # torch's own initialisation, overwritten below
            self.head = nn.Linear(body.config.n_embd, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) values after each of ``tokens`` (B, T)."""
        found: Tensor = self.head(self.body.hidden(tokens))
        return found.squeeze(-1)


class Trained(nn.Module):
    """What an update changes: the policy, and its critic."""

    def __init__(self, actor: FastGPT2, critic: FastCritic) -> None:
        super().__init__()
        self.actor, self.critic = actor, critic


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Text to tokens and back."""

    tokenizer: Tokenizer
    end_id: int
    """Stands in front of a text and behind it."""

    def prompts(self, texts: Sequence[str], tokens: int) -> Tensor:
        """(B, tokens + 1) the end token and the first tokens of each text that has more than these."""
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        kept = [[self.end_id, *row[:tokens]] for row in rows if len(row) > tokens]
        return torch.tensor(kept)

    def texts(self, tokens: Tensor) -> list[str]:
        """Of rows (B, T), without end tokens."""
        rows = [[token for token in row if token != self.end_id] for row in tokens.tolist()]
        found: list[str] = self.tokenizer.decode_batch(rows)
        return found


@dataclass(frozen=True, slots=True)
class Judge:
    """A reward model that reads text, so that it can judge a policy with any vocabulary.

    Scores are in standard deviations of what the reference writes, around its mean, once ``calibrated``.
    """

    model: RewardModel
    mean: float = 0.0
    deviation: float = 1.0

    @torch.no_grad()
    def scores(self, texts: Sequence[str]) -> Tensor:
        """(B,) on the judge's own device."""
        device = next(self.model.parameters()).device
        rows = token_rows(texts, self.model.reader.config.n_positions)
        tokens = pad_right(rows, END_ID).to(device)
        mask = lengths_to_mask(torch.tensor([len(row) for row in rows]).to(device), tokens.shape[1])
        found: Tensor = self.model(tokens, mask)
        return (found - self.mean) / self.deviation

    def calibrated(self, texts: Sequence[str]) -> "Judge":
        """The same judge, for whom these texts have mean 0 and deviation 1."""
        found = Judge(self.model).scores(texts)
        return Judge(self.model, float(found.mean()), float(found.std()))


def fast_copy(model: GPT2) -> FastGPT2:
    """The same model, laid out for speed."""
    fast = FastGPT2(model.config)
    load_gpt2_weights(fast, model.state_dict())
    return fast


def load_policy(base: str) -> tuple[FastGPT2, Vocabulary]:
    """The model that the run begins with, and its vocabulary.

    Args:
        base: ``"shipped"``, the model of a million weights that came with the course; ``"random"``, the sizes of GPT-2
            small with random weights, for measuring speed and nothing else; or a folder with ``config.json``,
            ``model.safetensors`` and ``tokenizer.json``.

    Raises:
        FileNotFoundError: if the folder or one of its files is missing.
        ValueError: if model and tokenizer do not fit together.
    """
    if base == "shipped":
        return fast_copy(load_base()), Vocabulary(load_tokenizer(), END_ID)
    if base == "random":
        model = FastGPT2(GPT2Config(), make_generator(0))
        model.tie_head()
        model.use_gelu("tanh")
        return model, Vocabulary(load_tokenizer(), END_ID)
    folder = Path(base)
    if not (folder / "tokenizer.json").exists():
        raise FileNotFoundError(
            f"{folder / 'tokenizer.json'} is not there. Put config.json, model.safetensors and tokenizer.json of a "
            f'GPT-2 into one folder, or use base="shipped"'
        )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = fast_copy(load_gpt2(folder))
    end, rows = tokenizer.token_to_id(END), model.config.vocab_size
    if end is None or tokenizer.get_vocab_size() > rows:
        raise ValueError(
            f"the tokenizer has {tokenizer.get_vocab_size()} tokens and {END!r} is number {end}; the model knows "
            f"{rows} tokens: they are not of the same model"
        )
    return model, Vocabulary(tokenizer, end)


def new_critic(base: str, actor: FastGPT2) -> FastCritic:
    """Where the vocabulary is the course's own, the reward model; else the policy's body with a head of zeros.

    A critic that begins as the reward model knows from the first step what is liked (Stiennon et al., 2020).
    """
    if base != "shipped":
        return FastCritic(copy.deepcopy(actor))
    taught = load_reward_model("rm")
    critic = FastCritic(fast_copy(taught.reader))
    critic.head.load_state_dict(taught.head.state_dict())
    return critic


def film_texts(part: str) -> list[str]:
    """Snippets that prompts are cut from."""
    return [snippet.text for snippet in film_part(part)]


def bytes_needed(model: FastGPT2) -> int:
    """Roughly what training needs: weights, gradients and two moments of actor and critic, the reference, a copy."""
    return math.ceil(sum(p.numel() for p in model.parameters()) * (2 * 16 + 4 + 2))


def refuse_small(device: torch.device, needed: int) -> None:
    """Say so before any work if a GPU cannot hold the run.

    Raises:
        ValueError: if it cannot.
    """
    if device.type != "cuda":
        return
    there = torch.cuda.get_device_properties(device).total_memory
    if there < needed:
        raise ValueError(
            f"this GPU has {there / 1e9:.1f} GB; weights, gradients and AdamW's moments need {needed / 1e9:.1f} GB"
        )
