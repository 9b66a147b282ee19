"""Exercise 4.5: three answers to what the next state is worth."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import value_functions as probes


def oracle(
    rule: str, reward: Any, discount: Any, next_q: Tensor, next_action: Any, next_policy: Tensor
) -> Tensor:
    """Row by row with Python floats."""
    shape = next_q.shape[:-1]
    rows = next_q.reshape(-1, next_q.shape[-1]).tolist()
    actions = torch.as_tensor(next_action).expand(shape).reshape(-1).tolist()
    policies = next_policy.expand_as(next_q).reshape(len(rows), -1).tolist()
    following = []
    for q, action, policy in zip(rows, actions, policies, strict=True):
        if rule == "sarsa":
            following.append(q[action])
        elif rule == "q_learning":
            following.append(sorted(q)[-1])
        else:
            following.append(sum(p * value for p, value in zip(policy, q, strict=True)))
    return _plus(reward, discount, torch.tensor(following, dtype=next_q.dtype).reshape(shape))


def _plus(reward: Any, discount: Any, following: Tensor) -> Tensor:
    found: Tensor = reward + discount * following
    return found


def _following(rule: str, next_q: Tensor, next_action: Any, next_policy: Tensor) -> Tensor:
    if rule == "sarsa":
        index = torch.as_tensor(next_action).expand(next_q.shape[:-1])
        return torch.take_along_dim(next_q, index[..., None], dim=-1)[..., 0]
    if rule == "expected_sarsa":
        return torch.einsum("...a,...a->...", next_policy, next_q)
    if rule == "q_learning":
        return next_q.max(dim=-1).values
    raise ValueError(rule)


def _right(
    rule: str, reward: Any, discount: Any, next_q: Tensor, next_action: Any, next_policy: Tensor
) -> Tensor:
    q = next_q.detach()
    return _plus(reward, discount, _following(rule, q, next_action, next_policy.detach()))


def _one_hot(
    rule: str, reward: Any, discount: Any, next_q: Tensor, next_action: Any, next_policy: Tensor
) -> Tensor:
    """Another right way: every rule is an average under some policy."""
    actions = next_q.shape[-1]
    weights = {
        "sarsa": torch.nn.functional.one_hot(torch.as_tensor(next_action), actions),
        "expected_sarsa": next_policy,
        "q_learning": torch.nn.functional.one_hot(next_q.argmax(dim=-1), actions),
    }
    if rule not in weights:
        raise ValueError(rule)
    with torch.no_grad():
        following = (weights[rule].to(next_q.dtype) * next_q).sum(dim=-1)
        return _plus(reward, discount, following)


def _swap(wrong_for: str, by: str) -> Any:
    """One rule where another was asked for."""

    def wrong(rule: str, *rest: Any) -> Tensor:
        return _right(by if rule == wrong_for else rule, *rest)

    return wrong


def _change(following: Any) -> Any:
    def wrong(
        rule: str, reward: Any, discount: Any, next_q: Tensor, next_action: Any, next_policy: Tensor
    ) -> Tensor:
        value = following(rule, next_q.detach(), next_action, next_policy.detach())
        found: Tensor = reward + discount * value
        return found

    return wrong


def _uniform(rule: str, q: Tensor, action: Any, policy: Tensor) -> Tensor:
    return _following(rule, q, action, torch.full_like(q, 1 / q.shape[-1]))


def _index(rule: str, q: Tensor, action: Any, policy: Tensor) -> Tensor:
    if rule == "q_learning":
        return q.argmax(dim=-1).to(q.dtype)
    return _following(rule, q, action, policy)


def _over_the_batch(rule: str, q: Tensor, action: Any, policy: Tensor) -> Tensor:
    if rule == "q_learning":
        return q.max().expand(q.shape[:-1])
    return _following(rule, q, action, policy)


def _live(
    rule: str, reward: Any, discount: Any, next_q: Tensor, next_action: Any, next_policy: Tensor
) -> Tensor:
    return _plus(reward, discount, _following(rule, next_q, next_action, next_policy))


def _never_over(
    rule: str, reward: Any, discount: Any, next_q: Tensor, next_action: Any, next_policy: Tensor
) -> Tensor:
    return _right(rule, reward, 1.0, next_q, next_action, next_policy)


def _discounts_all(
    rule: str, reward: Any, discount: Any, next_q: Tensor, next_action: Any, next_policy: Tensor
) -> Tensor:
    return _plus(0.0, discount, _right(rule, reward, 1.0, next_q, next_action, next_policy))


def _double(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _hand(rule: str, discount: float = 0.5) -> dict[str, Any]:
    return {
        "rule": rule,
        "reward": 1.0,
        "discount": discount,
        "next_q": _double(2.0, 8.0, 4.0),
        "next_action": 0,
        "next_policy": _double(0.5, 0.25, 0.25),
    }


def _batch(seed: int, rule: str, rows: int, actions: int) -> dict[str, Any]:
    return {
        "rule": rule,
        "reward": normal(seed, rows),
        "discount": 0.9 * (normal(seed + 1, rows) > -0.7),
        "next_q": normal(seed + 2, rows, actions),
        "next_action": integers(seed + 3, actions, rows),
        "next_policy": normal(seed + 4, rows, actions).softmax(dim=-1),
    }


EXERCISE = ExerciseSpec(
    number="4.5",
    title="Three targets for control",
    targets=("control_target",),
    points=3,
    minutes=20,
    difficulty=3,
    section="Control: SARSA, expected SARSA, Q-learning",
    statement="""
