"""Exercise 12.5: how fast, and how fast it could be."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import gpt2_ppo as probes
from rlcourse.support.generation import Generation
from rlcourse.support.roofline import Device, ModelSize


def oracle(
    mask: Tensor,
    prompt: int,
    seconds: float,
    size: tuple[int, int, int],
    dtype: str,
    limits: tuple[float, float],
) -> dict[str, float]:
    """Step by step and row by row, with whole numbers."""
    weights, layers, width = size
    numbers, operations, count = 0, 0, 0
    for n, column in enumerate(mask.T.tolist()):
        writing = [m for m in column if m > 0]
        numbers += weights if writing else 0
        numbers += sum((prompt + n) * 2 * layers * width for _ in writing)
        operations += 2 * weights * len(writing)
        count += len(writing)
    read = numbers * {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8}[dtype]
    shares = read / limits[0] / seconds, operations / limits[1] / seconds
    return {
        "tokens_per_second": count / seconds,
        "bytes": shares[0],
        "flops": shares[1],
        "roofline": max(shares),
    }


class Meter:
    """A measurement as the exercise asks. A mistake overrides the one thing in which it differs."""

    def __init__(
        self, tokens: Generation, seconds: float, model: ModelSize, device: Device
    ) -> None:
        self.mask, self.prompt = tokens.mask.double(), tokens.prompt_length
        self.seconds, self.model, self.device = seconds, model, device

    def refuse(self) -> None:
        if self.seconds <= 0:
            raise ValueError("no time")

    def itemsize(self) -> int:
        return torch.zeros((), dtype=self.model.dtype).element_size()

    def count(self) -> float:
        return float(self.mask.sum())

    def steps(self) -> float:
        return float((self.mask.amax(dim=0) > 0).sum())

    def weights_read(self) -> float:
        return self.steps() * self.model.weights

    def each(self) -> float:
        return 2.0 * self.model.layers * self.model.width

    def context(self) -> Tensor:
        return self.prompt + torch.arange(self.mask.shape[1]).double()

    def cache_read(self) -> float:
        return float(self.mask.sum(dim=0) @ self.context()) * self.each()

    def bytes(self) -> float:
        return (self.weights_read() + self.cache_read()) * self.itemsize()

    def flops(self) -> float:
        return 2.0 * self.model.weights * self.count()

    def shares(self) -> tuple[float, float]:
        return (
            self.bytes() / self.device.bytes_per_second / self.seconds,
            self.flops() / self.device.flops_per_second / self.seconds,
        )

    def whole(self) -> float:
        return max(self.shares())

    def report(self) -> dict[str, float]:
        self.refuse()
        in_bytes, in_flops = self.shares()
        return {
            "tokens_per_second": self.count() / self.seconds,
            "bytes": in_bytes,
            "flops": in_flops,
            "roofline": self.whole(),
        }


def measures(kind: type[Meter]) -> Callable[..., dict[str, float]]:
    """The function that a way of measuring makes."""

    def throughput(
        tokens: Generation, seconds: float, model: ModelSize, device: Device
    ) -> dict[str, float]:
        return kind(tokens, seconds, model, device).report()

    return throughput


class _CountsPads(Meter):
    def __init__(
        self, tokens: Generation, seconds: float, model: ModelSize, device: Device
    ) -> None:
        super().__init__(tokens, seconds, model, device)
        self.mask = torch.ones_like(self.mask)


class _FourBytes(Meter):
    def itemsize(self) -> int:
        return 4


class _WeightsForEveryToken(Meter):
    def weights_read(self) -> float:
        return self.count() * self.model.weights


class _WeightsOnce(Meter):
    def weights_read(self) -> float:
        return self.model.weights


class _IdleSteps(Meter):
    def steps(self) -> float:
        return self.mask.shape[1]


class _NoCache(Meter):
    def cache_read(self) -> float:
        return 0.0


class _KeysOnly(Meter):
    def each(self) -> float:
        return super().each() / 2


class _NoPrompt(Meter):
    def context(self) -> Tensor:
        return torch.arange(self.mask.shape[1]).double()


class _OneMore(Meter):
    def context(self) -> Tensor:
        return super().context() + 1


class _CacheOfOneRow(Meter):
    def cache_read(self) -> float:
        return float((self.mask.amax(dim=0) > 0).double() @ self.context()) * self.each()


class _OneOperation(Meter):
    def flops(self) -> float:
        return super().flops() / 2


class _Smaller(Meter):
    def whole(self) -> float:
        return min(self.shares())


class _Added(Meter):
    def whole(self) -> float:
        return sum(self.shares())


class _Accepts(Meter):
    def refuse(self) -> None:
        if self.seconds == 0:
            raise ValueError("no time")


class _RowByRow(Meter):
    """Another right way: a loop over steps."""

    def cache_read(self) -> float:
        total = 0.0
        for n in range(self.mask.shape[1]):
            total += float(self.mask[:, n].sum()) * (self.prompt + n)
        return total * self.each()


MASK = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])


def _case(
    name: str,
    message: str,
    mask: Tensor = MASK,
    prompt: int = 3,
    seconds: float = 0.5,
    size: tuple[int, int, int] = (1000, 2, 8),
    dtype: str = "bfloat16",
    limits: tuple[float, float] = (1e6, 1e7),
    hidden: bool = False,
) -> Case:
    inputs = {
        "mask": mask,
        "prompt": prompt,
        "seconds": seconds,
        "size": size,
        "dtype": dtype,
        "limits": limits,
    }
    return Case(name, inputs, message, probe=probes.measured, oracle=oracle, hidden=hidden)


def _refused(name: str, seconds: float, message: str, hidden: bool = False) -> Case:
    return Case(
        name,
        {
            "mask": MASK,
            "prompt": 3,
            "seconds": seconds,
            "size": (1000, 2, 8),
            "dtype": "float32",
            "limits": (1e6, 1e7),
        },
        message,
        probe=probes.measured,
        raises=ValueError,
        hidden=hidden,
    )


EXERCISE = ExerciseSpec(
    number="12.5",
    title="How near to the roofline",
    targets=("throughput",),
    points=3,
    minutes=25,
    difficulty=3,
    section="The roofline",
    statement="""
