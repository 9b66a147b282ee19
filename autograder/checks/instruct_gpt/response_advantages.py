"""Exercise 11.2: advantages of tokens."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import instruct_gpt as probes

Pair = tuple[Tensor, Tensor]


def oracle(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> Pair:
    """Each advantage as a sum over the rest of its response."""
    raw, returns = torch.zeros_like(rewards), torch.zeros_like(rewards)
    for b, length in enumerate((mask > 0).sum(1).tolist()):
        v = [float(x) for x in values[b, :length]] + [0.0]
        errors = [float(rewards[b, t]) + gamma * v[t + 1] - v[t] for t in range(length)]
        for t in range(length):
            raw[b, t] = sum((gamma * lam) ** (k - t) * errors[k] for k in range(t, length))
            returns[b, t] = raw[b, t] + v[t]
    counted = raw[mask > 0]
    middle, spread = counted.mean(), counted.std(correction=0)
    return torch.where(mask > 0, (raw - middle) / (spread + 1e-8), 0.0), returns


class Advantages:
    """As the exercise asks. A mistake overrides the one thing in which it differs."""

    def __init__(
        self, rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float
    ) -> None:
        self.counted, self.gamma, self.lam = mask > 0, gamma, lam
        self.rewards, self.values = self.clean(rewards), self.clean(values)

    def clean(self, x: Tensor) -> Tensor:
        return torch.where(self.counted, x, 0.0).detach()

    def goes_on(self) -> Tensor:
        counted = self.counted.to(self.rewards.dtype)
        return torch.cat([counted[:, 1:], torch.zeros_like(counted[:, :1])], dim=1)

    def next_values(self) -> Tensor:
        return torch.cat([self.values[:, 1:], torch.zeros_like(self.values[:, :1])], dim=1)

    def decay(self) -> Tensor:
        return self.gamma * self.lam * self.goes_on()

    def bootstrap(self) -> Tensor:
        return self.gamma * self.goes_on() * self.next_values()

    def errors(self) -> Tensor:
        return self.rewards + self.bootstrap() - self.values

    def raw(self) -> Tensor:
        errors, decay = self.errors(), self.decay()
        columns = [errors[:, -1]]
        for t in range(errors.shape[1] - 2, -1, -1):
            columns.insert(0, errors[:, t] + decay[:, t] * columns[0])
        return torch.where(self.counted, torch.stack(columns, dim=1), 0.0)

    def whiten(self, raw: Tensor) -> Tensor:
        counted = raw[self.counted]
        spread, middle = torch.std_mean(counted, correction=0)
        return torch.where(self.counted, (raw - middle) / (spread + 1e-8), 0.0)

    def returns(self, raw: Tensor, white: Tensor) -> Tensor:
        return raw + self.values

    def run(self) -> Pair:
        raw = self.raw()
        white = self.whiten(raw)
        return white, self.returns(raw, white)


def advantages(kind: type[Advantages]) -> Callable[..., Pair]:
    """The function that a way of working makes."""

    def response_advantages(
        rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float
    ) -> Pair:
        return kind(rewards, values, mask, gamma, lam).run()

    return response_advantages


class PastTheEnd(Advantages):
    """Reads on behind the end, where a critic still says something."""

    def clean(self, x: Tensor) -> Tensor:
        return x.detach()

    def goes_on(self) -> Tensor:
        ones = torch.ones_like(self.rewards)
        return torch.cat([ones[:, 1:], torch.zeros_like(ones[:, :1])], dim=1)


class LastValueKept(Advantages):
    """Bootstraps from the value of the last token itself."""

    def bootstrap(self) -> Tensor:
        shifted = torch.where(self.goes_on() > 0, self.next_values(), self.values)
        return self.gamma * shifted


class PadsWhitened(Advantages):
    def whiten(self, raw: Tensor) -> Tensor:
        spread, middle = torch.std_mean(raw, correction=0)
        return torch.where(self.counted, (raw - middle) / (spread + 1e-8), 0.0)


class PadsNotZero(Advantages):
    def whiten(self, raw: Tensor) -> Tensor:
        counted = raw[self.counted]
        spread, middle = torch.std_mean(counted, correction=0)
        return (raw - middle) / (spread + 1e-8)


class NotWhitened(Advantages):
    def whiten(self, raw: Tensor) -> Tensor:
        return raw


class RowByRow(Advantages):
    def whiten(self, raw: Tensor) -> Tensor:
        count = self.counted.sum(1, keepdim=True)
        middle = raw.sum(1, keepdim=True) / count
        gaps = torch.where(self.counted, raw - middle, 0.0)
        return gaps / ((gaps.square().sum(1, keepdim=True) / count).sqrt() + 1e-8)


class ReturnsOfWhite(Advantages):
    def returns(self, raw: Tensor, white: Tensor) -> Tensor:
        return torch.where(self.counted, white + self.values, 0.0)


class AdvantagesAsReturns(Advantages):
    def returns(self, raw: Tensor, white: Tensor) -> Tensor:
        return raw


class NoLambda(Advantages):
    def decay(self) -> Tensor:
        return self.gamma * self.goes_on()


class NoGamma(Advantages):
    def bootstrap(self) -> Tensor:
        return self.goes_on() * self.next_values()


class SumOfRewards(Advantages):
    """Values are not subtracted."""

    def errors(self) -> Tensor:
        return self.rewards + self.bootstrap()


class KeepsGradients(Advantages):
    def clean(self, x: Tensor) -> Tensor:
        return torch.where(self.counted, x, 0.0)


class NanLeaks(Advantages):
    """0 times what stands on padding."""

    def clean(self, x: Tensor) -> Tensor:
        return (x * self.counted).detach()


class ByRows(Advantages):
    """Another right way: response by response."""

    def raw(self) -> Tensor:
        found = torch.zeros_like(self.rewards)
        for b, length in enumerate(self.counted.sum(1).tolist()):
            following, value = 0.0, 0.0
            for t in reversed(range(length)):
                error = float(self.rewards[b, t]) + self.gamma * value - float(self.values[b, t])
                following = error + self.gamma * self.lam * following
                value = float(self.values[b, t])
                found[b, t] = following
        return found


MASK = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
OTHER = torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 0.0]])


def _inputs(seed: int, mask: Tensor, gamma: float, lam: float, padding: float) -> dict[str, object]:
    rewards = normal(seed, *mask.shape).masked_fill(
        mask == 0, 0.0 if padding == padding else padding
    )
    values = normal(seed + 1, *mask.shape).masked_fill(mask == 0, padding)
    return {"rewards": rewards, "values": values, "mask": mask, "gamma": gamma, "lam": lam}


HAND = {
    "rewards": torch.tensor([[0.0, 2.0, 0.0]], dtype=torch.float64),
    "values": torch.tensor([[1.0, 1.0, 5.0]], dtype=torch.float64),
    "mask": torch.tensor([[1, 1, 0]]),
    "gamma": 1.0,
    "lam": 0.0,
}
NAN = float("nan")

EXERCISE = ExerciseSpec(
    number="11.2",
    title="Advantages that end with the response",
    targets=("response_advantages",),
    points=3,
    minutes=25,
    difficulty=3,
    section="Advantages of tokens",
    statement="""
