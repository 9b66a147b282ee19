"""GPT-2's weights on disk: safetensors with Hugging Face's names, from a local folder or, online, from the hub."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rlcourse.support.gpt2 import GPT2, GPT2Config

WEIGHTS, CONFIG = "model.safetensors", "config.json"
PREFIX, HEAD = "transformer.", "lm_head.weight"
BUFFERS = (".attn.bias", ".attn.masked_bias")
"""Causal masks that old files hold beside the weights."""


def load_weights(model: GPT2, tensors: dict[str, Tensor]) -> None:
    """Give a model the weights of a Hugging Face file, with or without the prefix ``transformer.``.

    Numbers are converted to the model's own dtype. The head is not read: it is the table of the embeddings.

    Raises:
        ValueError: if a weight is missing, has another shape, or is none of GPT-2's, or if the head is a table of
            its own.
    """
    kept = {name: x for name, x in tensors.items() if not name.endswith(BUFFERS)}
    head = kept.pop(HEAD, kept.pop(PREFIX + HEAD, None))
    named = {PREFIX + name.removeprefix(PREFIX): x for name, x in kept.items()}
    own = model.state_dict()
    if missing := sorted(own.keys() - named.keys()):
        raise ValueError(f"these weights are missing: {', '.join(missing[:5])}")
    if foreign := sorted(named.keys() - own.keys()):
        raise ValueError(f"these are no weights of this model: {', '.join(foreign[:5])}")
    for name, x in named.items():
        if x.shape != own[name].shape:
            wanted, got = tuple(own[name].shape), tuple(x.shape)
            raise ValueError(f"{name} should have shape {wanted}, got {got}: is it another size?")
    table = named[f"{PREFIX}wte.weight"]
    if head is not None and not torch.equal(head, table):
        raise ValueError("the head of this file differs from its embeddings; GPT-2 ties them")
    model.load_state_dict(named)


def load_config(path: Path) -> GPT2Config:
    """The size that a Hugging Face ``config.json`` states.

    Raises:
        ValueError: if the file describes another architecture.
    """
    stated = json.loads(path.read_text("utf-8"))
    kind = stated.get("model_type", "gpt2")
    if kind != "gpt2" or stated.get("activation_function", "gelu_new") != "gelu_new":
        raise ValueError(f"{path} describes no GPT-2: model_type {kind!r}")
    known = {entry.name for entry in fields(GPT2Config)} - {"dropout"}
    return GPT2Config(**{name: stated[name] for name in known if name in stated})


def load_gpt2(source: str | Path) -> GPT2:
    """A model from a folder with ``config.json`` and ``model.safetensors``, or by its name on the hub.

    Args:
        source: a folder, or a name such as ``"gpt2"``, which is looked for on the hub if no such folder exists.

    Returns:
        the model in float32, in evaluation mode.

    Raises:
        FileNotFoundError: if the folder lacks a file, or the hub cannot be reached.
        ValueError: if the files hold no GPT-2.
    """
    folder = Path(source)
    paths = {name: folder / name for name in (CONFIG, WEIGHTS)}
    if not folder.is_dir():
        paths = {name: hub_file(str(source), name) for name in (CONFIG, WEIGHTS)}
    if lacking := [name for name, path in paths.items() if not path.exists()]:
        raise FileNotFoundError(f"{folder} holds no {' and no '.join(lacking)}")
    model = GPT2(load_config(paths[CONFIG]))
    load_weights(model, load_file(paths[WEIGHTS]))
    return model.eval()


def hub_file(name: str, file: str) -> Path:
    """One file of a model on the Hugging Face hub, downloaded if it was not before.

    Raises:
        FileNotFoundError: if it cannot be had, with what to do without a network.
    """
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, file))
    except Exception as error:
        raise FileNotFoundError(
            f"there is no folder {name!r} here, and {name}/{file} could not be had from the Hugging Face hub "
            f"({type(error).__name__}). Without a network: download {CONFIG}, {WEIGHTS} and tokenizer.json of the "
            f"model on another machine, put them into one folder, and give the path of that folder instead of {name!r}."
        ) from error


def save_gpt2(model: GPT2, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write ``config.json`` and ``model.safetensors`` as ``transformers`` reads them.

    Args:
        model: what to write.
        folder: made if need be.
        dtype: of the numbers on disk; ``torch.float16`` halves the file.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: x.detach().to(dtype).contiguous() for name, x in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    stated = asdict(model.config)
    dropout = stated.pop("dropout")
    stated |= dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), dropout)
    stated |= {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}
    (folder / CONFIG).write_text(json.dumps(stated, indent=2) + "\n", "utf-8")
