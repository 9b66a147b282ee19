"""Every change of a shared object is found, whether it is compared alone or together with others."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autograder.sandbox.mirrors import GROUP, Mirrors


def _in_place(x: Tensor) -> None:
    with torch.no_grad():
        x[0, 1] += 1


def _with_numpy(x: Tensor) -> None:
    x.detach().numpy()[2, 0] = -1  # a tensor's version does not count this


def _elsewhere(x: Tensor) -> None:
    x.data = x.detach().clone() + 1


def _gradient(x: Tensor) -> None:
    (x * x).sum().backward()


def _gradient_of_a_new_leaf(x: Tensor) -> None:
    x.detach_().requires_grad_()
    x.grad = torch.ones_like(x)


CHANGES: list[Callable[[Tensor], None]] = [
    _in_place,
    _with_numpy,
    _elsewhere,
    _gradient,
    lambda x: x.data.zero_(),
    lambda x: setattr(x, "data", x.data.t()),
    lambda x: setattr(x, "data", x.data.view(2, 2, 3)),
    lambda x: setattr(x, "data", x.data[:, :2]),
]


def _shared(mirrors: Mirrors, count: int) -> list[Tensor]:
    made = [torch.arange(12.0).view(4, 3).requires_grad_() for _ in range(count)]
    for tensor in made:
        mirrors.lend(tensor)
    assert mirrors.changes() == []
    return made


@pytest.mark.parametrize("count", [1, 2 * GROUP], ids=["alone", "together"])
@pytest.mark.parametrize("index", range(len(CHANGES)))
def test_a_change_is_found_once(index: int, count: int) -> None:
    mirrors = Mirrors()
    made = _shared(mirrors, count)
    assert len(mirrors._groups) == (count > 1)
    tensor = made[GROUP // 2 if count > 1 else 0]
    CHANGES[index](tensor)
    ((number, content),) = mirrors.changes()
    assert number == mirrors.find(tensor)
    assert content.shape == list(tensor.shape)
    assert torch.frombuffer(bytearray(content.raw), dtype=torch.float32).tolist() == (
        tensor.detach().flatten().tolist()
    )
    assert (content.grad is None) == (tensor.grad is None)
    assert mirrors.changes() == []


def test_what_becomes_a_leaf_among_others_may_have_a_gradient() -> None:
    mirrors = Mirrors()
    made = [torch.ones(3, requires_grad=True) * 2 for _ in range(2 * GROUP)]
    for tensor in made:
        mirrors.lend(tensor)
    assert mirrors.changes() == [] and mirrors._groups
    _gradient_of_a_new_leaf(made[1])
    ((number, content),) = mirrors.changes()
    assert number == mirrors.find(made[1]) and content.grad is not None


def test_a_gradient_that_went_is_found_among_others() -> None:
    mirrors = Mirrors()
    made = [torch.ones(3, requires_grad=True) for _ in range(2 * GROUP)]
    for tensor in made:
        tensor.grad = torch.ones(3)
        mirrors.lend(tensor)
    assert mirrors.changes() == [] and mirrors._groups
    made[0].grad = None
    ((_, content),) = mirrors.changes()
    assert content.grad is None


def test_a_mirror_that_is_dropped_leaves_its_group() -> None:
    mirrors = Mirrors()
    made = _shared(mirrors, 2 * GROUP)
    number = mirrors.find(made[0])
    assert number is not None
    mirrors.drop([number])
    assert not mirrors._groups
    _in_place(made[0])
    _in_place(made[1])
    assert [number for number, _ in mirrors.changes()] == [mirrors.find(made[1])]


def test_what_may_go_away_is_not_kept_by_being_compared() -> None:
    mirrors = Mirrors()
    made = [torch.ones(3) for _ in range(2 * GROUP)]
    numbers = [mirrors.lend(tensor)[0] for tensor in made]
    assert mirrors.changes() == []
    made.clear()
    assert sorted(mirrors.dropped()) == numbers
