"""Exercise 10.1: the state that has read the whole response."""

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import reward_model as probes


def oracle(hidden: Tensor, mask: Tensor) -> Tensor:
    """Walk back from the end of each row."""
    rows = []
    for row, flags in zip(hidden, mask.tolist(), strict=True):
        place = len(flags) - 1
        while not flags[place]:
            place -= 1
        rows.append(row[place])
    return torch.stack(rows)


def _need(mask: Tensor) -> None:
    if bool((mask > 0).sum(1).eq(0).any()):
        raise ValueError("empty row")


def _at(hidden: Tensor, places: Tensor) -> Tensor:
    return hidden[torch.arange(len(hidden)), places]


def _final(hidden: Tensor, mask: Tensor) -> Tensor:
    _need(mask)
    return hidden[:, -1]


def _average(hidden: Tensor, mask: Tensor) -> Tensor:
    _need(mask)
    kept = hidden.masked_fill((mask == 0)[..., None], 0.0)
    return kept.sum(1) / (mask > 0).sum(1, keepdim=True)


def _count(hidden: Tensor, mask: Tensor) -> Tensor:
    _need(mask)
    return _at(hidden, (mask > 0).sum(1) - 1)


def _one_behind(hidden: Tensor, mask: Tensor) -> Tensor:
    _need(mask)
    return _at(hidden, ((mask > 0).sum(1)).clamp(max=hidden.shape[1] - 1))


def _one_before(hidden: Tensor, mask: Tensor) -> Tensor:
    return _at(hidden, (_places(mask) - 1).clamp(min=0))


def _first(hidden: Tensor, mask: Tensor) -> Tensor:
    _need(mask)
    return _at(hidden, (mask > 0).int().argmax(1))


def _places(mask: Tensor) -> Tensor:
    _need(mask)
    numbered = torch.arange(mask.shape[1]) * (mask > 0)
    return numbered.max(1).values


def _right(hidden: Tensor, mask: Tensor) -> Tensor:
    return _at(hidden, _places(mask))


def _detached(hidden: Tensor, mask: Tensor) -> Tensor:
    return _right(hidden, mask).detach()


def _accepts(hidden: Tensor, mask: Tensor) -> Tensor:
    return _at(hidden, (torch.arange(mask.shape[1]) * (mask > 0)).max(1).values)


def _product(hidden: Tensor, mask: Tensor) -> Tensor:
    marks = torch.nn.functional.one_hot(_places(mask), mask.shape[1]).to(hidden.dtype)
    return (hidden * marks[..., None]).sum(1)


def _gathered(hidden: Tensor, mask: Tensor) -> Tensor:
    """Another right way: count from behind."""
    _need(mask)
    back = (mask > 0).int().flip(1).argmax(1)
    places = (mask.shape[1] - 1 - back)[:, None, None].expand(-1, 1, hidden.shape[2])
    return hidden.gather(1, places)[:, 0]


def _padded(seed: int) -> Tensor:
    hidden = normal(seed, 2, 3, 2)
    hidden[0, 1:] = float("nan")
    hidden[1, 0] = float("inf")
    return hidden


BOTH = torch.tensor([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
OTHER = torch.tensor(
    [[1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0, 0.0]]
)
EDGES = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])

EXERCISE = ExerciseSpec(
    number="10.1",
    title="The end of a response",
    targets=("end_of_response",),
    points=2,
    minutes=15,
    difficulty=2,
    section="A language model with one more number",
    statement="""
A causal model has a hidden state at every token, and only the last one has read everything. Pick it, in each row of a
padded batch. Padding may stand behind the text, as it does in training, or in front of it, as it does while a policy
writes; your function must not care.
""",
    hints=(
        "Where is the last 1 of each row of the mask? Their number tells that only if no padding is in front.",
        "Number the columns that count from left to right: the last of them has the largest number of its row, and "
        "argmax returns the first place of the largest.",
        "counted = mask > 0; raise if a row has none; a cumsum of counted; its argmax along the row; index hidden "
        "with an arange over the rows and that place.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "hidden": torch.arange(8.0).double().reshape(2, 4, 1),
                "mask": torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]]),
            },
            "states 0 to 3 and 4 to 7; three tokens count in the first row, two in the second",
            expected=torch.tensor([[2.0], [5.0]], dtype=torch.float64),
        ),
        Case(
            "padding at both sides",
            {"hidden": normal(0, 3, 4, 2), "mask": BOTH},
            "padding behind, in front, and around",
            oracle=oracle,
            gradients=("hidden",),
        ),
        Case(
            "padding that is no number",
            {"hidden": _padded(1), "mask": EDGES},
            "NaN and ∞ on padding",
            oracle=oracle,
        ),
        Case(
            "a row of padding",
            {"hidden": normal(2, 2, 3, 2), "mask": torch.tensor([[1, 0, 0], [0, 0, 0]])},
            "the second row has no token",
            raises=ValueError,
        ),
        Law(probes.padding_may_hold_anything, "what stands on padding"),
        Law(probes.padding_in_front_or_behind_is_all_the_same, "either side"),
        Law(probes.any_type_of_mask_will_do, "masks of every type"),
        Case(
            "other padding",
            {"hidden": normal(3, 3, 5, 3), "mask": OTHER},
            "padding behind, around, and in between",
            oracle=oracle,
            gradients=("hidden",),
            hidden=True,
        ),
        Case(
            "other padding that is no number",
            {"hidden": _padded(4), "mask": EDGES > 0},
            "NaN and ∞ on padding, a bool mask",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "only padding",
            {"hidden": normal(5, 1, 2, 2), "mask": torch.zeros(1, 2)},
            "nothing counts",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "single precision",
            {"hidden": normal(6, 2, 3, 2).float(), "mask": EDGES.flip(1)},
            "float32 in, float32 out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake("the last column", _final, "The last column of a padded row is padding."),
        Mistake(
            "mean over the tokens",
            _average,
            "A mean mixes in states that have read only part of the response. Take one state.",
        ),
        Mistake(
            "padding in front forgotten",
            _count,
            "The number of tokens tells the place of the last one only if the row begins "
            "with them.",
        ),
        Mistake(
            "one too far", _one_behind, "That is the first column of padding. Columns count from 0."
        ),
        Mistake(
            "one too early", _one_before, "That token is the last but one: it has not read the end."
        ),
        Mistake(
            "the first token", _first, "That is the first token that counts; it has read nothing."
        ),
        Mistake("detached", _detached, "No gradient reaches the model: it could not be trained."),
        Mistake(
            "an empty row accepted",
            _accepts,
            "A row in which nothing counts has no end: raise a ValueError.",
        ),
        Mistake(
            "0 times NaN",
            _product,
            "0 × NaN is NaN: pick by index, instead of multiplying and adding.",
        ),
    ),
    variants={"largest number": _right, "from behind": _gathered},
)
