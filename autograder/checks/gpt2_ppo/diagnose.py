"""Exercise 12.6: what is wrong with a run, from its log."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import gpt2_ppo as probes

Log = Mapping[str, Tensor]
NAMES = ("kl", "entropy", "explained_variance", "length")


class Doctor:
    """Findings as the exercise asks. A mistake overrides the one thing in which it differs."""

    def __init__(self, log: Log) -> None:
        self.log = {name: [float(x) for x in column] for name, column in log.items()}

    def refuse(self) -> None:
        if any(not self.log.get(name) for name in NAMES):
            raise ValueError("a column is missing")

    def size(self) -> int:
        return max(1, len(self.log["kl"]) // 4)

    def early(self, name: str) -> float:
        return math.fsum(self.log[name][: self.size()]) / self.size()

    def late(self, name: str) -> float:
        return math.fsum(self.log[name][-self.size() :]) / self.size()

    def kl(self) -> bool:
        return not self.late("kl") <= 20

    def entropy(self) -> bool:
        return not self.late("entropy") >= 0.3 * self.early("entropy")

    def critic(self) -> bool:
        return not self.late("explained_variance") >= 0.1

    def length(self) -> bool:
        ratio = self.late("length") / self.early("length")
        return not 0.5 <= ratio <= 2

    def findings(self) -> tuple[str, ...]:
        self.refuse()
        found = (
            ("kl blow-up", self.kl()),
            ("entropy collapse", self.entropy()),
            ("dead critic", self.critic()),
            ("length drift", self.length()),
        )
        return tuple(name for name, sick in found if sick)


def finds(kind: type[Doctor]) -> Callable[[Log], tuple[str, ...]]:
    """The function that a way of looking makes."""

    def diagnose(log: Log) -> tuple[str, ...]:
        return kind(log).findings()

    return diagnose


class _NoKL(Doctor):
    def kl(self) -> bool:
        return False


class _NoEntropy(Doctor):
    def entropy(self) -> bool:
        return False


class _NoCritic(Doctor):
    def critic(self) -> bool:
        return False


class _NoLength(Doctor):
    def length(self) -> bool:
        return False


class _GrowthOnly(Doctor):
    def length(self) -> bool:
        return not self.late("length") <= 2 * self.early("length")


class _NegativeOnly(Doctor):
    def critic(self) -> bool:
        return not self.late("explained_variance") >= 0


class _AbsoluteEntropy(Doctor):
    def entropy(self) -> bool:
        return not self.late("entropy") >= 0.3


class _RelativeKL(Doctor):
    def kl(self) -> bool:
        return not self.late("kl") <= 3 * abs(self.early("kl"))


class _LastStep(Doctor):
    def late(self, name: str) -> float:
        return self.log[name][-1]


class _WholeRun(Doctor):
    def late(self, name: str) -> float:
        return math.fsum(self.log[name]) / len(self.log[name])


class _Largest(Doctor):
    def late(self, name: str) -> float:
        return max(self.log[name][-self.size() :])


class _FirstStep(Doctor):
    def early(self, name: str) -> float:
        return self.log[name][0]


class _Half(Doctor):
    def size(self) -> int:
        return max(1, len(self.log["kl"]) // 2)


class _NaNIsFine(Doctor):
    def kl(self) -> bool:
        return self.late("kl") > 20

    def entropy(self) -> bool:
        return self.late("entropy") < 0.3 * self.early("entropy")

    def critic(self) -> bool:
        return self.late("explained_variance") < 0.1

    def length(self) -> bool:
        ratio = self.late("length") / self.early("length")
        return ratio > 2 or ratio < 0.5


class _FirstOnly(Doctor):
    def findings(self) -> tuple[str, ...]:
        return super().findings()[:1]


class _Accepts(Doctor):
    def refuse(self) -> None:
        for name in NAMES:
            self.log[name] = self.log.get(name) or [math.nan]


class _EmptyQuarter(Doctor):
    """No floor: of three steps, the last quarter is taken to be all of them."""

    def size(self) -> int:
        return len(self.log["kl"]) // 4 or len(self.log["kl"])


def by_tensors(log: Log) -> tuple[str, ...]:
    """Another right way: unfolded into four parts."""
    if any(name not in log or not len(log[name]) for name in NAMES):
        raise ValueError("a column is missing")
    found = []
    ends = {}
    for name in NAMES:
        n = max(len(log[name]) // 4, 1)
        column = log[name].double()
        ends[name] = column[:n].mean(), column[len(column) - n :].mean()
    if not bool(ends["kl"][1] <= 20):
        found.append("kl blow-up")
    if not bool(ends["entropy"][1] / ends["entropy"][0] >= 0.3):
        found.append("entropy collapse")
    if not bool(ends["explained_variance"][1] >= 0.1):
        found.append("dead critic")
    ratio = ends["length"][1] / ends["length"][0]
    if not bool((ratio <= 2) & (2 * ratio >= 1)):
        found.append("length drift")
    return tuple(found)


def log_of(steps: int, **changed: list[float]) -> dict[str, Tensor]:
    """A healthy log, in which columns run in a straight line from one value to another, or hold the values given."""
    ends = {"kl": [0.0, 6.0], "entropy": [4.0, 3.0], "explained_variance": [0.0, 0.6]}
    found = {}
    for name, values in (ends | {"length": [20.0, 18.0]} | changed).items():
        listed = len(values) == steps and steps != 2
        found[name] = (
            torch.tensor(values) if listed else torch.linspace(values[0], values[-1], steps)
        )
    return found


def exact_findings(log: Log) -> tuple[str, ...]:
    """The table of the exercise in plain numbers, with sums that are rounded once."""

    def ends(name: str) -> tuple[float, float]:
        numbers = log[name].tolist()
        quarter = max(len(numbers) // 4, 1)
        return math.fsum(numbers[:quarter]) / quarter, math.fsum(numbers[-quarter:]) / quarter

    entropy, length = ends("entropy"), ends("length")
    well = (
        (KL, ends("kl")[1] <= 20),
        (ENTROPY, entropy[1] >= 0.3 * entropy[0]),
        (CRITIC, ends("explained_variance")[1] >= 0.1),
        (LENGTH, length[0] / 2 <= length[1] <= 2 * length[0]),
    )
    return tuple(name for name, healthy in well if not healthy)


def _case(
    name: str, log: dict[str, Tensor], found: tuple[str, ...], message: str, hidden: bool = False
) -> Case:
    if exact_findings(log) != found:
        raise ValueError(f"{name}: the oracle finds {exact_findings(log)}")
    return Case(name, {"log": log}, message, oracle=exact_findings, hidden=hidden)


def _stored(name: str, found: tuple[str, ...], message: str, hidden: bool = False) -> Case:
    return Case(
        f"a run: {name}",
        {"name": name},
        message,
        probe=probes.stored,
        expected=found,
        hidden=hidden,
    )


KL, ENTROPY, CRITIC, LENGTH = "kl blow-up", "entropy collapse", "dead critic", "length drift"
NAN = math.nan
AT_THE_LIMIT = {
    "kl": [0.0, 5.0, 10.0, 20.0],
    "entropy": [10.0, 8.0, 6.0, 3.0],
    "explained_variance": [0.0, 0.1, 0.1, 0.1],
    "length": [12.0, 10.0, 9.0, 6.0],
}

EXERCISE = ExerciseSpec(
    number="12.6",
    title="A doctor for runs",
    targets=("diagnose",),
    points=3,
    minutes=20,
    difficulty=2,
    section="Reading a log",
    statement="""
