"""Say in words where an outcome differs from the expected one."""

from typing import Any

import torch
from torch import Tensor

from rlcourse.checks.outcome import Outcome, leaves_of

MISSING = object()


def agrees(actual: Outcome, expected: Outcome) -> bool:
    """Whether two outcomes are the same in everything that is compared."""
    return difference(actual, expected) is None


def difference(actual: Outcome, expected: Outcome, show_expected: bool = True) -> str | None:
    """The first thing that differs, in the order in which a person should look; None if nothing does.

    Args:
        actual: what the student's function did.
        expected: what it should have done.
        show_expected: whether expected numbers may be told (not for hidden checks).
    """
    if actual.raised != expected.raised:
        return _about_exceptions(actual, expected)
    if expected.raised:
        return None
    return (
        _about_value(actual.value, expected.value, show_expected)
        or _about_gradients(actual.gradients, expected.gradients, show_expected)
        or _about_side_effects(actual, expected)
    )


def _about_exceptions(actual: Outcome, expected: Outcome) -> str:
    if expected.raised is None:
        return f"it raised {actual.raised}: {actual.error}"
    happened = f"it raised {actual.raised}: {actual.error}" if actual.raised else "it did not"
    return f"this input should raise {expected.raised}, but {happened}"


def _about_value(actual: Any, expected: Any, show_expected: bool) -> str | None:
    found = dict(leaves_of(actual))
    for path, want in leaves_of(expected):
        got = found.pop(path, MISSING)
        where = f"the result's {path.lstrip('.')}" if path else "the result"
        if got is MISSING:
            return f"{where} is missing: expected {_kind(expected)}, got {_kind(actual)}"
        if text := _about_leaf(where, got, want, show_expected):
            return text
    if found:
        return f"the result holds more than asked for: {', '.join(sorted(found))}"
    return None


def _about_leaf(where: str, got: Any, want: Any, show_expected: bool) -> str | None:
    if isinstance(want, Tensor):
        return _about_tensor(where, got, want, show_expected)
    if isinstance(want, float) and not isinstance(want, bool):
        if isinstance(got, Tensor) and got.numel() == 1:
            got = got.item()
        if not isinstance(got, int | float):
            return f"{where} should be a number, got {_kind(got)}"
        if close(torch.tensor(float(got)).double(), torch.tensor(want).double()):
            return None
    elif type(got) is type(want) and got == want:
        return None
    told = f", expected {want!r}" if show_expected else " is not right"
    return f"{where}: {got!r}{told}"


def _about_tensor(where: str, got: Any, want: Tensor, show_expected: bool) -> str | None:
    if not isinstance(got, Tensor):
        return f"{where} should be a tensor of shape {tuple(want.shape)}, got {_kind(got)}"
    if got.shape != want.shape:
        return f"{where} should have shape {tuple(want.shape)}, got {tuple(got.shape)}"
    if got.dtype != want.dtype:
        return f"{where} should have dtype {_name(want)}, got {_name(got)}"
    if got.device != want.device:
        return f"{where} should be on {want.device}, got {got.device}"
    if close(got, want):
        return None
    return f"{where} {_entries(got, want, show_expected)}"


def _entries(got: Tensor, want: Tensor, show_expected: bool) -> str:
    """Name the first wrong entry; show both tensors whole where they are small."""
    wrong = ~torch.isclose(got.double(), want.double(), rtol=1e-5, atol=1e-8, equal_nan=True)
    if not bool(wrong.any()):  # wrong by less than these tolerances: the entry that is off by most
        gap = (got.double() - want.double()).abs().nan_to_num()
        wrong = gap == gap.max()
    index = tuple(wrong.nonzero()[0].tolist()) if want.dim() else ()
    place = f"at {list(index)} " if index else ""
    text = f"{place}is {_number(got[index])}"
    if show_expected:
        text += f", expected {_number(want[index])}"
        if 1 < want.numel() <= 12:
            text += f"\n    yours:    {_numbers(got)}\n    expected: {_numbers(want)}"
    else:
        text += ", which is not right"
    return text


def _about_gradients(
    actual: dict[str, Tensor | None], expected: dict[str, Tensor | None], show_expected: bool
) -> str | None:
    for name, want in expected.items():
        got = actual.get(name)
        if want is None and got is not None:
            return f"a gradient flows into {name}; it should be treated as a constant here"
        if want is not None and got is None:
            return f"no gradient reaches {name}: was it detached, or turned into a number?"
        if want is not None:
            where = f"the value is right, but its gradient with respect to {name}"
            if text := _about_tensor(where, got, want, show_expected):
                return text
    return None


def _about_side_effects(actual: Outcome, expected: Outcome) -> str | None:
    if extra := set(actual.mutated) - set(expected.mutated):
        return f"it changes its input {sorted(extra)[0]} in place; work on a copy instead"
    if actual.used_global_rng and not expected.used_global_rng:
        return "it draws from a global random generator; use the generator that is passed in"
    if set(expected.mutated) - set(actual.mutated):
        return f"it leaves {expected.mutated[0]} as it was; it should change it in place"
    if expected.used_global_rng and not actual.used_global_rng:
        return "it draws from no global random generator"
    return None


def close(got: Tensor, want: Tensor) -> bool:
    """Equal up to the default tolerances of ``torch.testing.assert_close`` for their type."""
    try:
        torch.testing.assert_close(got, want, equal_nan=True)
    except AssertionError:
        return False
    return True


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "None (is a return missing?)" if value is None else f"a {type(value).__name__}"


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _number(entry: Tensor) -> str:
    number = entry.item()
    return f"{number:.6g}" if isinstance(number, float) else str(number)


def _numbers(tensor: Tensor) -> str:
    def show(item: Any) -> str:
        if isinstance(item, list):
            return "[" + ", ".join(show(entry) for entry in item) + "]"
        return f"{item:.4g}" if isinstance(item, float) else str(item)

    return show(tensor.tolist())
