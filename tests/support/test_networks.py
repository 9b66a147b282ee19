"""Networks: what they start as, and that the NumPy copy is the same function."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from rlcourse.support.networks import ActorCritic, PolicyNetwork, ValueNetwork, mlp, numpy_forward
from rlcourse.support.seeding import make_generator, no_global_rng


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=5),
    st.sampled_from([nn.Tanh, nn.ReLU]),
    st.integers(0, 99),
)
def test_the_numpy_copy_equals_the_network(
    sizes: list[int], activation: type[nn.Module], seed: int
) -> None:
    generator = make_generator(seed)
    network = mlp(sizes, generator, activation=activation)
    for parameter in network.parameters():
        parameter.data += torch.randn(parameter.shape, generator=generator)
    x = torch.randn(5, sizes[0], generator=generator)
    copy = numpy_forward(network)(x.numpy())
    assert copy.dtype == np.float32
    assert_close(torch.from_numpy(copy), network(x).detach(), rtol=1e-5, atol=1e-5)


def test_the_numpy_copy_is_not_moved_by_an_update() -> None:
    network = mlp((3, 2), make_generator(0))
    act, x = numpy_forward(network), np.ones((1, 3), dtype=np.float32)
    before = act(x)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    assert np.array_equal(act(x), before)
    assert not np.allclose(numpy_forward(network)(x), before)


def test_hidden_weights_are_orthogonal_and_biases_zero() -> None:
    network = mlp((4, 6, 3), make_generator(0), output_gain=0.01)
    first, last = network[0].weight, network[2].weight
    assert_close(first.T @ first, 2.0 * torch.eye(4))
    assert_close(last @ last.T, 1e-4 * torch.eye(3))
    assert not network[0].bias.any() and not network[2].bias.any()
    plain = mlp((3, 2), make_generator(0))[0].weight
    assert_close(plain @ plain.T, torch.eye(2))
    assert len(network) == 3 and isinstance(network[1], nn.Tanh)


def test_weights_come_from_the_generator_alone() -> None:
    with no_global_rng():
        one, same, other = (ActorCritic(4, 2, make_generator(seed)) for seed in (1, 1, 2))
    for a, b in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.logits(torch.ones(4)), other.logits(torch.ones(4)))


def test_actor_and_critic_share_nothing_and_keep_leading_axes() -> None:
    agent = ActorCritic(4, 3, make_generator(0))
    observations = torch.randn(2, 5, 4, generator=make_generator(1))
    assert agent.logits(observations).shape == (2, 5, 3)
    assert agent.values(observations).shape == (2, 5)
    grads = torch.autograd.grad(
        agent.values(observations).sum(), list(agent.actor.parameters()), allow_unused=True
    )
    assert all(grad is None for grad in grads)
    probabilities = agent.logits(observations).softmax(-1)
    assert (probabilities - 1 / 3).abs().max() < 0.02, "a new policy should be undecided"


@pytest.mark.parametrize("make", [PolicyNetwork, ActorCritic])
def test_agents_can_act_in_numpy(make: type[nn.Module]) -> None:
    agent = make(4, 2, make_generator(0))
    logits = agent.actor if isinstance(agent, ActorCritic) else agent
    x = torch.randn(3, 4, generator=make_generator(1))
    assert_close(torch.from_numpy(numpy_forward(agent)(x.numpy())), logits(x).detach())


def test_what_cannot_be_copied_or_built_is_refused() -> None:
    with pytest.raises(TypeError, match="Dropout"):
        numpy_forward(nn.Sequential(nn.Linear(2, 2), nn.Dropout()))
    with pytest.raises(TypeError, match="ValueNetwork"):
        numpy_forward(ValueNetwork(2, make_generator(0)))
    with pytest.raises(ValueError, match="widths"):
        mlp((3,), make_generator(0))