Run `gae` of chapter 6 over response tokens. The state after a token is the next prefix, so the next value is the next
column of `values`, but only within the response: after its last token the episode is over, and what a critic says
about padding concerns nobody. Then whiten the advantages with `standardize` of chapter 3, over the tokens that count,
and return with them what the critic should have said: values plus advantages as they were *before* that.

`gae` and `standardize` are your own from chapters 6 and 3; in grading they are replaced by right ones.
""",
    hints=(
        "gae wants discounts, next_values and ends. What must be behind the end, so that nothing comes from there?",
        "Clean rewards and values with torch.where first (0 times NaN is NaN): behind the end "
        "both are 0. next_values are values moved one column to the left, with 0 at the right.",
        "clean both, detached; next_values; every discount gamma, no end; "
        "gae(rewards, discounts, …, lam); return standardize(…) and the sum.",
    ),
    checks=(
        Case(
            "hand value",
            HAND,
            "rewards 0 and 2, values 1 and 1, then padding: errors 0 and 1, so −1 and 1 when whitened",
            expected=(
                torch.tensor([[-1.0, 1.0, 0.0]], dtype=torch.float64) / (1 + 2e-8),
                torch.tensor([[1.0, 2.0, 0.0]], dtype=torch.float64),
            ),
        ),
        Case(
            "padding",
            _inputs(0, MASK, 0.9, 0.8, 2.0),
            "responses of three tokens, of one and of four; the critic says 2 on padding",
            oracle=oracle,
            detached=("rewards", "values"),
        ),
        Case(
            "no discount",
            _inputs(2, MASK, 1.0, 0.95, -1.0),
            "γ = 1, λ = 0.95, as InstructGPT's relatives use them",
            oracle=oracle,
        ),
        Case(
            "padding that is no number",
            _inputs(4, MASK > 0, 1.0, 0.7, NAN),
            "NaN behind the end, a bool mask",
            oracle=oracle,
        ),
        Law(probes.padding_is_nobodys_value, "what the critic says of padding"),
        Law(probes.advantages_are_white, "mean 0 and deviation 1 over the tokens that count"),
        Law(
            probes.constant_rewards_of_a_blind_critic_teach_nothing,
            "a score that is always the same",
        ),
        Case(
            "other padding",
            _inputs(6, OTHER, 0.8, 0.6, 3.0),
            "responses of two tokens and of four",
            oracle=oracle,
            detached=("rewards", "values"),
            hidden=True,
        ),
        Case(
            "other padding that is no number",
            _inputs(8, OTHER, 0.95, 1.0, NAN),
            "NaN behind the end",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "another discount",
            _inputs(10, MASK, 0.5, 0.5, 1.0),
            "γ = λ = ½",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "bootstraps past the end",
            advantages(PastTheEnd),
            "After the last token of a response there is no next state: neither value nor "
            "advantage may come from padding.",
        ),
        Mistake(
            "bootstraps from the last value",
            advantages(LastValueKept),
            "After the last token nothing comes: its next value is 0, not the last value that is known.",
        ),
        Mistake(
            "padding in the whitening",
            advantages(PadsWhitened),
            "Mean and deviation are those of the tokens that count; padding pulls both towards 0.",
        ),
        Mistake(
            "padding not 0",
            advantages(PadsNotZero),
            "Whitening moves padding away from 0 again; advantages there must be 0.",
        ),
        Mistake(
            "not whitened", advantages(NotWhitened), "Standardize the advantages over the mask."
        ),
        Mistake(
            "whitened row by row",
            advantages(RowByRow),
            "One mean for the whole batch: a response that is better than the others must stay so.",
        ),
        Mistake(
            "returns of whitened advantages",
            advantages(ReturnsOfWhite),
            "The critic predicts rewards as they are. Add values to the advantages before they are whitened.",
        ),
        Mistake(
            "advantages as returns",
            advantages(AdvantagesAsReturns),
            "What the critic should have said is advantage plus value.",
        ),
        Mistake("λ left out", advantages(NoLambda), "gae fades later errors by gamma times lam."),
        Mistake("γ left out", advantages(NoGamma), "The next value is discounted by gamma."),
        Mistake(
            "values not subtracted",
            advantages(SumOfRewards),
            "An advantage compares with what the critic expected: V(s) is subtracted.",
        ),
        Mistake(
            "carries a gradient",
            advantages(KeepsGradients),
            "Advantages and returns are constants of the epochs: detach what goes in.",
        ),
        Mistake(
            "0 times NaN", advantages(NanLeaks), "0 × NaN is NaN: clean padding with torch.where."
        ),
    ),
    variants={"columns": advantages(Advantages), "rows": advantages(ByRows)},
    uses=("gae", "standardize"),
)
