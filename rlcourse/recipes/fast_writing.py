"""Responses from a ``FastGPT2``: a cache of fixed size, no word to the host, and on a GPU one recorded step."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rlcourse.gpt2_ppo import decode_step
from rlcourse.support.fast_gpt2 import DecodeCache, FastGPT2
from rlcourse.support.generation import Generation, step_of

ALIGNED = 8
"""Attention kernels want a number of slots that this divides."""


def draw(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """(B,) a token for each row, by inversion as ``draw_tokens``, from numbers drawn beforehand.

    In float32, without asking whether the row can be drawn from: that would make the host wait.

    Args:
        log_probs: (B, V).
        uniform: (B,) in [0, 1).
    """
    ladder = log_probs.float().exp().cumsum(dim=1)
    return step_of(ladder, uniform.unsqueeze(1)).squeeze(1).clamp(max=log_probs.shape[1] - 1)


@dataclass(frozen=True, slots=True)
class Sheet:
    """All tensors that a batch of one size is written with. They never move, so that a CUDA graph may use them."""

    cache: DecodeCache
    uniforms: Tensor
    """(B, N) in [0, 1); they decide the tokens."""
    column: Tensor
    """(1,) int64, n: how many tokens each row has."""
    last: Tensor
    """(B,) int64 the token drawn last."""
    going: Tensor
    """(B,) bool, which rows have not come to their end."""
    tokens: Tensor
    """(B, N) int64."""
    log_probs: Tensor
    """(B, N)."""
    mask: Tensor
    """(B, N) float."""

    def begin(self, uniforms: Tensor, eos_id: int) -> None:
        """Forget what was written before."""
        self.uniforms.copy_(uniforms)
        self.tokens.fill_(eos_id)
        for cleared in (self.column, self.log_probs, self.mask):
            cleared.zero_()
        self.going.fill_(True)


class FastWriter:
    """Writes batch after batch. What a size of batch needs (cache, recorded step) is made once and used again.

    Args:
        model: the policy; its weights may change between batches, in place.
        eos_id: the end token.
        temperature: divides the logits.
    """

    def __init__(self, model: FastGPT2, eos_id: int, temperature: float = 1.0) -> None:
        self.model, self.eos_id, self.temperature = model, eos_id, temperature
        self._sheets = dict[tuple[int, int, int], tuple[Sheet, Callable[[], None]]]()

    @property
    def sizes(self) -> int:
        """How many sizes of batch were met so far."""
        return len(self._sheets)

    @torch.no_grad()
    def write(self, prompts: Tensor, uniforms: Tensor) -> Generation:
        """What ``generate`` of chapter 9 does, with uniform numbers drawn beforehand.

        Args:
            prompts: (B, P) int64, all of one length.
            uniforms: (B, N) in [0, 1); they decide the tokens.

        Raises:
            ValueError: if prompt and response do not fit into the model's positions.
        """
        new = uniforms.shape[1]
        sheet, step = self._sheet_for(prompts, new)
        sheet.begin(uniforms, self.eos_id)
        self.draw_next(sheet, self.model.read_prompts(prompts, None, sheet.cache))
        for _ in range(new - 1):
            if not prompts.is_cuda and not bool(sheet.going.any()):
                break  # asking a GPU whether all are over would make the host wait
            step()
        tokens = torch.cat([prompts, sheet.tokens], dim=1)
        return Generation(tokens, sheet.log_probs.clone(), sheet.mask.clone())

    def draw_next(self, sheet: Sheet, logits: Tensor) -> None:
        """One more token in each row that is not over, from logits (B, V)."""
        if self.temperature != 1.0:
            logits = logits.float() / self.temperature
        every = logits.log_softmax(dim=1, dtype=torch.float32)  # no copy of (B, V) for nothing
        uniform = sheet.uniforms.index_select(1, sheet.column).squeeze(1)
        drawn = draw(every, uniform).masked_fill(~sheet.going, self.eos_id)  # no scalar to send
        noted = every.gather(1, drawn.unsqueeze(1)) * sheet.going.unsqueeze(1)
        sheet.last.copy_(drawn)
        sheet.tokens.index_copy_(1, sheet.column, drawn.unsqueeze(1))
        sheet.log_probs.index_copy_(1, sheet.column, noted)
        sheet.mask.index_copy_(1, sheet.column, sheet.going.unsqueeze(1).to(sheet.mask.dtype))
        sheet.going.logical_and_(drawn != self.eos_id)
        sheet.column.add_(1)

    def _sheet_for(self, prompts: Tensor, new: int) -> tuple[Sheet, Callable[[], None]]:
        """The tensors for this size, and what reads the last token and draws the next one."""
        size = (len(prompts), prompts.shape[1], new)
        if size not in self._sheets:
            sheet = self._new_sheet(*size, prompts.device)

            def step() -> None:
                self.draw_next(sheet, decode_step(self.model, sheet.last, sheet.cache)[0])

            self._sheets[size] = sheet, recorded(step) if prompts.is_cuda and new > 1 else step
        return self._sheets[size]

    def _new_sheet(self, rows: int, width: int, new: int, device: torch.device) -> Sheet:
        longest = self.model.config.n_positions
        if width + new > longest:
            raise ValueError(f"{width} + {new} tokens; this model reads {longest}")
        slots = min(-(-(width + new) // ALIGNED) * ALIGNED, longest)
        numbers, whole = torch.zeros(rows, new, device=device), torch.zeros(1, device=device).long()
        return Sheet(
            cache=self.model.new_cache(rows, slots),
            uniforms=numbers.clone(),
            column=whole,
            last=torch.zeros(rows, dtype=torch.int64, device=device),
            going=torch.ones(rows, dtype=torch.bool, device=device),
            tokens=numbers.long(),
            log_probs=numbers.clone(),
            mask=numbers,
        )


def write_fast(
    model: FastGPT2, prompts: Tensor, uniforms: Tensor, eos_id: int, temperature: float = 1.0
) -> Generation:
    """One batch by a ``FastWriter``; whoever writes more than one keeps the writer."""
    return FastWriter(model, eos_id, temperature).write(prompts, uniforms)


def recorded(work: Callable[[], None]) -> Callable[[], None]:
    """The same work on the same tensors as a CUDA graph: one launch instead of some hundred small ones.

    It is done once before, which lets libraries choose their kernels; call this while the tensors hold nothing of use.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Other threads, such as the one that watches messages between processes, may talk to the GPU meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        work()

    def replay() -> None:
        graph.replay()

    return replay
