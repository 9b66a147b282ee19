"""Numbers on their way between host and GPU, without one of them waiting for the other; on a CPU nothing moves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import torch
from torch import Tensor


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """The tensor (...) of the host on a device. On a GPU it arrives in order, and the host goes on at once."""
    if device.type != "cuda":
        return x.to(device)
    # Rows with gaps, as a process's share has, would go through a copy that is not pinned.
    return x.contiguous().pin_memory().to(device, non_blocking=True)


def to_host(*tensors: Tensor) -> Callable[[], list[Tensor]]:
    """Begin to copy tensors to the host; call the result to wait for them.

    What is started in between runs while they travel.
    """
    if not tensors[0].is_cuda:
        return lambda: list(tensors)
    copies = [torch.empty(x.shape, dtype=x.dtype, pin_memory=True) for x in tensors]
    for copy, x in zip(copies, tensors, strict=True):
        copy.copy_(x, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()

    def wait() -> list[Tensor]:
        arrived.synchronize()
        return copies

    return wait


class Stopwatch:
    """Seconds that parts of a program took on its device.

    A GPU works behind the host's back; there the time is taken between two marks in its queue, and nobody waits for it
    until ``read`` is called.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._running: list[tuple[str, Callable[[], float]]] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Take the time of the lines inside, under a name; several of one name add up."""
        if self._on_gpu:
            marks = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
            marks[0].record()
            yield
            marks[1].record()
            self._running.append((name, lambda: _between(*marks)))
        else:
            start = perf_counter()
            yield
            seconds = perf_counter() - start
            self._running.append((name, lambda: seconds))

    def read(self) -> dict[str, float]:
        """Seconds by name since it was last read; waits until the GPU has come so far."""
        found = dict[str, float]()
        for name, seconds in self._running:
            found[name] = found.get(name, 0.0) + seconds()
        self._running.clear()
        return found


def _between(start: torch.cuda.Event, stop: torch.cuda.Event) -> float:
    stop.synchronize()
    milliseconds: float = start.elapsed_time(stop)
    return milliseconds / 1000
