"""The models of the finale: what is trained, what it is compared with, and where they come from."""

import copy
import math
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from rlcourse.gpt2_ppo import load_gpt2_weights
from rlcourse.recipes.finale_texts import Vocabulary
from rlcourse.recipes.review_writer import load_base
from rlcourse.recipes.reward_model import load_reward_model
from rlcourse.support.fast_gpt2 import FastGPT2
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.gpt2_weights import CONFIG, WEIGHTS, hub_file, load_gpt2
from rlcourse.support.seeding import make_generator
from rlcourse.support.tokenizer import END, END_ID, load_tokenizer

TOKENIZER = "tokenizer.json"
SHIPPED = {"shipped": "1M", "shipped-5M": "5M"}
"""Names of the models that came with the course, and their sizes."""


class FastCritic(nn.Module):
    """A number for every prefix: a body of its own and one linear unit."""

    def __init__(self, body: FastGPT2) -> None:
        super().__init__()
        self.body = body
        with torch.random.fork_rng(devices=[]):  # torch's own initialization, overwritten below
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

    def forward(self, tokens: Tensor, new: int) -> tuple[Tensor, Tensor]:
        """Log-probabilities (B, N) of the last N of ``tokens``, and the critic's values (B, N) before each of them."""
        values: Tensor = self.critic(tokens)[:, -new - 1 : -1].float()
        return last_log_probs(
            self.actor, tokens, new
        ).clone(), values.clone()  # FSDP wants no views


def last_log_probs(model: FastGPT2, tokens: Tensor, new: int) -> Tensor:
    """(B, N) of the last N of ``tokens`` (B, P+N); the head reads no prompt, and no logits are kept."""
    logits = model.logits(model.body(tokens)[:, -new - 1 : -1]).float()
    missed = functional.cross_entropy(
        logits.flatten(0, 1), tokens[:, -new:].flatten(), reduction="none"
    )
    found: Tensor = -missed.unflatten(0, (len(tokens), new))
    return found


def fast_copy(model: GPT2) -> FastGPT2:
    """The same model, laid out for speed."""
    fast = FastGPT2(model.config)
    load_gpt2_weights(fast, model.state_dict())
    return fast


def load_policy(base: str) -> tuple[FastGPT2, Vocabulary]:
    """The model that the run begins with, and its vocabulary.

    Args:
        base: ``"shipped"``, the model of a million weights that came with the course; ``"shipped-5M"``, the one of five
            million; ``"random"``, the sizes of GPT-2 small with random weights, for measuring speed and nothing else; a
            folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json``; or a name on the hub, such as
            ``"gpt2"``.

    Raises:
        FileNotFoundError: if the folder or one of its files is missing, or the hub cannot be reached.
        ValueError: if model and tokenizer do not fit together.
    """
    if base in SHIPPED:
        return fast_copy(load_base(SHIPPED[base])), Vocabulary(load_tokenizer(), END_ID)
    if base == "random":
        model = FastGPT2(GPT2Config(), make_generator(0))
        model.tie_head()
        model.use_gelu("tanh")
        return model, Vocabulary(load_tokenizer(), END_ID)
    path = find_tokenizer(base)
    return with_tokenizer(fast_copy(load_gpt2(base)), path)


def find_tokenizer(base: str) -> Path:
    """The tokenizer of a folder, or of a name on the hub.

    Raises:
        FileNotFoundError: if it is not there.
    """
    folder = Path(base)
    looks_like_a_folder = folder.is_absolute() or base.startswith(".") or base.count("/") > 1
    if not folder.is_dir() and not looks_like_a_folder:
        return hub_file(base, TOKENIZER)
    lacking = [name for name in (TOKENIZER, CONFIG, WEIGHTS) if not (folder / name).exists()]
    if lacking:
        raise FileNotFoundError(
            f"{folder} lacks {', '.join(lacking)}. Put {CONFIG}, {WEIGHTS} and {TOKENIZER} of a GPT-2 into one "
            f'folder, or use base="shipped"'
        )
    return folder / TOKENIZER


def with_tokenizer(model: FastGPT2, path: Path) -> tuple[FastGPT2, Vocabulary]:
    """A model and the vocabulary in a ``tokenizer.json``.

    Raises:
        ValueError: if the two are not of the same model.
    """
    tokenizer = Tokenizer.from_file(str(path))
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
    if base not in SHIPPED:
        return FastCritic(copy.deepcopy(actor))
    taught = load_reward_model("rm")
    critic = FastCritic(fast_copy(taught.reader))
    critic.head.load_state_dict(taught.head.state_dict())
    return critic


def bytes_needed(model: FastGPT2) -> int:
    """Roughly what training needs: weights, gradients and two moments of actor and critic, the reference, a copy."""
    return math.ceil(sum(p.numel() for p in model.parameters()) * (2 * 16 + 4 + 2))


def refuse_absent(device: torch.device) -> None:
    """Say so before any work if there is no such GPU.

    Raises:
        ValueError: if there is none.
    """
    count = torch.cuda.device_count() if device.type == "cuda" else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ValueError(f"there is no {device} here, PyTorch sees {count} GPUs; the CPU is `cpu`")


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