An agent that wants to act needs values of *actions*. After a step it asks what the next state is worth, and there are
three answers: what the action it will take is worth (SARSA), what its policy is worth on average (expected SARSA), or
what the best action is worth (Q-learning). Compute the target of each.
""",
    hints=(
        "All three are reward + discount × something. Only the something differs: one entry of next_q, its mean under "
        "a policy, or its largest entry.",
        "The actions are the last axis. SARSA: gather the entry of next_action. Expected SARSA: sum of next_policy · "
        "next_q over the last axis. Q-learning: the maximum over the last axis (the value, not its place).",
        "if / elif on the rule, else raise ValueError. For SARSA: next_q.gather(-1, index.unsqueeze(-1)).squeeze(-1) "
        "with index = torch.as_tensor(next_action). A target is a constant, so detach what you return.",
    ),
    checks=(
        Case(
            "SARSA by hand",
            _hand("sarsa"),
            "action values 2, 8, 4; action 0 comes next; 1 + 0.5 · 2",
            expected=torch.tensor(2.0, dtype=torch.float64),
        ),
        Case(
            "expected SARSA by hand",
            _hand("expected_sarsa"),
            "probabilities 1/2, 1/4, 1/4: 1 + 0.5 · (1 + 2 + 1)",
            expected=torch.tensor(3.0, dtype=torch.float64),
        ),
        Case(
            "Q-learning by hand",
            _hand("q_learning"),
            "the best of 2, 8, 4: 1 + 0.5 · 8",
            expected=torch.tensor(5.0, dtype=torch.float64),
        ),
        Case(
            "SARSA, a batch",
            _batch(0, "sarsa", 5, 4),
            "five steps at once, some of them the last, compared row by row; no gradient may flow",
            oracle=oracle,
            detached=("next_q",),
        ),
        Case(
            "expected SARSA, a batch",
            _batch(10, "expected_sarsa", 4, 3),
            "four steps at once, compared row by row; no gradient may flow",
            oracle=oracle,
            detached=("next_q", "next_policy"),
        ),
        Case(
            "Q-learning, a batch",
            _batch(20, "q_learning", 5, 3),
            "five steps at once, compared row by row; no gradient may flow",
            oracle=oracle,
            detached=("next_q",),
        ),
        Law(probes.a_greedy_policy_makes_the_rules_agree, "a sure policy leaves no difference"),
        Law(probes.nothing_follows_a_terminal_step, "behind the end there is nothing"),
        Case(
            "huge values",
            _hand("q_learning") | {"next_q": _double(-1e4, 1e4, 0.0)},
            "values of ±10,000",
            expected=torch.tensor(5001.0, dtype=torch.float64),
        ),
        Case(
            "no such rule",
            _hand("monte_carlo"),
            "a rule that does not exist is an error",
            raises=ValueError,
        ),
        Case(
            "single precision",
            {
                "rule": "expected_sarsa",
                "reward": 1.0,
                "discount": 1.0,
                "next_q": torch.tensor([1.0, 3.0]),
                "next_action": 1,
                "next_policy": torch.tensor([0.5, 0.5]),
            },
            "float32 in, float32 out",
            expected=torch.tensor(3.0),
        ),
        Case(
            "SARSA, hidden",
            _batch(30, "sarsa", 6, 3),
            "six steps",
            oracle=oracle,
            detached=("next_q",),
            hidden=True,
        ),
        Case(
            "expected SARSA, hidden",
            _batch(40, "expected_sarsa", 6, 5),
            "six steps, five actions",
            oracle=oracle,
            detached=("next_q",),
            hidden=True,
        ),
        Case(
            "Q-learning, hidden",
            _batch(50, "q_learning", 6, 2),
            "six steps, two actions",
            oracle=oracle,
            detached=("next_q",),
            hidden=True,
        ),
        Case(
            "a last step",
            _hand("q_learning", discount=0.0),
            "the episode terminated",
            expected=torch.tensor(1.0, dtype=torch.float64),
            hidden=True,
        ),
        Case(
            "another unknown rule",
            _hand("Q"),
            "a rule that does not exist",
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the maximum for SARSA",
            _swap("sarsa", "q_learning"),
            "SARSA takes the action that the agent will really take next: next_action, explored or not.",
        ),
        Mistake(
            "the next action for Q-learning",
            _swap("q_learning", "sarsa"),
            "Q-learning asks for the best action of the next state, whatever the agent does there.",
        ),
        Mistake(
            "the next action for expected SARSA",
            _swap("expected_sarsa", "sarsa"),
            "Expected SARSA averages over all actions with the policy's probabilities; it needs no draw.",
        ),
        Mistake(
            "all actions equally probable",
            _change(_uniform),
            "Expected SARSA weighs the action values with next_policy, not equally.",
        ),
        Mistake(
            "the place of the maximum",
            _change(_index),
            "argmax says which action is best; the target needs what it is worth.",
        ),
        Mistake(
            "the maximum over the batch too",
            _change(_over_the_batch),
            "The maximum runs over the actions of one state: the last axis only.",
        ),
        Mistake(
            "bootstraps at the end",
            _never_over,
            "The discount is left out. Where the episode terminated it is 0, and the target is the reward alone.",
        ),
        Mistake(
            "discount on the reward too",
            _discounts_all,
            "The reward of the step itself is not discounted; at a termination it would be lost.",
        ),
        Mistake(
            "gradient flows through the target",
            _live,
            "A target is where the estimate should go. Detach it, or the goal will be moved towards the shot.",
        ),
        Mistake(
            "an unknown rule passes",
            lambda rule, *rest: _right(
                rule if rule in ("sarsa", "expected_sarsa") else "q_learning", *rest
            ),
            "A misspelt rule silently becomes another algorithm. Raise ValueError for it.",
        ),
    ),
    variants={"detached first": _right, "as weights": _one_hot},
)
