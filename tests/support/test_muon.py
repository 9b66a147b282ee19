"""Muon in single precision is PyTorch's, up to the rounding of bfloat16."""

import pytest
import torch
from torch import Tensor

from rlcourse.support.muon import Muon, orthogonalized
from rlcourse.support.seeding import make_generator

SHAPES = ((24, 24), (96, 24), (24, 96))


def matrices(seed: int = 0) -> list[Tensor]:
    generator = make_generator(seed)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


@pytest.mark.parametrize("matrix", matrices(), ids=str)
def test_singular_values_come_near_1_and_vectors_stay(matrix: Tensor) -> None:
    found = orthogonalized(matrix)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    kept = u.T @ found @ v.T
    well = s > 0.05 * s.max()  # the smallest need more iterations
    assert float(kept.diagonal()[well].min()) > 0.5 and float(kept.diagonal().max()) < 1.3
    torch.testing.assert_close(kept, torch.diag(kept.diagonal()), atol=2e-4, rtol=0.0)


def stepped(optimizer_class: type[torch.optim.Optimizer], steps: int) -> list[Tensor]:
    """The matrices after some steps with fixed gradients, a weight decay and a momentum."""
    parameters = [torch.nn.Parameter(x) for x in matrices(1)]
    optimizer = optimizer_class(parameters, lr=0.02, weight_decay=0.1)  # type: ignore[call-arg]
    for step in range(steps):
        for parameter, gradient in zip(parameters, matrices(2 + step), strict=True):
            parameter.grad = gradient
        optimizer.step()
    return [x.detach() for x in parameters]


def test_steps_are_those_of_pytorch() -> None:
    before, ours, theirs = matrices(1), stepped(Muon, 3), stepped(torch.optim.Muon, 3)
    for old, own, other in zip(before, ours, theirs, strict=True):
        assert float((own - other).norm() / (other - old).norm()) < 0.03  # of bfloat16
        assert float((other - old).norm()) > 0.1


def test_a_checkpoint_of_either_is_read_by_the_other() -> None:
    parameters = [torch.nn.Parameter(x) for x in matrices(1)]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    ours, theirs = Muon(parameters), torch.optim.Muon(parameters)
    theirs.step()
    ours.load_state_dict(theirs.state_dict())
    ours.step()
    theirs.load_state_dict(ours.state_dict())
    assert float(theirs.state[parameters[0]]["momentum_buffer"].mean()) == pytest.approx(0.0975)


def test_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match=r"matrices, got a parameter of shape \(3,\)"):
        Muon([torch.nn.Parameter(torch.zeros(3))])
