"""Exercise 3.4: the mean of the other samples."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import baselines as probes


def oracle(rewards: Tensor) -> Tensor:
    """For each sample, a loop over the other ones."""
    batch, samples = rewards.shape
    found = torch.zeros_like(rewards)
    for p in range(batch):
        for i in range(samples):
            others = [float(rewards[p, j]) for j in range(samples) if j != i]
            found[p, i] = sum(others) / len(others)
    return found


def _enough(rewards: Tensor) -> Tensor:
    """The rewards as data; refused if nobody is left to compare with."""
    if rewards.shape[1] < 2:
        raise ValueError("two samples are needed")
    return rewards.detach()


def _matrix(rewards: Tensor) -> Tensor:
    """Another right way: a matrix that averages the others."""
    data, samples = _enough(rewards), rewards.shape[1]
    others = (1.0 - torch.eye(samples, dtype=data.dtype)) / (samples - 1)
    return data @ others


def _from_the_mean(rewards: Tensor) -> Tensor:
    """Another right way: the group's mean, with one's own share taken out."""
    data, samples = _enough(rewards), rewards.shape[1]
    advantages = (data - data.mean(dim=1, keepdim=True)) * samples / (samples - 1)
    return data - advantages


def _divided_by_k(rewards: Tensor) -> Tensor:
    data = _enough(rewards)
    return (data.sum(dim=1, keepdim=True) - data) / data.shape[1]


def _over_prompts(rewards: Tensor) -> Tensor:
    data = _enough(rewards)
    return (data.sum(dim=0, keepdim=True) - data) / max(len(data) - 1, 1)


def _over_everything(rewards: Tensor) -> Tensor:
    data = _enough(rewards)
    return (data.sum() - data) / (data.numel() - 1)


EXERCISE = ExerciseSpec(
    number="3.4",
    title="Leave one out",
    targets=("leave_one_out_baseline",),
    points=2,
    minutes=15,
    difficulty=2,
    section="Leave one out",
    statement="""
A language model answers each of `B` prompts `K` times. Compare every answer with the mean reward of the *other*
answers to the same prompt: the baseline of RLOO (Kool et al., 2019). It needs no value function, and
since no sample takes part in its own baseline, nothing is biased.
""",
    hints=(
        "What would this prompt have paid without this answer? Ask the K − 1 others.",
        "(Σ_j r_pj − r_pi) / (K − 1), the sum over the samples of one prompt: dimension 1. The result has "
        "the shape of "
        "the rewards.",
        "Refuse K < 2 with ValueError. total = the detached rewards summed over dim 1, kept as a column; subtract "
        "rewards; divide "
        "by K − 1.",
    ),
    checks=(
        Case(
            "hand value",
            {"rewards": torch.tensor([[1.0, 2.0, 6.0], [0.0, 4.0, 8.0]], dtype=torch.float64)},
            "two prompts, three samples: the first sample sees (2 + 6)/2",
            expected=torch.tensor([[4.0, 3.5, 1.5], [6.0, 4.0, 2.0]], dtype=torch.float64),
        ),
        Case(
            "many samples",
            {"rewards": 2.0 + normal(0, 3, 5)},
            "three prompts, five samples, compared with a loop; a constant",
            oracle=oracle,
            detached=("rewards",),
        ),
        Law(probes.no_expected_gradient_changes, "the point of leaving one out"),
        Law(
            probes.a_sample_does_not_move_its_own_baseline,
            "a baseline does not know its own action",
        ),
        Case(
            "as many prompts as samples",
            {"rewards": normal(1, 4, 4)},
            "four prompts, four samples: rows are prompts",
            oracle=oracle,
        ),
        Case(
            "single precision",
            {"rewards": torch.tensor([[1e4, -1e4]])},
            "float32 in, float32 out: with two samples, each is the other's baseline",
            expected=torch.tensor([[-1e4, 1e4]]),
        ),
        Case(
            "one sample",
            {"rewards": torch.ones(3, 1, dtype=torch.float64)},
            "one sample for a prompt: there is no other one",
            raises=ValueError,
        ),
        Case(
            "other samples",
            {"rewards": normal(2, 4, 3) - 1.0},
            "four prompts, three samples",
            oracle=oracle,
            detached=("rewards",),
            hidden=True,
        ),
        Case(
            "one prompt",
            {"rewards": normal(3, 1, 6)},
            "a single prompt, six samples",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "one sample, one prompt",
            {"rewards": torch.ones(1, 1, dtype=torch.float64)},
            "a single sample",
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "self included",
            lambda rewards: _enough(rewards).mean(dim=1, keepdim=True).expand_as(rewards),
            "This is the mean of all K samples. Each must be left out of its own baseline, or the gradient "
            "shrinks to "
            "(K − 1)/K.",
        ),
        Mistake(
            "divided by K",
            _divided_by_k,
            "Only K − 1 rewards are in the sum.",
        ),
        Mistake(
            "over the prompts' axis",
            _over_prompts,
            "Rows are prompts, columns are samples: compare answers to the same prompt, along dimension 1.",
        ),
        Mistake(
            "over all prompts",
            _over_everything,
            "An easy prompt would praise all of its answers, and a hard one none. Keep prompts apart.",
        ),
        Mistake(
            "advantage instead of baseline",
            lambda rewards: rewards - _matrix(rewards),
            "Return the baseline itself; it is subtracted later.",
        ),
        Mistake(
            "carries gradient",
            lambda rewards: (
                (rewards.sum(dim=1, keepdim=True) - rewards) / (_enough(rewards).shape[1] - 1)
            ),
            "Rewards are data here: detach them, also where a penalty from the policy is part of them.",
        ),
        Mistake(
            "one sample accepted",
            lambda rewards: (
                (rewards.detach().sum(dim=1, keepdim=True) - rewards.detach())
                / (rewards.shape[1] - 1)
                if rewards.shape[1] > 1
                else torch.zeros_like(rewards)
            ),
            "With K = 1 there is nothing to compare with. Say so: raise ValueError.",
        ),
    ),
    variants={"matrix": _matrix, "from the mean": _from_the_mean},
)
