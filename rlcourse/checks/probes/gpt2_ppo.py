"""Laws and probes of chapter 12: code that tells nothing about the answers, so it ships to students."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rlcourse.support.fast_gpt2 import DecodeCache, FastGPT2
from rlcourse.support.generation import Generation
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.roofline import Device, ModelSize
from rlcourse.support.sick_logs import load_log

Function = Callable[..., Any]
SMALL = GPT2Config(vocab_size=11, n_positions=16, n_embd=8, n_layer=2, n_head=2)
"""As large as it must be to go wrong."""


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def whole_numbers(seed: int, high: int, *shape: int) -> Tensor:
    """Integers from 0 to ``high - 1``."""
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


# 12.1


def file_of(seed: int, prefix: str = "", extras: bool = False) -> dict[str, Tensor]:
    """A small GPT-2 as a file holds it: every number random, biases and norms too.

    Args:
        seed: of the numbers.
        prefix: of every name.
        extras: whether the masks that old files hold are there, and the head.
    """
    shapes = {name: x.shape for name, x in GPT2(SMALL).state_dict().items()}
    found = {
        prefix + name.removeprefix("transformer."): 0.7 * numbers(seed + place, *shape)
        for place, (name, shape) in enumerate(shapes.items())
    }
    if extras:
        found[f"{prefix}h.0.attn.bias"] = torch.ones(1, 1, 16, 16).tril().bool()
        found[f"{prefix}h.1.attn.masked_bias"] = torch.tensor(-1e4)
        found["lm_head.weight"] = found[f"{prefix}wte.weight"].clone()
    return found


def fresh_model(seed: int, dtype: torch.dtype = torch.float64) -> FastGPT2:
    """With random weights and PyTorch's settings."""
    return FastGPT2(SMALL, torch.Generator().manual_seed(seed)).to(dtype)


def loaded(
    load: Function, seed: int, prefix: str, extras: bool, single: bool = False
) -> dict[str, Tensor]:
    """What a model computes from a file, and what it computes when its embeddings move on."""
    model = fresh_model(seed, torch.float32 if single else torch.float64)
    load(model, file_of(seed, prefix, extras))
    tokens = whole_numbers(seed, 11, 2, 7)
    with torch.no_grad():
        before = model(tokens)
        model.wte.weight.add_(0.5 * numbers(seed + 99, 11, 8))
        after = model(tokens)
    return {"logits": before, "logits after the embeddings moved": after}


def damaged(load: Function, seed: int, name: str, shape: list[int]) -> Tensor:
    """Load a file that lacks a weight, or has one of another shape, where a shape is given."""
    found = file_of(seed)
    del found[name]
    if shape:
        found[name] = numbers(seed, *shape)
    model = fresh_model(seed)
    load(model, found)
    return model.wpe.weight.detach()


def the_file_is_left_alone(load: Function) -> None:
    found, pristine = file_of(3, "transformer.", True), file_of(3, "transformer.", True)
    model = fresh_model(4)
    load(model, found)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    for name, x in pristine.items():
        assert torch.equal(found[name], x), (
            f"{name} in the file changed, or it changes with the model; copy the numbers"
        )


# 12.2


