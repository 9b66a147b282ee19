"""Exercise 5.3: one network chooses, the other judges."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import q_learning as probes

Target = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def oracle(
    rewards: Tensor, discounts: Tensor, next_q_online: Tensor, next_q_target: Tensor
) -> Tensor:
    """Row by row with Python lists."""
    targets = []
    for i in range(len(rewards)):
        preferred, judged = next_q_online[i].tolist(), next_q_target[i].tolist()
        action = preferred.index(max(preferred))
        targets.append(float(rewards[i]) + float(discounts[i]) * judged[action])
    return torch.tensor(targets, dtype=rewards.dtype)


def _judged(chooser: Tensor, judge: Tensor) -> Tensor:
    return torch.take_along_dim(judge, chooser.argmax(dim=-1)[:, None], dim=-1)[:, 0]


def _with(following: Callable[[Tensor, Tensor], Tensor]) -> Target:
    """Another number for what the next state is worth."""

    def double_q_target(
        rewards: Tensor, discounts: Tensor, next_q_online: Tensor, next_q_target: Tensor
    ) -> Tensor:
        return rewards + discounts * following(next_q_online.detach(), next_q_target.detach())

    return double_q_target


def _never_over(
    rewards: Tensor, discounts: Tensor, next_q_online: Tensor, next_q_target: Tensor
) -> Tensor:
    return rewards + discounts.max() * _judged(next_q_online, next_q_target.detach())


def _live(
    rewards: Tensor, discounts: Tensor, next_q_online: Tensor, next_q_target: Tensor
) -> Tensor:
    return rewards + discounts * _judged(next_q_online, next_q_target)


@torch.no_grad()
def _weights(
    rewards: Tensor, discounts: Tensor, next_q_online: Tensor, next_q_target: Tensor
) -> Tensor:
    choice = one_hot(next_q_online.argmax(dim=1), next_q_target.shape[1])
    return rewards + discounts * torch.where(choice.bool(), next_q_target, 0.0).sum(dim=1)


def _indexed(
    rewards: Tensor, discounts: Tensor, next_q_online: Tensor, next_q_target: Tensor
) -> Tensor:
    rows = torch.arange(len(rewards))
    judged = next_q_target[rows, next_q_online.max(dim=1).indices]
    return (rewards + discounts * judged).detach()


def _double(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _batch(seed: int, rows: int, actions: int) -> dict[str, Tensor]:
    return {
        "rewards": normal(seed, rows),
        "discounts": 0.9 * (normal(seed + 1, rows) > -0.7),
        "next_q_online": normal(seed + 2, rows, actions),
        "next_q_target": normal(seed + 3, rows, actions),
    }


EXERCISE = ExerciseSpec(
    number="5.3",
    title="The target of Double DQN",
    targets=("double_q_target",),
    points=3,
    minutes=15,
    difficulty=3,
    section="Double DQN",
    statement="""
The same target, but the two halves of the maximum are done by two networks: the one being trained says *which* action
is best, the target network says *what it is worth*. Where both agree this is the target of exercise 5.2. No gradient
may flow into the result, neither through the judge nor through the chooser.
""",
    hints=(
        "max = value at the argmax. Take the argmax from one network and the value from the other.",
        "The argmax of next_q_online over the actions is (N). Look these places up in next_q_target, one in each row: "
        "gather needs an index of shape (N, 1).",
        "chosen = next_q_online.argmax(…, keepdim=True); judged = next_q_target.gather(…, chosen) without its last "
        "axis; then as in 5.2. Detach.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "rewards": _double(1.0, 2.0, 0.0),
                "discounts": _double(0.5, 0.0, 1.0),
                "next_q_online": torch.tensor([[3.0, 5.0], [1.0, 0.0], [7.0, 2.0]]).double(),
                "next_q_target": torch.tensor([[9.0, 4.0], [6.0, 8.0], [-2.0, 3.0]]).double(),
            },
            "the online network prefers actions 1, 0, 0; the target network says 4, 6, −2 of them; 1 + 0.5 · 4, 2, −2",
            expected=_double(3.0, 2.0, -2.0),
        ),
        Case(
            "six rows",
            _batch(0, 6, 4),
            "six transitions, some of them the last, compared row by row; no gradient may flow",
            oracle=oracle,
            detached=("next_q_online", "next_q_target"),
        ),
        Case(
            "as many rows as actions",
            _batch(10, 4, 4),
            "four transitions, four actions",
            oracle=oracle,
        ),
        Law(probes.one_network_in_both_roles_is_plain_q_learning, "two equal networks"),
        Law(probes.a_shift_of_the_chooser_changes_nothing, "who chooses gives no numbers"),
        Case(
            "huge values",
            {
                "rewards": _double(0.0),
                "discounts": _double(1.0),
                "next_q_online": torch.tensor([[-1e4, 1e4, 0.0]]).double(),
                "next_q_target": torch.tensor([[1e4, -1e4, 3.0]]).double(),
            },
            "values of ±10,000",
            expected=_double(-1e4),
        ),
        Case(
            "single precision",
            {
                "rewards": torch.ones(2),
                "discounts": torch.tensor([0.5, 0.0]),
                "next_q_online": torch.tensor([[2.0, 4.0], [2.0, 4.0]]),
                "next_q_target": torch.tensor([[8.0, 2.0], [2.0, 6.0]]),
            },
            "float32 in, float32 out",
            expected=torch.tensor([2.0, 1.0]),
        ),
        Case(
            "eight rows, hidden",
            _batch(20, 8, 3),
            "eight transitions, three actions",
            oracle=oracle,
            detached=("next_q_online", "next_q_target"),
            hidden=True,
        ),
        Case("two actions, hidden", _batch(30, 7, 2), "two actions", oracle=oracle, hidden=True),
        Case(
            "square, hidden",
            _batch(40, 5, 5),
            "as many rows as actions",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the roles are swapped",
            _with(lambda online, target: _judged(target, online)),
            "The network being trained chooses; the target network judges. Here it is the other way round.",
        ),
        Mistake(
            "only the online network",
            _with(lambda online, target: online.amax(dim=-1)),
            "The network judges its own choice, so its errors choose themselves. Take the value from next_q_target.",
        ),
        Mistake(
            "only the target network",
            _with(lambda online, target: target.amax(dim=-1)),
            "That is the target of plain DQN. The action is to be chosen by next_q_online.",
        ),
        Mistake(
            "the smaller of two maxima",
            _with(lambda online, target: torch.minimum(online.amax(-1), target.amax(-1))),
            "The minimum of two maxima is another remedy (TD3's). Here one network chooses the action, one judges it.",
        ),
        Mistake(
            "the mean of both networks",
            _with(lambda online, target: (online / 2 + target / 2).amax(dim=-1)),
            "An average still chooses and judges with the same numbers.",
        ),
        Mistake(
            "the place of the maximum",
            _with(lambda online, target: online.argmax(dim=-1).to(target.dtype)),
            "argmax gives the number of an action. Look up in next_q_target what this action is worth.",
        ),
        Mistake(
            "termination is ignored",
            _never_over,
            "Where the episode terminated nothing can be earned any more: each row has its own discount.",
        ),
        Mistake(
            "gradient flows through the target",
            _live,
            "The judge's values are constants here. Detach them.",
        ),
    ),
    variants={"one-hot weights": _weights, "indexed": _indexed, "along a dim": _with(_judged)},
)
