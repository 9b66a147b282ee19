"""Exercise 13.1: a group as its own baseline."""

import math
import statistics

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Function, Law, Mistake, normal
from rlcourse.checks.probes import preference_optimization as probes

KINDS = ("rloo", "grpo", "dr_grpo")


def oracle(rewards: Tensor, kind: str) -> Tensor:
    """Response by response, with exact sums."""
    rows = []
    for row in rewards.tolist():
        mean, deviation = statistics.fmean(row), statistics.pstdev(row)
        if kind == "rloo":
            rows.append([x - (math.fsum(row) - x) / (len(row) - 1) for x in row])
        elif kind == "dr_grpo":
            rows.append([x - mean for x in row])
        else:
            rows.append([(x - mean) / deviation if len(set(row)) > 1 else 0.0 for x in row])
    return torch.tensor(rows, dtype=rewards.dtype)


def _right(rewards: Tensor, kind: str) -> Tensor:
    if rewards.shape[1] < 2 or kind not in KINDS:
        raise ValueError("no such kind, or nobody to compare with")
    return oracle(rewards.detach(), kind)


def _leave_one_out(rewards: Tensor, kind: str) -> Tensor:
    """Another right way: the mean of the others as a matrix product."""
    count = rewards.shape[1]
    if count < 2 or kind not in KINDS:
        raise ValueError("no such kind, or nobody to compare with")
    others = (1 - torch.eye(count, dtype=rewards.dtype)) / (count - 1)
    apart = rewards.detach() - rewards.detach() @ others
    if kind == "rloo":
        return apart
    centered = apart * (count - 1) / count
    if kind == "dr_grpo":
        return centered
    deviation = rewards.detach().std(dim=1, correction=0, keepdim=True)
    same = rewards.amax(dim=1, keepdim=True) == rewards.amin(dim=1, keepdim=True)
    return (centered / deviation.masked_fill(same, 1.0)).masked_fill(same, 0.0)


def _changed(kind: str, code: Function) -> Function:
    """A function that is wrong for one kind only."""

    def group_advantages(rewards: Tensor, kind_: str) -> Tensor:
        return code(rewards) if kind_ == kind else _right(rewards, kind_)

    return group_advantages


def _whole_batch(rewards: Tensor, kind: str) -> Tensor:
    return _right(rewards.reshape(1, -1), kind).reshape(rewards.shape)


def _by_column(rewards: Tensor, kind: str) -> Tensor:
    if len(rewards) < 2:
        return _right(rewards, kind)
    return _right(rewards.T, kind).T


def _itself_in_the_baseline(rewards: Tensor) -> Tensor:
    return rewards.detach() - rewards.detach().mean(dim=1, keepdim=True)


def _others_divided_by_all(rewards: Tensor) -> Tensor:
    rewards = rewards.detach()
    return rewards - (rewards.sum(dim=1, keepdim=True) - rewards) / rewards.shape[1]


def _centered(rewards: Tensor) -> Tensor:
    return rewards.detach() - rewards.detach().mean(dim=1, keepdim=True)


def _sample_deviation(rewards: Tensor) -> Tensor:
    correction = int(rewards.shape[1] > 1)
    deviation = rewards.detach().std(dim=1, correction=correction, keepdim=True)
    return torch.where(deviation > 1e-12, _centered(rewards) / deviation, 0.0)


def _variance(rewards: Tensor) -> Tensor:
    variance = _centered(rewards).square().mean(dim=1, keepdim=True)
    return torch.where(variance > 1e-24, _centered(rewards) / variance, 0.0)


def _nan(rewards: Tensor) -> Tensor:
    return _centered(rewards) / rewards.detach().std(dim=1, correction=0, keepdim=True)


def _epsilon(rewards: Tensor) -> Tensor:
    return _centered(rewards) / (rewards.detach().std(dim=1, correction=0, keepdim=True) + 1e-4)


def _not_centered(rewards: Tensor) -> Tensor:
    deviation = rewards.detach().std(dim=1, correction=0, keepdim=True)
    return torch.where(deviation > 1e-12, rewards.detach() / deviation, 0.0)


def _batch_deviation(rewards: Tensor) -> Tensor:
    return _centered(rewards) / rewards.detach().std(correction=0).clamp(min=1e-12)


def _live(rewards: Tensor, kind: str) -> Tensor:
    return _leave_one_out(rewards, kind) + (rewards - rewards.detach())


def _any_kind(rewards: Tensor, kind: str) -> Tensor:
    return _right(rewards, kind if kind in KINDS else "dr_grpo")