class Line(nn.Module):
    """A number for each token: a weight for each of three features, and a bias."""

    sandbox_names = frozenset({"training", "parameters", "zero_grad"})

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(numbers(seed, 3))
        self.bias = nn.Parameter(numbers(seed + 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x @ self.weight + self.bias
        return found


def squared_error(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """() mean over the tokens where the mask is 1, of half the squared error; 0 if there is none."""
    counted = batch["mask"] > 0
    errors = (model(batch["x"]) - batch["y"]).square() / 2
    return torch.where(counted, errors, 0.0).sum() / counted.sum().clamp(min=1)


def ragged(seed: int, sizes: list[list[int]], kind: str = "float64") -> list[dict[str, Tensor]]:
    """Microbatches with rows of these lengths."""
    found = []
    for place, lengths in enumerate(sizes):
        rows, steps = len(lengths), max(1, *lengths)
        mask = torch.arange(steps) < torch.tensor(lengths)[:, None]
        at = seed + 10 * place
        found.append(
            {
                "x": numbers(at, rows, steps, 3),
                "y": 3.0 * numbers(at + 1, rows, steps),
                "mask": mask.to(getattr(torch, kind)),
            }
        )
    return found


def accumulated(
    accumulate: Function, seed: int, sizes: list[list[int]], kind: str, already: float
) -> dict[str, Any]:
    """The loss and the gradients, where each parameter had the gradient ``already`` before."""
    model = Line(seed)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, already)
    loss = accumulate(model, ragged(seed, sizes, kind), squared_error)
    assert isinstance(loss, Tensor), f"expected a tensor, got {type(loss).__name__}"
    return {
        "loss": loss.detach(),
        "gradient of the weight": model.weight.grad,
        "gradient of the bias": model.bias.grad,
        "carries a graph": loss.requires_grad,
    }


def gradients_before_each_call(
    accumulate: Function, seed: int, sizes: list[list[int]]
) -> list[bool]:
    """Whether a gradient of the microbatches before was there, each time that the loss was asked for."""
    model, seen = Line(seed), list[bool]()

    def watched(called: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        seen.append(model.bias.grad is not None and bool(model.bias.grad.any()))
        return squared_error(called, batch)

    accumulate(model, ragged(seed, sizes), watched)
    return seen


def how_rows_are_shared_out_does_not_matter(accumulate: Function) -> None:
    batch = ragged(5, [[4, 1, 2, 3, 3, 1]])[0]
    gradients = []
    for cuts in ([6], [1, 5], [2, 2, 2], [1, 1, 1, 3]):
        model = Line(6)
        parts = zip(*(x.split(cuts) for x in batch.values()), strict=True)
        accumulate(model, [dict(zip(batch, part, strict=True)) for part in parts], squared_error)
        assert model.weight.grad is not None, "the weight got no gradient"
        gradients.append(model.weight.grad)
    for gradient in gradients[1:]:
        assert_close(gradient, gradients[0], "the same six rows in other microbatches")


# 12.3


def decoder(seed: int) -> FastGPT2:
    """A small model as GPT-2 is: head tied, tanh GELU."""
    model = fresh_model(seed)
    model.tie_head()
    model.use_gelu("tanh")
    with torch.no_grad():
        for place, parameter in enumerate(model.parameters()):
            parameter.add_(0.5 * numbers(seed + place, *parameter.shape))
    return model.requires_grad_(False)


def prompt_mask(padding: list[int], width: int) -> Tensor:
    """(B, P) with so much padding in front of each row."""
    return (torch.arange(width) >= torch.tensor(padding)[:, None]).double()


def decoded(
    step: Function,
    seed: int,
    padding: list[int],
    width: int,
    new: int,
    slots: int,
    rubbish: float = 0.0,
) -> dict[str, Any]:
    """Logits of each step behind a prompt, and what the cache says in the end.

    Args:
        step: the function.
        seed: of the model and the tokens.
        padding: in front of each prompt.
        width: P.
        new: steps.
        slots: of the cache.
        rubbish: how large the numbers are that empty slots happen to hold.
    """
    model, tokens = decoder(seed), whole_numbers(seed, 11, len(padding), width + new)
    _, cache = model.prefill(tokens[:, :width], prompt_mask(padding, width), slots)
    cache.keys[:, :, :, width:] = rubbish * numbers(seed + 7, *cache.keys[:, :, :, width:].shape)
    cache.values[:, :, :, width:] = rubbish
    logits, returned = [], cache
    for place in range(width, width + new):
        found, returned = step(model, tokens[:, place].clone(), cache)
        logits.append(found)
    return {
        "logits": torch.stack(logits, dim=1),
        "slots used": int(cache.used),
        "slots that count": cache.mask.clone(),
        "the returned cache": (int(returned.used), returned.mask.clone()),
    }


def rows_do_not_see_each_other(step: Function) -> None:
    model, tokens, mask = decoder(8), whole_numbers(9, 11, 3, 4), prompt_mask([0, 2, 1], 4)
    next_tokens = torch.tensor([3, 7, 1])
    together, _ = step(model, next_tokens, model.prefill(tokens, mask, 6)[1])
    for row in range(3):
        cache = model.prefill(tokens[row : row + 1], mask[row : row + 1], 6)[1]
        alone, _ = step(model, next_tokens[row : row + 1], cache)
        assert_close(alone[0], together[row], f"row {row} alone, and among others")


def room_that_is_left_does_not_matter(step: Function) -> None:
    model, tokens, mask = decoder(10), whole_numbers(11, 11, 2, 3), prompt_mask([0, 1], 3)
    found = []
    for slots in (4, 9, 16):
        cache = model.prefill(tokens, mask, slots)[1]
        found.append(step(model, torch.tensor([5, 2]), cache)[0])
    for logits in found[1:]:
        assert_close(logits, found[0], "a cache of 4, 9 and 16 slots")


def what_was_read_stays(step: Function) -> None:
    model, tokens, mask = decoder(12), whole_numbers(13, 11, 2, 3), prompt_mask([0, 1], 3)
    cache: DecodeCache = model.prefill(tokens, mask, 6)[1]
    before = cache.keys[:, :, :, :3].clone(), cache.values[:, :, :, :3].clone()
    step(model, torch.tensor([5, 2]), cache)
    for name, x, kept in zip(("keys", "values"), (cache.keys, cache.values), before, strict=True):
        assert torch.equal(x[:, :, :, :3], kept), f"the {name} of earlier tokens changed"
        assert bool(x[:, :, :, 3].any()), f"the {name} of the new token are not in the next slot"
        assert not bool(x[:, :, :, 4:].any()), f"{name} stand in slots that come later"


# 12.4


def _batches(bucket: Function, lengths: Tensor, batch_tokens: int) -> list[list[int]]:
    return [[int(row) for row in batch] for batch in bucket(lengths, batch_tokens)]


def every_row_is_there_once(bucket: Function) -> None:
    lengths = 1 + whole_numbers(14, 30, 57)
    for batch_tokens in (30, 64, 100, 10_000):
        rows = [row for batch in _batches(bucket, lengths, batch_tokens) for row in batch]
        assert sorted(rows) == list(range(57)), (
            f"57 rows, batches of {batch_tokens} tokens: every row must be in one batch, got {rows}"
        )


def rectangles_fit(bucket: Function) -> None:
    lengths = 1 + whole_numbers(15, 20, 40)
    for batch_tokens in (20, 50, 77):
        for batch in _batches(bucket, lengths, batch_tokens):
            size = len(batch) * int(lengths[batch].max())
            assert size <= batch_tokens, (
                f"{len(batch)} rows, the longest of {int(lengths[batch].max())} tokens: {size} tokens, "
                f"more than {batch_tokens}"
            )


def the_order_of_the_rows_hardly_matters(bucket: Function) -> None:
    lengths = torch.randperm(30, generator=torch.Generator().manual_seed(16)) + 1
    sizes = [len(batch) for batch in _batches(bucket, lengths, 60)]
    other = [len(batch) for batch in _batches(bucket, lengths.flip(0), 60)]
    assert sizes == other, "the same thirty different lengths in another order give other batches"


# 12.5


def measured(
    throughput: Function,
    mask: Tensor,
    prompt: int,
    seconds: float,
    size: tuple[int, int, int],
    dtype: str,
    limits: tuple[float, float],
) -> Any:
    """Of a generation with this mask, by a model of (weights, layers, width), on a device with these limits."""
    rows, new = mask.shape
    written = Generation(torch.zeros(rows, prompt + new, dtype=torch.int64), 0 * mask, mask)
    model, device = ModelSize(*size, getattr(torch, dtype)), Device("made up", *limits)
    return throughput(written, seconds, model, device)


def half_the_time_is_twice_the_share(throughput: Function) -> None:
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    settings: dict[str, Any] = {"size": (1000, 2, 8), "dtype": "float16", "limits": (1e6, 1e7)}
    slow = measured(throughput, mask, 4, 2.0, **settings)
    fast = measured(throughput, mask, 4, 1.0, **settings)
    for name, value in slow.items():
        assert_close(float(fast[name]), 2 * float(value), f"{name} in half the time")


# 12.6


def stored(diagnose: Function, name: str) -> Any:
    """Findings about a log that came with the course."""
    return diagnose(load_log(name))


def a_single_spike_is_no_finding(diagnose: Function) -> None:
    steps = 40
    for name, value in (("kl", 400.0), ("entropy", 40.0), ("length", 90.0)):
        log = {
            "kl": torch.full((steps,), 5.0),
            "entropy": torch.full((steps,), 3.0),
            "explained_variance": torch.full((steps,), 0.6),
            "length": torch.full((steps,), 18.0),
        }
        log[name][20] = value
        found = tuple(diagnose(log))
        assert found == (), f"one odd {name} in the middle of 40 steps, and you find {found}"
