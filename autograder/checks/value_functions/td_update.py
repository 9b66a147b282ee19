"""Exercise 4.3: one step of temporal-difference learning."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import value_functions as probes


def oracle(
    values: Tensor, state: Any, reward: Any, discount: Any, next_state: Any, step_size: Any
) -> Tensor:
    """A weighted mean of the old value and the target, one state at a time."""
    columns = [_listed(item) for item in (state, reward, discount, next_state, step_size)]
    count = max(len(column) for column in columns)
    rows = zip(*(column * count if len(column) == 1 else column for column in columns), strict=True)
    old = values.tolist()
    new = list(old)
    for s, r, discounted, following, weight in rows:
        target = r + discounted * old[int(following)]
        new[int(s)] = (1 - weight) * old[int(s)] + weight * target
    return torch.tensor(new, dtype=values.dtype)


def _listed(item: Any) -> list[float]:
    if isinstance(item, Tensor):
        return [float(x) for x in item.reshape(-1)]
    return [float(item)]


def _change(
    error: Any, at_next: bool = False, full_step: bool = False, in_place: bool = False
) -> Any:
    """The update with its error, its place, its step size or its table changed."""

    def wrong(
        values: Tensor, state: Any, reward: Any, discount: Any, next_state: Any, step_size: Any
    ) -> Tensor:
        delta = error(reward, discount, values[next_state], values[state])
        updated = values if in_place else values.clone()
        updated[next_state if at_next else state] += (1.0 if full_step else step_size) * delta
        return updated

    return wrong


def _delta(r: Any, discount: Any, following: Any, value: Any) -> Any:
    return r + discount * following - value


def _only_the_number(
    values: Tensor, state: Any, reward: Any, discount: Any, next_state: Any, step_size: Any
) -> Tensor:
    return oracle(values, state, reward, discount, next_state, step_size)[state]


def _index_add(
    values: Tensor, state: Any, reward: Any, discount: Any, next_state: Any, step_size: Any
) -> Tensor:
    """Another right way."""
    index = torch.as_tensor(state).reshape(-1)
    step = step_size * (reward + discount * values[next_state] - values[state])
    return values.index_add(0, index, torch.as_tensor(step, dtype=values.dtype).reshape(-1))


def _one_hot(
    values: Tensor, state: Any, reward: Any, discount: Any, next_state: Any, step_size: Any
) -> Tensor:
    """Another right way: a table of changes, without indexing on the left."""
    places = torch.as_tensor(state).reshape(-1, 1) == torch.arange(len(values))
    step = step_size * (reward + discount * values[next_state] - values[state])
    return values + (places * torch.as_tensor(step).reshape(-1, 1)).sum(dim=0).to(values.dtype)


def _call(
    values: Tensor, state: Any, reward: Any, discount: Any, next_state: Any, step_size: Any
) -> dict[str, Any]:
    return {
        "values": values,
        "state": state,
        "reward": reward,
        "discount": discount,
        "next_state": next_state,
        "step_size": step_size,
    }


def _many(seed: int, states: int, updates: int) -> dict[str, Any]:
    """Different states left at once, some of them for the last time."""
    order = normal(seed, states).argsort()[:updates]
    discounts = 0.9 * (normal(seed + 1, updates) > -0.5)
    reached = integers(seed + 2, states, updates)
    table, rewards = normal(seed + 3, states), normal(seed + 4, updates)
    return _call(table, order, rewards, discounts, reached, 0.3)


def _double(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


EXERCISE = ExerciseSpec(
    number="4.3",
    title="The TD(0) update",
    targets=("td_update",),
    points=2,
    minutes=10,
    difficulty=2,
    section="Temporal difference: learn a guess from a guess",
    statement="""