Rewards go up in a sick run as well; often they go up faster. What gives it away are four other columns of the log.
Compare the first quarter of the run with the last one, and name what you find. Means over a quarter, not single
steps: one odd batch is no illness. And NaN is no health: a comparison with NaN is False whichever way you write it,
so write the *healthy* side.
""",
    hints=(
        "Work out the means of the first and the last quarter of each column once; the table of the docstring "
        "then is four "
        "comparisons.",
        "n = max(1, steps // 4); column[:n] and column[-n:]. `not late <= limit` is True for NaN, `late > "
        "limit` is False.",
        "Check the columns; dictionaries early and late; a dictionary from each finding to whether all is well; "
        "the names of "
        "those that are not.",
    ),
    checks=(
        _case("a healthy log", log_of(40), (), "nothing is wrong here"),
        _case("far away", log_of(40, kl=[0.0, 40.0]), (KL,), "KL grows to 40 nats a response"),
        _case("still near", log_of(40, kl=[0.0, 21.0]), (), "late KL is below 20 on average"),
        _case("certain", log_of(40, entropy=[4.0, 0.5]), (ENTROPY,), "entropy falls to an eighth"),
        _case(
            "low all along",
            log_of(40, entropy=[0.2, 0.15]),
            (),
            "entropy is low from the start, and stays: nothing collapsed",
        ),
        _case(
            "a critic that knows nothing",
            log_of(40, explained_variance=[0.0, 0.08]),
            (CRITIC,),
            "explained variance never exceeds 0.08",
        ),
        _case(
            "longer and longer", log_of(40, length=[8.0, 30.0]), (LENGTH,), "from 8 to 30 tokens"
        ),
        _case(
            "shorter and shorter", log_of(40, length=[22.0, 6.0]), (LENGTH,), "from 22 to 6 tokens"
        ),
        _case(
            "everything at once",
            log_of(
                24,
                kl=[5.0, 90.0],
                entropy=[3.0, 0.1],
                explained_variance=[0.2, -0.5],
                length=[10.0, 40.0],
            ),
            (KL, ENTROPY, CRITIC, LENGTH),
            "all four, in the order of the table",
        ),
        _case(
            "an odd last step",
            log_of(8, kl=[1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 30.0]),
            (),
            "the last two steps are 3 and 30: 16.5 on average",
        ),
        _case(
            "an odd first step",
            log_of(8, length=[60.0, 20.0, 30.0, 30.0, 30.0, 30.0, 28.0, 28.0]),
            (),
            "60 and 20 tokens first, 28 in the end",
        ),
        _case(
            "no number any more",
            log_of(
                8,
                kl=[1.0] * 7 + [NAN],
                entropy=[3.0] * 7 + [NAN],
                explained_variance=[0.5] * 7 + [NAN],
                length=[20.0] * 7 + [NAN],
            ),
            (KL, ENTROPY, CRITIC, LENGTH),
            "the last step is NaN in all columns",
        ),
        _case(
            "three steps",
            log_of(3, kl=[0.0, 90.0, 10.0], length=[20.0, 90.0, 20.0]),
            (),
            "a quarter of three steps is one step at least",
        ),
        _case(
            "just well",
            {
                name: torch.tensor(values, dtype=torch.float64)
                for name, values in AT_THE_LIMIT.items()
            },
            (),
            "every column stands just at its limit, which is not beyond it",
        ),
        _stored("healthy", (), "a real run in which all went well"),
        _stored("no_penalty", (KL,), "a real run without a price for leaving the reference"),
        Case(
            "a missing column",
            {"log": {name: torch.ones(8) for name in NAMES[:3]}},
            "there is no length",
            raises=ValueError,
        ),
        Case(
            "no step",
            {"log": {name: torch.zeros(0) for name in NAMES}},
            "nothing was logged",
            raises=ValueError,
        ),
        Law(probes.a_single_spike_is_no_finding, "one odd step in the middle"),
        _case(
            "another healthy log",
            log_of(60, kl=[1.0, 19.0], entropy=[5.0, 2.0], length=[15.0, 20.0]),
            (),
            "nothing is wrong",
            hidden=True,
        ),
        _case("again far away", log_of(20, kl=[0.0, 25.0]), (KL,), "KL", hidden=True),
        _case(
            "just too far", log_of(8, kl=[0.0] * 6 + [20.4, 20.6]), (KL,), "20.5 nats", hidden=True
        ),
        _case("again certain", log_of(20, entropy=[1.0, 0.1]), (ENTROPY,), "entropy", hidden=True),
        _case(
            "again low", log_of(20, entropy=[0.25, 0.2]), (), "low entropy all along", hidden=True
        ),
        _case(
            "again a dead critic",
            log_of(20, explained_variance=[0.05, 0.05]),
            (CRITIC,),
            "critic",
            hidden=True,
        ),
        _case("again longer", log_of(20, length=[8.0, 28.0]), (LENGTH,), "length", hidden=True),
        _case("again shorter", log_of(20, length=[20.0, 5.0]), (LENGTH,), "length", hidden=True),
        _case(
            "again an odd last step",
            log_of(12, kl=[2.0] * 11 + [50.0], length=[20.0] * 11 + [35.0]),
            (),
            "2, 2 and 50 nats; 20, 20 and 35 tokens",
            hidden=True,
        ),
        _case(
            "again an odd first step",
            log_of(8, entropy=[9.0, 1.0, 2.0, 2.0, 2.0, 2.0, 1.6, 1.6]),
            (),
            "9 and 1 first, 1.6 in the end",
            hidden=True,
        ),
        _case(
            "two of four",
            log_of(16, kl=[0.0, 60.0], length=[10.0, 30.0]),
            (KL, LENGTH),
            "two findings",
            hidden=True,
        ),
        _case(
            "again no number",
            log_of(8, kl=[1.0] * 8, entropy=[NAN] + [3.0] * 7, length=[NAN] + [20.0] * 7),
            (ENTROPY, LENGTH),
            "the first step is NaN in two columns",
            hidden=True,
        ),
        _case(
            "two steps",
            {
                "kl": torch.tensor([40.0, 10.0]),
                "entropy": torch.tensor([2.0, 2.0]),
                "explained_variance": torch.tensor([-2.0, 0.2]),
                "length": torch.tensor([10.0, 12.0]),
            },
            (),
            "a quarter of two steps is one",
            hidden=True,
        ),
        _stored(
            "untrained_critic", (CRITIC,), "a real run whose critic was not trained", hidden=True
        ),
        _stored("cut_off_is_dear", (ENTROPY,), "a real run that pays much for an end", hidden=True),
        Case(
            "another missing column",
            {"log": {name: torch.ones(8) for name in NAMES[1:]}},
            "there is no kl",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "again no step",
            {"log": {name: torch.zeros(0) for name in NAMES}},
            "nothing was logged",
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake("KL never looked at", finds(_NoKL), "A late KL above 20 nats is a finding."),
        Mistake(
            "entropy never looked at",
            finds(_NoEntropy),
            "A late entropy below 0.3 times the early one is a finding.",
        ),
        Mistake(
            "critic never looked at",
            finds(_NoCritic),
            "A late explained variance below 0.1 is a finding.",
        ),
        Mistake(
            "length never looked at",
            finds(_NoLength),
            "A late length far from the early one is a finding.",
        ),
        Mistake(
            "only growth counts as drift",
            finds(_GrowthOnly),
            "Responses can also become shorter and shorter, down to nothing.",
        ),
        Mistake(
            "a critic of no use passes",
            finds(_NegativeOnly),
            "An explained variance of 0.05 is not negative, and yet of no use. The limit is 0.1.",
        ),
        Mistake(
            "entropy against a fixed number",
            finds(_AbsoluteEntropy),
            "How much entropy is little depends on the task: compare with the run's own early one.",
        ),
        Mistake(
            "KL against its early value",
            finds(_RelativeKL),
            "KL begins at 0, so every run has many times its early KL. The limit is 20 nats.",
        ),
        Mistake(
            "the last step alone",
            finds(_LastStep),
            "Single batches are noisy: take the mean of the last quarter.",
        ),
        Mistake(
            "the whole run",
            finds(_WholeRun),
            "The mean over all steps hides how it ended: take the last quarter.",
        ),
        Mistake(
            "the largest value",
            finds(_Largest),
            "Take the mean of the last quarter, not its largest value.",
        ),
        Mistake(
            "the first step alone",
            finds(_FirstStep),
            "Compare with the mean of the first quarter, not with the first step.",
        ),
        Mistake(
            "halves instead of quarters",
            finds(_Half),
            "Early and late are quarters of the run.",
        ),
        Mistake(
            "NaN counts as healthy",
            finds(_NaNIsFine),
            "NaN > 20 is False, and so the run passes. Ask whether it is healthy, and report if not.",
        ),
        Mistake(
            "only the first finding",
            finds(_FirstOnly),
            "A run can have several illnesses; name all.",
        ),
        Mistake(
            "missing columns accepted",
            finds(_Accepts),
            "A log without one of the columns, or without a step, must raise a ValueError.",
        ),
        Mistake(
            "a quarter of few steps is nothing",
            finds(_EmptyQuarter),
            "A quarter of three steps, rounded down, is 0: take at least one step.",
        ),
    ),
    variants={"lists": finds(Doctor), "tensors": by_tensors},
)
