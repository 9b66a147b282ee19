"""Exercise 5.4: the Huber loss of the actions taken."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import q_learning as probes

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def oracle(q: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
    """Row by row; the two branches of the formula written out."""
    total = torch.zeros((), dtype=q.dtype)
    for row, action, target in zip(q, actions.tolist(), targets.tolist(), strict=True):
        error = row[action] - target
        total = total + (error * error / 2 if abs(float(error)) <= 1 else abs(error) - 0.5)
    return total / len(q)


def _taken(q: Tensor, actions: Tensor) -> Tensor:
    return torch.take_along_dim(q, actions[:, None], dim=1)[:, 0]


def _huber(error: Tensor) -> Tensor:
    size = error.abs()
    small = size.clamp(max=1.0)
    return small * size - small * small / 2


def _of(error: Callable[[Tensor], Tensor]) -> Loss:
    """Another function of the errors."""

    def q_loss(q: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
        return error(_taken(q, actions) - targets.detach())

    return q_loss


def _live(q: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
    return _huber(_taken(q, actions) - targets).mean()


def _only_targets(q: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
    return _huber(_taken(q, actions).detach() - targets).mean()


def _loop(q: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
    rows = zip(q, actions, targets.detach(), strict=True)
    return torch.stack([functional.smooth_l1_loss(row[a], y) for row, a, y in rows]).mean()


def _batch(seed: int, rows: int, actions: int) -> dict[str, Tensor]:
    return {
        "q": normal(seed, rows, actions),
        "actions": integers(seed + 1, actions, rows),
        "targets": 2.0 * normal(seed + 2, rows),
    }


def _hand() -> dict[str, Tensor]:
    return {
        "q": torch.tensor([[1.0, 9.0], [5.0, 2.0]]).double(),
        "actions": torch.tensor([0, 1]),
        "targets": torch.tensor([1.5, -1.0]).double(),
    }


EXERCISE = ExerciseSpec(
    number="5.4",
    title="The loss of DQN",
    targets=("q_loss",),
    points=3,
    minutes=15,
    difficulty=2,
    section="The loss",
    statement="""
A transition tells about one action: the one that was taken. Compare its value with the target, and average the Huber
loss over the batch: half the square of a small error, and a straight line of slope 1 for errors beyond 1. Gradient goes
into the value that was compared, and nowhere else.
""",
    hints=(
        "Pick one value in each row of q, subtract, bend, average.",
        "gather with an index of shape (N, 1) gives (N, 1); take the last axis away before you subtract (N), or the "
        "difference becomes (N, N).",
        "taken = q.gather(…).squeeze(…); then torch.nn.functional.huber_loss(taken, …) with targets that carry no "
        "gradient.",
    ),
    checks=(
        Case(
            "hand value",
            _hand(),
            "errors −0.5 and 3: (0.125 + 2.5) / 2",
            expected=torch.tensor(1.3125, dtype=torch.float64),
            detached=("targets",),
        ),
        Case(
            "seven rows",
            _batch(0, 7, 4),
            "seven transitions, compared row by row; gradients by finite differences",
            oracle=oracle,
            gradients=("q",),
            detached=("targets",),
        ),
        Case(
            "one transition",
            _batch(10, 1, 3),
            "N = 1",
            oracle=oracle,
            gradients=("q",),
        ),
        Law(probes.values_of_other_actions_do_not_matter, "only the action taken counts"),
        Law(probes.a_repeated_batch_has_the_same_loss, "a mean, not a sum"),
        Case(
            "huge errors",
            {
                "q": torch.tensor([[1e4, 0.0], [0.0, -1e4]]).double(),
                "actions": torch.tensor([0, 1]),
                "targets": torch.zeros(2, dtype=torch.float64),
            },
            "errors of ±10,000 have a slope of 1, not of 10,000 (compared is the gradient of half the loss)",
            expected=torch.tensor(1e4 - 0.5, dtype=torch.float64),
            gradient_values={"q": torch.tensor([[0.25, 0.0], [0.0, -0.25]]).double()},
        ),
        Case(
            "single precision",
            {
                "q": torch.tensor([[1.0, 4.0]]),
                "actions": torch.tensor([1]),
                "targets": torch.tensor([4.5]),
            },
            "float32 in, float32 out",
            expected=torch.tensor(0.125),
        ),
        Case(
            "nine rows, hidden",
            _batch(20, 9, 3),
            "nine transitions",
            oracle=oracle,
            gradients=("q",),
            detached=("targets",),
            hidden=True,
        ),
        Case(
            "square, hidden",
            _batch(30, 4, 4),
            "as many rows as actions",
            oracle=oracle,
            gradients=("q",),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "all actions are compared",
            lambda q, actions, targets: _huber(q - targets.detach()[:, None]).mean(),
            "The target speaks of the action that was taken; here all values of a row are drawn to it. Gather first.",
        ),
        Mistake(
            "the best action instead of the one taken",
            lambda q, actions, targets: _huber(q.amax(dim=1) - targets.detach()).mean(),
            "What was lived through is what `actions` says, not what the network would do now.",
        ),
        Mistake(
            "(N, 1) against (N)",
            lambda q, actions, targets: _huber(
                q.gather(1, actions[:, None]) - targets.detach()
            ).mean(),
            "gather leaves an axis of size 1. Subtracting (N) from (N, 1) compares every value with every target.",
        ),
        Mistake(
            "gradient flows into the targets",
            _live,
            "Targets are constants. Through a gradient the target would come to meet the value.",
        ),
        Mistake(
            "the gradient flows into the targets only",
            _only_targets,
            "The value of the action taken is what should learn; it was detached.",
        ),
        Mistake(
            "half the square everywhere",
            _of(lambda error: error.square().mean() / 2),
            "Beyond an error of 1 the Huber loss is a straight line, so that one surprise cannot upset the network.",
        ),
        Mistake(
            "the absolute error everywhere",
            _of(lambda error: error.abs().mean()),
            "Near 0 the Huber loss is half the square, so that small errors get small steps.",
        ),
        Mistake(
            "sum instead of mean",
            _of(lambda error: _huber(error).sum()),
            "The mean over the batch: then the learning rate does not depend on N.",
        ),
        Mistake(
            "the branches do not meet",
            _of(lambda error: torch.where(error.abs() <= 1, error.square(), error.abs()).mean()),
            "The two parts of the formula have a factor ½ and a −½, and meet at 1 with value ½ and slope 1.",
        ),
    ),
    variants={"by hand": _of(lambda error: _huber(error).mean()), "loop": _loop},
)
