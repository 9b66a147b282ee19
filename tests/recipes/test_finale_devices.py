"""That the finale keeps to its device, asked without a GPU: the device ``meta`` takes its place and computes nothing.

Tensors there have a shape and a type but no numbers, and operators refuse to mix them with those of the host.
"""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch.overrides import TorchFunctionMode

import rlcourse

ROOT = Path(__file__).resolve().parents[2]
rlcourse.overlay(ROOT / "solutions")

from rlcourse.instruct_gpt import response_advantages  # noqa: E402
from rlcourse.recipes import fast_writing  # noqa: E402
from rlcourse.recipes.finale_batch import Batch, FinaleConfig  # noqa: E402
from rlcourse.recipes.finale_evaluation import token_kls  # noqa: E402
from rlcourse.recipes.finale_models import FastCritic, Trained  # noqa: E402
from rlcourse.recipes.ppo_gpt2 import Finale  # noqa: E402
from rlcourse.support.fast_gpt2 import FastGPT2  # noqa: E402
from rlcourse.support.gpt2 import GPT2Config  # noqa: E402
from rlcourse.support.processes import Processes  # noqa: E402

SIZE = GPT2Config(64, 32, n_embd=16, n_layer=2, n_head=2)
ROWS, PROMPT, ROOM = 4, 5, 6
THERE = torch.device("meta")


class NobodyIsOver(TorchFunctionMode):
    """The one question that the writer asks of a device that is no GPU is answered with yes: some row goes on."""

    def __torch_function__(self, function, types, arguments=(), named=None):
        if function is torch.Tensor.__bool__:
            return True
        return function(*arguments, **(named or {}))


def new_model():
    model = FastGPT2(SIZE)
    model.tie_head()
    return model.to(THERE)


def described(x):
    return tuple(x.shape), x.dtype, x.device


def test_tensors_there_refuse_those_of_the_host():
    with pytest.raises(RuntimeError, match="device"):
        torch.ones(2, 1, device=THERE) + torch.ones(2, 1)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_writer_in_16_bits_stays_there_and_notes_32(temperature):
    writer = fast_writing.FastWriter(new_model().to(torch.bfloat16), 0, temperature)
    prompts = torch.zeros(ROWS, PROMPT, dtype=torch.int64, device=THERE)
    with NobodyIsOver():
        for _ in range(2):
            found = writer.write(prompts, torch.zeros(ROWS, ROOM, device=THERE))
    assert described(found.tokens) == ((ROWS, PROMPT + ROOM), torch.int64, THERE)
    for x in (found.log_probs, found.mask):
        assert described(x) == ((ROWS, ROOM), torch.float32, THERE)
    [(sheet, _)] = writer._sheets.values()
    assert sheet.cache.keys.dtype == sheet.cache.values.dtype == torch.bfloat16
    assert {x.device for x in (sheet.cache.keys, sheet.cache.mask, sheet.column)} == {THERE}


def test_16_bits_are_left_before_logarithms_are_taken(monkeypatch):
    seen = []
    real = fast_writing.draw
    monkeypatch.setattr(fast_writing, "draw", lambda x, u: seen.append(x.dtype) or real(x, u))
    writer = fast_writing.FastWriter(new_model().to(torch.bfloat16), 0)
    with NobodyIsOver():
        writer.write(
            torch.zeros(ROWS, PROMPT, dtype=torch.int64, device=THERE),
            torch.zeros(ROWS, ROOM, device=THERE),
        )
    assert set(seen) == {torch.float32} and len(seen) == ROOM


@pytest.fixture
def finale():
    """No models are loaded, no prompts read: what an update needs, and nothing else."""
    found = object.__new__(Finale)
    found.config, found.device, found.processes = FinaleConfig(room=ROOM), THERE, Processes()
    found.trained = Trained(new_model(), FastCritic(FastGPT2(SIZE)).to(THERE))
    found.reference, found.micro_tokens, found.share_of_tokens = new_model(), 22, 1.0
    found.updates = type("Forgetful", (), {"forget": lambda self: None})()
    found.half_precision = nullcontext  # 16 bits are for GPUs
    return found


def test_all_microbatches_of_an_update_stay_there(finale):
    numbers = [torch.ones(ROWS, ROOM, device=THERE) for _ in range(6)]
    tokens = torch.zeros(ROWS, PROMPT + ROOM, dtype=torch.int64, device=THERE)
    paid = torch.ones(ROWS, device=THERE)
    batch = Batch(tokens, *numbers, paid, paid, torch.tensor([6, 2, 1, 4]))
    loss = finale.gradients(batch, torch.arange(ROWS))
    assert described(loss) == ((), torch.float32, THERE) and len(finale.fresh) > 1
    assert {x.device for x in finale.fresh} == {THERE}
    for name, weight in finale.trained.named_parameters():
        if weight.requires_grad and not name.endswith("lm_head"):
            assert described(weight.grad) == (tuple(weight.shape), torch.float32, THERE), name


def test_what_is_read_and_compared_stays_there(finale):
    tokens = torch.zeros(ROWS, PROMPT + ROOM, dtype=torch.int64, device=THERE)
    with torch.no_grad():
        read = finale.in_parts(finale.trained, tokens)
        compared = finale.in_parts(finale.compare, tokens)
        kls = token_kls(finale.trained.actor, finale.reference, tokens, ROOM)
    for x in (*read, *compared, kls):
        assert described(x) == ((ROWS, ROOM), torch.float32, THERE)
    mask = torch.ones(ROWS, ROOM, device=THERE)
    for x in response_advantages(compared[0], read[1], mask, 1.0, 0.95):
        assert described(x) == ((ROWS, ROOM), torch.float32, THERE)
