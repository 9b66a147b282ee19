"""Exercise 7.7: a coefficient that looks after itself."""

from fractions import Fraction
from typing import Any

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import off_policy as probes


def _checked(target: float, rule: str) -> None:
    if target <= 0 or rule not in ("ppo", "ziegler"):
        raise ValueError(target, rule)


def oracle(coef: float, kl: float, target: float, rule: str) -> float:
    """In exact fractions."""
    _checked(target, rule)
    b, k, t = Fraction(coef), Fraction(kl), Fraction(target)
    if rule == "ppo":
        power = (2 * k > 3 * t) - (3 * k < 2 * t)
        return float(b * Fraction(2) ** power)
    error = sorted((Fraction(-1, 5), k / t - 1, Fraction(1, 5)))[1]
    return float(b + b * error / 10)


def _table(coef: float, kl: float, target: float, rule: str) -> float:
    """Another right way: one function a rule."""
    if target <= 0:
        raise ValueError("target")
    rules = {"ppo": _stepwise, "ziegler": _proportional}
    if rule not in rules:
        raise ValueError("rule")
    return coef * rules[rule](kl / target)


def _stepwise(ratio: float) -> float:
    return 2.0 if ratio > 1.5 else 0.5 if ratio * 1.5 < 1 else 1.0


def _proportional(ratio: float) -> float:
    return 1 + 0.1 * max(-0.2, min(0.2, ratio - 1))


def _in_place(coef: float, kl: float, target: float, rule: str) -> float:
    """Another right way: changes of a running value."""
    _checked(target, rule)
    if rule == "ppo" and kl > target * 1.5:
        coef *= 2
    elif rule == "ppo" and kl < target / 1.5:
        coef *= 0.5
    elif rule == "ziegler":
        coef += coef * 0.1 * float(min(max(kl / target - 1, -0.2), 0.2))
    return coef


def _reversed(coef: float, kl: float, target: float, rule: str) -> float:
    _checked(target, rule)
    return (
        coef * coef / oracle(coef, kl, target, rule)
        if rule == "ppo"
        else 2 * coef - oracle(coef, kl, target, rule)
    )


def _unclamped(coef: float, kl: float, target: float, rule: str) -> float:
    _checked(target, rule)
    if rule == "ppo":
        return oracle(coef, kl, target, rule)
    return coef * (1 + 0.1 * (kl / target - 1))


def _no_band(coef: float, kl: float, target: float, rule: str) -> float:
    _checked(target, rule)
    if rule == "ppo":
        return coef * 2 if kl > target else coef / 2 if kl < target else coef
    return oracle(coef, kl, target, rule)


def _upper_only(coef: float, kl: float, target: float, rule: str) -> float:
    _checked(target, rule)
    if rule == "ppo":
        return oracle(coef, max(kl, target), target, rule)
    return coef * (1 + 0.1 * min(kl / target - 1, 0.2))


def _absolute_error(coef: float, kl: float, target: float, rule: str) -> float:
    _checked(target, rule)
    if rule == "ppo":
        return oracle(coef, kl, target, rule)
    return coef * (1 + 0.1 * max(min(kl - target, 0.2), -0.2))


def _full_step(coef: float, kl: float, target: float, rule: str) -> float:
    _checked(target, rule)
    if rule == "ppo":
        return oracle(coef, kl, target, rule)
    return coef * (1 + max(min(kl / target - 1, 0.2), -0.2))


def _unchecked(coef: float, kl: float, target: float, rule: str) -> float:
    if target > 0 and rule in ("ppo", "ziegler"):
        return oracle(coef, kl, target, rule)
    return coef


def _call(coef: float, kl: float, target: float, rule: str) -> dict[str, Any]:
    return {"coef": coef, "kl": kl, "target": target, "rule": rule}


