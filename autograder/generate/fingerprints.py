"""Write down what the visible checks expect: data, never the code of a solution, an oracle or a mistake."""

import json
import math
from typing import Any

from autograder.checks.build import build
from autograder.checks.registry import specs
from rlcourse.checks.codec import encode, encode_outcome
from rlcourse.checks.exercise import CaseCheck, Exercise, LawCheck


def fingerprints(module: str) -> str:
    """The file ``rlcourse/checks/data/<module>.json``.

    Raises:
        WeakCheck: if a check of the chapter does not bite.
    """
    entries = ",\n".join(_exercise(build(spec, hidden=False)) for spec in specs(module))
    source = json.dumps(f"autograder/checks/{module}")
    return f'{{"generated_from": {source}, "exercises": [\n{entries}\n]}}\n'


def _exercise(exercise: Exercise) -> str:
    """One exercise as JSON: a line for what is asked, then a line for each check."""
    named = ("number", "title", "targets", "points", "minutes", "difficulty", "section")
    head = {name: getattr(exercise, name) for name in (*named, "statement", "hints", "uses")}
    head["mistakes"] = [
        {"name": mistake.name, "message": mistake.message} for mistake in exercise.mistakes
    ]
    checks = ",\n".join(_json(_check(check)) for check in exercise.checks)
    return f'{_json(head)[:-1]}, "checks": [\n{checks}\n]}}'


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)


def _check(check: CaseCheck | LawCheck) -> dict[str, Any]:
    shared = {"name": check.name, "target": check.target, "message": check.message}
    if isinstance(check, LawCheck):
        return {**shared, "law": check.law.__name__}
    call = check.call
    data: dict[str, Any] = dict(shared)
    if call.probe is not None:
        data["probe"] = call.probe.__name__
    data["inputs"] = {name: encode(value) for name, value in call.inputs.items()}
    for name in ("gradients", "detached", "inplace"):
        if names := getattr(call, name):
            data[name] = list(names)
    data["expected"] = encode_outcome(check.expected)
    data["answers"] = {str(key): encode_outcome(item) for key, item in check.answers.items()}
    return data


def same_numbers(one: Any, other: Any) -> bool:
    """Equal up to the last digits, in which two processors may differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_numbers(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_numbers, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-7, abs_tol=1e-8)
    return type(one) is type(other) and bool(one == other)