"A thousand tokens a second" is good on one device and poor on another. A device has two limits: bytes that its memory
gives in a second, and operations that it does in a second. Work out how much of each writing these responses needed
at least, and how long that takes at full speed. The larger of the two times, divided by the time it took, is the
share of the roofline. Count honestly: rows that are over, and steps in which nobody writes, are of no use to anyone.
""",
    hints=(
        "What does one step read? All weights, once, however many rows there are; and for each row that still "
        "writes its own "
        "part of the cache.",
        "At step n a row's cache holds P + n tokens of 2 L D numbers each; dtype.itemsize bytes a number. "
        "Operations: two a "
        "weight for each token that counts.",
        "written = mask.sum(dim=0) for each step; sum of written times context times 2 L D, plus weights for "
        "each step with "
        "written > 0; times itemsize; divide by the limit and the seconds; the same for operations; the larger one.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "mask": torch.ones(1, 2),
                "prompt": 4,
                "seconds": 1.0,
                "size": (100, 1, 5),
                "dtype": "float32",
                "limits": (2320.0, 1600.0),
            },
            "two steps read 200 weights and 40 + 50 numbers of the cache, 1160 bytes; 400 operations",
            probe=probes.measured,
            expected={"tokens_per_second": 2.0, "bytes": 0.5, "flops": 0.25, "roofline": 0.5},
        ),
        _case(
            "ragged rows in bfloat16", "rows of 2, 3 and 1 tokens; in the last step nobody writes"
        ),
        _case(
            "limited by operations",
            "many rows, a device with fast memory",
            mask=torch.ones(40, 3),
            limits=(1e9, 1e5),
        ),
        _case("single precision", "four bytes a number", dtype="float32", seconds=2.0),
        _refused("no time", 0.0, "a rate needs a time above 0"),
        _refused("negative time", -1.0, "time does not run backwards"),
        Law(probes.half_the_time_is_twice_the_share, "all four grow with speed"),
        _case(
            "other rows",
            "another model on another device",
            mask=torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0]]),
            prompt=7,
            seconds=3.0,
            size=(5000, 3, 12),
            dtype="float16",
            limits=(1e6, 1e6),
            hidden=True,
        ),
        _case(
            "again limited by operations",
            "many rows",
            mask=torch.ones(60, 2),
            limits=(1e9, 1e5),
            dtype="float64",
            hidden=True,
        ),
        _refused("again negative time", -0.5, "time does not run backwards", hidden=True),
        _refused("again no time", 0.0, "a rate needs a time", hidden=True),
    ),
    mistakes=(
        Mistake(
            "pads counted",
            measures(_CountsPads),
            "Columns behind the end of a response were filled in, not written. Count where the mask is 1.",
        ),
        Mistake(
            "four bytes a number",
            measures(_FourBytes),
            "Numbers in bfloat16 take two bytes. model.dtype.itemsize knows.",
        ),
        Mistake(
            "weights read for every token",
            measures(_WeightsForEveryToken),
            "One step reads the weights once, and all rows use them. That is why large batches pay.",
        ),
        Mistake(
            "weights read once in all",
            measures(_WeightsOnce),
            "Every step reads the weights again: they do not stay in the chip from one step to the next.",
        ),
        Mistake(
            "idle steps counted",
            measures(_IdleSteps),
            "Steps in which no row writes any more are of no use. Count those with at least one.",
        ),
        Mistake(
            "cache forgotten",
            measures(_NoCache),
            "Attention reads the keys and values of all earlier tokens of a row, at every step.",
        ),
        Mistake(
            "keys without values",
            measures(_KeysOnly),
            "A token in the cache is a key and a value in each block: 2 L D numbers.",
        ),
        Mistake(
            "prompt not in the cache",
            measures(_NoPrompt),
            "The cache holds the prompt as well: P + n tokens at step n.",
        ),
        Mistake(
            "one token too many in the cache",
            measures(_OneMore),
            "The first new token (n = 0) is written from the P tokens of the prompt.",
        ),
        Mistake(
            "cache of one row",
            measures(_CacheOfOneRow),
            "Weights are shared between rows, caches are not: each row that writes reads its own.",
        ),
        Mistake(
            "one operation a weight",
            measures(_OneOperation),
            "A weight is multiplied and added: two operations.",
        ),
        Mistake(
            "the looser limit",
            measures(_Smaller),
            "The time can be no less than either limit demands; so the larger share is the one that counts.",
        ),
        Mistake(
            "limits added",
            measures(_Added),
            "Reading and computing go on at the same time: take the larger share, not the sum.",
        ),
        Mistake(
            "negative time accepted",
            measures(_Accepts),
            "A time below 0 must raise a ValueError too.",
        ),
    ),
    variants={"from the mask": measures(Meter), "a loop": measures(_RowByRow)},
)