One step has been made: from `state` to `next_state`, and it paid `reward`. Move the value of the state that was left
towards what this step suggests, and return the new table. All other values stay, and so does the table passed in.
""",
    hints=(
        "The step suggests a new value for `state`: what it paid, plus what you think the rest is worth. Move a part "
        "of the way from the old value to it.",
        "error = r + discount · V(s′) − V(s), and V(s) grows by step_size · error. The discount is 0 after "
        "termination, so nothing more is needed there.",
        "Compute the error from `values`; updated = values.clone(); add step_size times the error to updated[state]; "
        "return updated. The same lines work when state is a tensor of several states.",
    ),
    checks=(
        Case(
            "hand value",
            _call(_double(0.5, -1.0, 2.0), 0, 1.0, 0.9, 2, 0.1),
            "V(0) = 0.5 and the target is 1 + 0.9 · 2 = 2.8: a tenth of the way from 0.5 to 2.8",
            expected=_double(0.73, -1.0, 2.0),
        ),
        Case(
            "the episode terminated",
            _call(_double(0.5, -1.0, 7.0), 1, 3.0, 0.0, 2, 0.5),
            "the discount is 0: the target is the reward 3, whatever V(2) says",
            expected=_double(0.5, 1.0, 7.0),
        ),
        Case(
            "weighted mean",
            _call(normal(0, 6), 4, -0.7, 0.8, 2, 0.25),
            "six states, compared with a weighted mean of old value and target",
            oracle=oracle,
        ),
        Case(
            "back to the same state",
            _call(_double(1.0, 4.0), 1, 1.0, 0.5, 1, 0.5),
            "a step that ends where it began: the target is 1 + 0.5 · 4 = 3",
            expected=_double(1.0, 3.5),
        ),
        Case(
            "several states at once",
            _many(1, 8, 5),
            "five different states updated at once, some at a termination",
            oracle=oracle,
        ),
        Law(probes.the_true_values_stay_on_average, "at the true values the errors cancel"),
        Law(probes.only_the_visited_state_moves, "one step tells about one state"),
        Case(
            "single precision",
            _call(torch.tensor([0.0, 1.0]), 0, 1.0, 1.0, 1, 0.5),
            "float32 in, float32 out",
            expected=torch.tensor([1.0, 1.0]),
        ),
        Case(
            "another step",
            _call(normal(7, 5), 3, 2.5, 0.6, 0, 0.4),
            "five states",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "another termination",
            _call(normal(8, 4), 2, -1.0, 0.0, 3, 0.7),
            "a last step",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "other states at once",
            _many(10, 12, 7),
            "seven updates at once",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "a step size for each",
            _call(
                normal(20, 5),
                torch.tensor([0, 3]),
                normal(21, 2),
                _double(0.9, 0.0),
                torch.tensor([3, 1]),
                _double(0.1, 1.0),
            ),
            "two updates with a step size each",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "bootstraps at the end",
            _change(lambda r, discount, following, value: r + following - value),
            "V(s′) enters undiscounted, also where the episode terminated. Multiply it by the discount, which is 0 "
            "there.",
        ),
        Mistake(
            "V(s) is discounted too",
            _change(lambda r, discount, following, value: r + discount * (following - value)),
            "The discount belongs to what comes later. V(s) is the guess about now: subtract all of it.",
        ),
        Mistake(
            "the table is changed in place",
            _change(_delta, in_place=True),
            "The caller's table was overwritten. Work on a clone.",
        ),
        Mistake(
            "V(s) is not subtracted",
            _change(lambda r, discount, following, value: r + discount * following),
            "Adding a part of the target lets values grow without bound. Move by a part of the *difference*.",
        ),
        Mistake(
            "wrong direction",
            _change(lambda *parts: -_delta(*parts)),
            "The value moves away from the target. The error is target minus value.",
        ),
        Mistake(
            "the next state is moved",
            _change(_delta, at_next=True),
            "The step tells about the state that was left: update values[state].",
        ),
        Mistake(
            "all the way to the target",
            _change(_delta, full_step=True),
            "One step is one noisy sample: move by step_size times the error.",
        ),
        Mistake(
            "discount on the reward too",
            _change(lambda r, discount, following, value: discount * (r + following) - value),
            "The reward of the step itself is not discounted; with a discount of 0 it would be lost.",
        ),
        Mistake(
            "only the number",
            _only_the_number,
            "The whole table (S) is asked for, with one entry changed.",
        ),
    ),
    variants={"index_add": _index_add, "one hot": _one_hot, "weighted mean": oracle},
)