def _double(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


HAND = _double((1.0, 0.0, 0.0, 1.0), (4.0, 0.0, 0.0, 0.0))
ROOT = 3**0.5
SAME = _double((0.1, 0.1, 0.1), (0.1, 0.4, 0.1))
"""Three times 0.1 has a mean that is not exactly 0.1."""


def _hand(kind: str, expected: Tensor, message: str) -> Case:
    return Case(f"hand value of {kind}", {"rewards": HAND, "kind": kind}, message, expected)


def _random(kind: str, seed: int, rows: int, columns: int, hidden: bool = False) -> Case:
    return Case(
        f"random rewards, {kind}, {rows} by {columns}",
        {"rewards": 1 + 2 * normal(seed, rows, columns), "kind": kind},
        f"{rows} prompts, {columns} responses to each; no gradient flows",
        oracle=oracle,
        detached=("rewards",),
        hidden=hidden,
    )


EXERCISE = ExerciseSpec(
    number="13.1",
    title="A group is its own baseline",
    targets=("group_advantages",),
    points=3,
    minutes=20,
    difficulty=2,
    section="A group instead of a critic",
    statement="""
Sample K responses to each prompt and compare each with the others: no critic is needed. Write the three ways that are
in use. RLOO subtracts the mean of the *other* responses; Dr. GRPO the mean of all; GRPO also divides by the deviation
of the group (with 1/K). If all responses of a group got the same reward, nothing was learned from it: advantages of
exactly 0, not rounding errors divided by rounding errors.
""",
    hints=(
        "All three begin with the reward minus the mean of its group. The mean of the others follows from that mean.",
        "R − (ΣR − R)/(K−1) = (R − mean) · K/(K−1). For GRPO, compare rewards to see whether a group differs "
        "at all, and choose with torch.where.",
        "Detach; refuse K < 2; centred rewards with keepdim=True; one return for each kind; an error behind them.",
    ),
    checks=(
        _hand(
            "rloo",
            _double((2 / 3, -2 / 3, -2 / 3, 2 / 3), (4.0, -4 / 3, -4 / 3, -4 / 3)),
            "rewards 1 0 0 1 and 4 0 0 0: each minus the mean of the other three",
        ),
        _hand(
            "grpo",
            _double((1.0, -1.0, -1.0, 1.0), (ROOT, -1 / ROOT, -1 / ROOT, -1 / ROOT)),
            "rewards 1 0 0 1 (mean ½, deviation ½) and 4 0 0 0 (mean 1, deviation √3)",
        ),
        _hand(
            "dr_grpo",
            _double((0.5, -0.5, -0.5, 0.5), (3.0, -1.0, -1.0, -1.0)),
            "rewards 1 0 0 1 and 4 0 0 0: each minus the mean of all four",
        ),
        *(_random(kind, seed, 3, 5) for seed, kind in enumerate(KINDS)),
        Case(
            "all the same",
            {"rewards": SAME, "kind": "grpo"},
            "three times 0.1: exactly zero, though its mean is not exactly 0.1",
            oracle=oracle,
        ),
        Case(
            "nearly the same",
            {"rewards": 1e-7 * HAND, "kind": "grpo"},
            "tiny differences count as much as large ones",
            oracle=oracle,
        ),
        Case(
            "one response",
            {"rewards": normal(3, 2, 1), "kind": "rloo"},
            "a group of one has nobody to compare with",
            raises=ValueError,
        ),
        Case(
            "one response, dr_grpo",
            {"rewards": normal(3, 2, 1), "kind": "dr_grpo"},
            "a group of one has nobody to compare with",
            raises=ValueError,
        ),
        Case(
            "unknown kind",
            {"rewards": normal(3, 2, 3), "kind": "ppo"},
            "there is no such kind",
            raises=ValueError,
        ),
        Law(probes.a_constant_for_each_prompt_changes_nothing, "a shift of a prompt's rewards"),
        Law(probes.each_group_is_by_itself, "prompts have nothing to do with each other"),
        Law(probes.the_order_of_a_group_does_not_matter, "the order of the responses"),
        *(_random(kind, 10 + seed, 2, 2 + seed, hidden=True) for seed, kind in enumerate(KINDS)),
        *(
            Case(
                f"single precision, {kind}",
                {"rewards": normal(20, 2, 4).float(), "kind": kind},
                "float32 in, float32 out",
                oracle=oracle,
                hidden=True,
            )
            for kind in KINDS
        ),
        Case(
            "all the same again",
            {"rewards": _double((0.7, 0.7, 0.7, 0.7, 0.7, 0.7)), "kind": "grpo"},
            "six times 0.7",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "nearly the same again",
            {"rewards": 3e-7 * HAND, "kind": "grpo"},
            "tiny differences",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "one response again",
            {"rewards": normal(4, 3, 1), "kind": "grpo"},
            "nobody to compare with",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "another unknown kind",
            {"rewards": normal(3, 2, 3), "kind": "RLOO"},
            "there is no such kind",
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the whole batch as one group",
            _whole_batch,
            "Responses to other prompts are no comparison: an easy prompt would make a hard one look bad.",
        ),
        Mistake(
            "groups along the wrong axis",
            _by_column,
            "A row holds the responses to one prompt; take means along the row.",
        ),
        Mistake(
            "itself in the baseline",
            _changed("rloo", _itself_in_the_baseline),
            "RLOO leaves the response itself out of its baseline.",
        ),
        Mistake(
            "others divided by all",
            _changed("rloo", _others_divided_by_all),
            "There are K − 1 others, so their sum is divided by K − 1.",
        ),
        Mistake(
            "deviation with K − 1",
            _changed("grpo", _sample_deviation),
            "The deviation of the group was asked for with 1/K, not with 1/(K − 1).",
        ),
        Mistake(
            "variance for deviation",
            _changed("grpo", _variance),
            "Divide by the deviation, the root of the variance.",
        ),
        Mistake(
            "divided by zero",
            _changed("grpo", _nan),
            "Where all rewards of a group are equal, 0/0, or one rounding error by another, is returned.",
        ),
        Mistake(
            "something added to the deviation",
            _changed("grpo", _epsilon),
            "With a constant below the line small differences count less than large ones. Only groups without any "
            "difference need care.",
        ),
        Mistake(
            "not centred",
            _changed("grpo", _not_centered),
            "Subtract the mean of the group before you divide.",
        ),
        Mistake(
            "deviation of the batch",
            _changed("grpo", _batch_deviation),
            "Each group is divided by its own deviation.",
        ),
        Mistake("gradient into the rewards", _live, "Advantages are constants: detach."),
        Mistake("any kind will do", _any_kind, "An unknown kind should raise ValueError."),
    ),
    variants={"row by row": _right, "as a matrix": _leave_one_out},
)
