"""What a student is told, and what a call is watched for."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.checks.registry import load_module
from rlcourse.checks import CheckFailed, check
from rlcourse.checks.codec import decode, decode_outcome, encode, encode_outcome
from rlcourse.checks.compare import agrees, difference
from rlcourse.checks.outcome import Call, Outcome, observe
from rlcourse.checks.subject import LocalSubject
from rlcourse.support.tabular import chain

HERE = LocalSubject(None)
X = torch.tensor([1.0, 2.0], dtype=torch.float64)


def outcome(function: Any, **options: Any) -> Outcome:
    return observe(function, Call({"x": X}, **options), HERE)


def test_an_input_changed_in_place_is_noticed() -> None:
    assert outcome(lambda x: x.add_(1)).mutated == ("x",)
    assert outcome(lambda x: x + 1).mutated == ()
    assert X.tolist() == [1.0, 2.0], "the case's own inputs stay as they were"
    assert outcome(lambda x: x.add_(1), inplace=("x",)).mutated == ()


def test_an_input_that_is_nan_counts_as_unchanged() -> None:
    call = Call({"x": torch.tensor([float("nan")])})
    assert observe(lambda x: x * 2, call, HERE).mutated == ()


@pytest.mark.parametrize("draw", [lambda: torch.rand(1), lambda: __import__("random").random()])
def test_a_draw_from_a_global_generator_is_noticed(draw: Any) -> None:
    assert outcome(lambda x: draw() and x).used_global_rng
    generator = torch.Generator().manual_seed(0)
    assert not outcome(lambda x: x + torch.rand(2, generator=generator)).used_global_rng


def test_gradients_are_found_missing_or_leaking() -> None:
    flows = outcome(lambda x: x**2, gradients=("x",))
    cut = outcome(lambda x: (x**2).detach(), gradients=("x",))
    assert flows.gradients["x"] is not None and cut.gradients["x"] is None
    assert "no gradient" in str(difference(cut, flows))
    leak = outcome(lambda x: x**2, detached=("x",))
    clean = outcome(lambda x: x.detach() ** 2, detached=("x",))
    assert "flows into x" in str(difference(leak, clean))
    assert agrees(outcome(lambda x: x.detach() ** 2 + 0 * x, detached=("x",)), clean)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (torch.zeros(3, dtype=torch.float64), "shape"),
        (torch.zeros(2), "dtype"),
        ([1.0, 2.0], "tensor"),
        (None, "return missing"),
        (torch.tensor([1.0, 2.1], dtype=torch.float64), "[1] is 2.1, expected 2"),
        (torch.tensor([float("nan"), 2.0], dtype=torch.float64), "[0] is nan"),
    ],
)
def test_a_wrong_value_is_told_in_words(value: Any, word: str) -> None:
    assert word in str(difference(Outcome(value), Outcome(X)))


def test_hidden_numbers_are_not_told() -> None:
    told = str(difference(Outcome(X + 1), Outcome(X), show_expected=False))
    assert "expected" not in told and "not right" in told


def test_exceptions_are_compared_by_type() -> None:
    raised, wanted = Outcome(raised="KeyError", error="'a'"), Outcome(raised="ValueError")
    assert "should raise ValueError" in str(difference(raised, wanted))
    assert "should raise ValueError" in str(difference(Outcome(X), wanted))
    assert "raised KeyError: 'a'" in str(difference(raised, Outcome(X)))
    assert agrees(Outcome(raised="ValueError", error="b"), wanted)


@pytest.mark.parametrize(
    "value",
    [
        X,
        torch.tensor([float("inf"), float("nan")]),
        torch.zeros(2, 0, dtype=torch.int64),
        torch.tensor(True),
        {"a": (1, 2.5, "x"), "b": None},
        float("-inf"),
        chain(2),
    ],
)
def test_the_codec_loses_nothing(value: Any) -> None:
    import json

    back = decode(json.loads(json.dumps(encode(value))))
    assert type(back) is type(value)
    assert agrees(Outcome(back), Outcome(value))


def test_an_outcome_survives_the_codec() -> None:
    seen = Outcome(X, {"a": X, "b": None}, mutated=("a",), used_global_rng=True)
    assert agrees(decode_outcome(encode_outcome(seen)), seen)


def test_an_object_without_exact_form_is_refused() -> None:
    with pytest.raises(TypeError, match="use a probe"):
        encode(object())


def test_a_renamed_function_is_named() -> None:
    with pytest.raises(CheckFailed, match="defines no discounted_returns"):
        check("2.3", module=SimpleNamespace())


def test_an_unknown_exercise_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"2\.1, 2\.2"):
        check("2.99")
    with pytest.raises(ValueError, match="ch02"):
        check("nonsense")


def test_the_message_names_line_hint_and_section() -> None:
    def discounted_returns(rewards: Tensor, discounts: Tensor) -> Tensor:
        raise IndexError("too far")

    with pytest.raises(CheckFailed) as failure:
        check("2.3", module=SimpleNamespace(discounted_returns=discounted_returns))
    text = str(failure.value)
    assert "IndexError: too far" in text and "rlcourse hint 2.3" in text
    assert "Return and reward-to-go" in text


def test_a_passing_check_prints_its_points(capsys: pytest.CaptureFixture[str]) -> None:
    check("2.3", module=load_module("solutions", "policy_gradient"))
    assert "2.3 Discounted returns: passed, 1.8 points" in capsys.readouterr().out


def test_a_hole_in_an_earlier_exercise_costs_nothing_later() -> None:
    """Grading puts the reference in the place of an earlier function, and takes it out again."""
    from dataclasses import replace

    from autograder.checks import check_hidden
    from rlcourse.checks.exercise import find_exercise
    from rlcourse.checks.runner import run_exercise

    assert check_hidden  # importing the author's side makes the references known
    module = SimpleNamespace(categorical_log_prob=None)

    def discounted_returns(rewards: Tensor, discounts: Tensor) -> Tensor:
        module.categorical_log_prob(torch.zeros(2), torch.tensor(0))
        return load_module("solutions", "policy_gradient").discounted_returns(rewards, discounts)

    module.discounted_returns = discounted_returns
    plain = find_exercise("2.3")
    assert not run_exercise(plain, LocalSubject(module)).passed
    using = replace(plain, uses=("categorical_log_prob", "bandit_gradient"))
    assert run_exercise(using, LocalSubject(module)).passed
    assert module.categorical_log_prob is None and not hasattr(module, "bandit_gradient")


@pytest.mark.parametrize(
    ("stub", "told"),
    [
        (
            "Exercise 2.2: write categorical_log_prob",
            "stands on exercise 2.2, categorical_log_prob,",
        ),
        (
            "Exercise 2.3: write discounted_returns",
            "not started yet. Write discounted_returns first",
        ),
        ("", "not started yet. Write discounted_returns first"),
    ],
)
def test_an_exercise_that_waits_for_another_says_for_which(stub: str, told: str) -> None:
    def discounted_returns(rewards: Tensor, discounts: Tensor) -> Tensor:
        raise NotImplementedError(stub)

    with pytest.raises(CheckFailed) as failure:
        check("2.3", module=SimpleNamespace(discounted_returns=discounted_returns))
    assert told in str(failure.value)


def test_checks_compute_in_one_thread_and_leave_the_number_as_it_was() -> None:
    reference = load_module("solutions", "policy_gradient")
    seen: list[int] = []

    def discounted_returns(*arguments: Any) -> Any:
        seen.append(torch.get_num_threads())
        return reference.discounted_returns(*arguments)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        check("2.3", SimpleNamespace(discounted_returns=discounted_returns))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_an_entry_that_is_hardly_wrong_is_named_too() -> None:
    """Wrong by more than the tolerance of float64, and by less than a millionth."""
    right = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    wrong = right * torch.tensor([1.0, 1.0, 1.0 + 2e-6, 1.0], dtype=torch.float64).reshape(2, 2)
    told = difference(outcome(lambda x: wrong), outcome(lambda x: right))
    assert told is not None and "at [1, 0] is 3" in told
    scalar = difference(outcome(lambda x: wrong[1, 0]), outcome(lambda x: right[1, 0]))
    assert scalar is not None and "expected 3" in scalar
