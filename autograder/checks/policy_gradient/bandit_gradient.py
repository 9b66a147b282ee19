"""Exercise 2.1: the policy gradient of a bandit."""

import math

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import policy_gradient as probes


def oracle(theta: Tensor, actions: Tensor, rewards: Tensor) -> Tensor:
    """Central differences of the mean of r log pi(a), one draw at a time."""

    def objective(logits: list[float]) -> float:
        log_total = math.log(sum(math.exp(logit) for logit in logits))
        draws = zip(actions.tolist(), rewards.tolist(), strict=True)
        total: float = sum(reward * (logits[a] - log_total) for a, reward in draws)
        return total / len(actions)

    step, gradient = 1e-5, []
    for index in range(len(theta)):
        up, down = theta.tolist(), theta.tolist()
        up[index] += step
        down[index] -= step
        gradient.append((objective(up) - objective(down)) / (2 * step))
    return torch.tensor(gradient, dtype=theta.dtype)


def _chosen(theta: Tensor, actions: Tensor) -> Tensor:
    return one_hot(actions, len(theta)).to(theta.dtype)


def _scores(theta: Tensor, actions: Tensor) -> Tensor:
    return _chosen(theta, actions) - theta.softmax(dim=0)


def reference(theta: Tensor, actions: Tensor, rewards: Tensor) -> Tensor:
    return (rewards.unsqueeze(1) * _scores(theta, actions)).mean(dim=0)


def _loop(theta: Tensor, actions: Tensor, rewards: Tensor) -> Tensor:
    gradient = torch.zeros_like(theta)
    for action, reward in zip(actions, rewards, strict=True):
        gradient -= reward * theta.softmax(dim=0) / len(actions)
        gradient[action] += reward / len(actions)
    return gradient


def _autograd(theta: Tensor, actions: Tensor, rewards: Tensor) -> Tensor:
    leaf = theta.detach().clone().requires_grad_()
    (torch.log_softmax(leaf, dim=0)[actions] * rewards).mean().backward()
    assert leaf.grad is not None
    return leaf.grad


def _overflow(theta: Tensor, actions: Tensor, rewards: Tensor) -> Tensor:
    policy = theta.exp() / theta.exp().sum()
    return (rewards.unsqueeze(1) * (_chosen(theta, actions) - policy)).mean(dim=0)


EXERCISE = ExerciseSpec(
    number="2.1",
    title="The gradient of a bandit",
    targets=("bandit_gradient",),
    points=2,
    minutes=15,
    difficulty=2,
    section="A bandit: one decision, no states",
    statement="""
You have pulled the arms of a bandit `N` times with the policy $\\pi = \\operatorname{softmax}(\\theta)$: arm
`actions[n]` paid `rewards[n]`. Estimate the direction in which $\\theta$ should move so that the expected reward grows.
""",
    hints=(
        "Each draw votes: towards the arm that was pulled, in proportion to what it paid. "
        "The estimate is the mean of the votes.",
        "The vote of one draw is its reward times the score, the gradient of log π(a) with respect to θ. "
        "For a softmax that is the one-hot vector of the arm minus π.",
        "Build the one-hot rows, shape (N, A); subtract the policy, shape (A); multiply by the rewards as a column "
        "(N, 1); take the mean over the first dimension.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "theta": torch.zeros(2, dtype=torch.float64),
                "actions": torch.tensor([0, 1]),
                "rewards": torch.tensor([3.0, 1.0], dtype=torch.float64),
            },
            "two equal arms, arm 0 paid 3 and arm 1 paid 1",
            expected=torch.tensor([0.5, -0.5], dtype=torch.float64),
        ),
        Case(
            "finite differences",
            {"theta": normal(0, 4), "actions": integers(0, 4, 7), "rewards": normal(1, 7)},
            "seven draws from four arms, compared with finite differences of the mean of r log π(a)",
            oracle=oracle,
        ),
        Law(probes.a_constant_added_to_theta_changes_nothing, "θ and θ + 3 are the same policy"),
        Law(probes.the_gradient_sums_to_zero_over_actions, "probability is only moved around"),
        Case(
            "huge logits",
            {
                "theta": torch.tensor([1e4, -1e4], dtype=torch.float64),
                "actions": torch.tensor([1, 0]),
                "rewards": torch.tensor([2.0, 5.0], dtype=torch.float64),
            },
            "logits of ±10,000, where exp overflows",
            expected=torch.tensor([-1.0, 1.0], dtype=torch.float64),
        ),
        Case(
            "single precision",
            {
                "theta": torch.tensor([0.0, math.log(3.0)]),
                "actions": torch.tensor([1]),
                "rewards": torch.tensor([4.0]),
            },
            "float32 in, float32 out: one draw of an arm of probability 3/4",
            expected=torch.tensor([-1.0, 1.0]),
        ),
        Case(
            "other draws",
            {"theta": normal(2, 6), "actions": integers(3, 6, 11), "rewards": normal(4, 11)},
            "eleven draws from six arms",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "one arm pulled once",
            {"theta": normal(5, 3), "actions": torch.tensor([2]), "rewards": normal(6, 1)},
            "a single draw",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "a sure policy",
            {
                "theta": torch.tensor([-1e4, 0.0, 1e4], dtype=torch.float64),
                "actions": torch.tensor([2, 2, 1]),
                "rewards": torch.tensor([7.0, 1.0, 3.0], dtype=torch.float64),
            },
            "a policy that is sure of one arm, and a draw of another",
            expected=torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the policy is not subtracted",
            lambda theta, actions, rewards: (rewards[:, None] * _chosen(theta, actions)).mean(0),
            "Without −π every pulled arm only gains. Differentiate log π(a), with its normalizer, not θ_a alone.",
        ),
        Mistake(
            "sum instead of mean over the draws",
            lambda theta, actions, rewards: (rewards[:, None] * _scores(theta, actions)).sum(0),
            "The expectation is estimated by a mean: twice as many draws must not double the gradient.",
        ),
        Mistake(
            "wrong sign",
            lambda theta, actions, rewards: -reference(theta, actions, rewards),
            "This is gradient ascent on the reward: an arm that paid well should gain probability.",
        ),
        Mistake(
            "weighted by the policy once more",
            lambda theta, actions, rewards: (
                (rewards * theta.softmax(0)[actions])[:, None] * _scores(theta, actions)
            ).mean(0),
            "The draws already come from π: likely arms appear more often. Weighting by π counts it twice.",
        ),
        Mistake(
            "exp without protection",
            _overflow,
            "exp(10,000) is infinite. torch.softmax subtracts the largest logit first.",
        ),
        Mistake(
            "rewards are centred first",
            lambda theta, actions, rewards: reference(theta, actions, rewards - rewards.mean()),
            "Subtracting the mean reward is a baseline: chapter 3. Here the plain estimate is asked for.",
        ),
    ),
    variants={"loop": _loop, "autograd": _autograd},
)