EXERCISE = ExerciseSpec(
    number="7.7",
    title="A penalty that looks after itself",
    targets=("adapt_kl_coef",),
    points=2,
    minutes=12,
    difficulty=2,
    section="A price for every nat",
    statement="""
How much should a nat cost? Say how far an update may go, and let the price follow. Two rules: that of PPO, in steps of
two, and that of the first language models trained from human feedback, in small proportional ones. Refuse a target that
is not positive, and a rule that does not exist.
""",
    hints=(
        "The policy went too far: make a nat dearer. It hardly moved: make it cheaper.",
        "ppo: twice if kl > 1.5 target, half if kl < target / 1.5, else the same. ziegler: times 1 + 0.1 e, where e is "
        "kl/target − 1, held between −0.2 and 0.2.",
        "Check target first. One if for each rule; min and max hold e between its bounds; a ValueError at the end for "
        "any other rule.",
    ),
    checks=(
        Case("too far", _call(0.4, 0.05, 0.01, "ppo"), "kl is five times the target", expected=0.8),
        Case("a little too far", _call(0.4, 0.018, 0.01, "ppo"), "1.8 times it", expected=0.8),
        Case("too near", _call(0.4, 0.001, 0.01, "ppo"), "kl is a tenth of it", expected=0.2),
        Case(
            "inside the band, above",
            _call(0.4, 0.012, 0.01, "ppo"),
            "20 % above the target is near enough",
            expected=0.4,
        ),
        Case(
            "inside the band, below",
            _call(0.4, 0.008, 0.01, "ppo"),
            "20 % below the target is near enough",
            expected=0.4,
        ),
        Case("the upper edge", _call(1.0, 3.0, 2.0, "ppo"), "kl = 1.5 target", expected=1.0),
        Case("the lower edge", _call(1.0, 2.0, 3.0, "ppo"), "kl = target / 1.5", expected=1.0),
        Case(
            "in proportion",
            _call(2.0, 0.022, 0.02, "ziegler"),
            "10 % above the target: 1 % dearer",
            expected=2.02,
        ),
        Case(
            "in proportion, below",
            _call(2.0, 4.5, 5.0, "ziegler"),
            "10 % below the target: 1 % cheaper",
            expected=1.98,
        ),
        Case(
            "clamped above",
            _call(2.0, 50.0, 0.5, "ziegler"),
            "a hundred times the target: 2 % dearer, no more",
            expected=2.04,
        ),
        Case(
            "clamped below",
            _call(2.0, -0.3, 0.5, "ziegler"),
            "a negative estimate: 2 % cheaper, no more",
            expected=1.96,
        ),
        Law(probes.the_unit_of_the_coefficient_does_not_matter, "the coefficient is scaled"),
        Law(probes.on_target_nothing_changes, "on target"),
        Case("no target", _call(1.0, 0.1, 0.0, "ppo"), "a target of 0", raises=ValueError),
        Case(
            "unknown rule",
            _call(1.0, 0.1, 0.1, "pid"),
            "a rule that does not exist",
            raises=ValueError,
        ),
        Case(
            "other numbers, far", _call(0.3, 0.9, 0.2, "ppo"), "too far", oracle=oracle, hidden=True
        ),
        Case(
            "other numbers, near", _call(0.3, 0.1, 0.2, "ppo"), "near", oracle=oracle, hidden=True
        ),
        Case(
            "other numbers, inside",
            _call(7.0, 1.3, 1.0, "ppo"),
            "inside",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "other numbers, inside below",
            _call(7.0, 0.75, 1.0, "ppo"),
            "inside",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "another proportion",
            _call(0.1, 5.5, 6.0, "ziegler"),
            "below",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "another clamp",
            _call(0.1, 60.0, 6.0, "ziegler"),
            "far above",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "another clamp below",
            _call(0.1, 0.0, 6.0, "ziegler"),
            "far below",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "a negative target",
            _call(1.0, 0.1, -1.0, "ziegler"),
            "−1",
            raises=ValueError,
            hidden=True,
        ),
        Case("no such rule", _call(1.0, 0.1, 1.0, "PPO"), "PPO", raises=ValueError, hidden=True),
    ),
    mistakes=(
        Mistake(
            "the wrong direction",
            _reversed,
            "Too far means the price was too low: raise it. This way the policy runs off faster and faster.",
        ),
        Mistake(
            "unclamped",
            _unclamped,
            "One bad estimate of the KL, a hundred times the target, would multiply the price by 10. Hold the error "
            "between −0.2 and 0.2.",
        ),
        Mistake(
            "no band",
            _no_band,
            "Between target / 1.5 and 1.5 target the ppo rule leaves the coefficient alone.",
        ),
        Mistake(
            "never cheaper",
            _upper_only,
            "Also the lower side has a bound: kl below target / 1.5, and an error of −0.2.",
        ),
        Mistake(
            "the error is not relative",
            _absolute_error,
            "kl − target has a unit. Divide by the target.",
        ),
        Mistake(
            "the factor 0.1 is missing",
            _full_step,
            "The ziegler rule moves by a tenth of the error.",
        ),
        Mistake(
            "nonsense passes",
            _unchecked,
            "A target that is not positive, or a rule that does not exist, is an error: raise ValueError.",
        ),
    ),
    variants={"one function a rule": _table, "running value": _in_place},
)
