"""Adam on one vector takes the steps that torch's takes on many tensors."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from rlcourse.support.networks import ActorCritic
from rlcourse.support.one_vector import OneVectorAdam, shorten_gradient
from rlcourse.support.seeding import make_generator


def make_agent():
    return ActorCritic(4, 2, make_generator(0), (8,))


def loss_of(agent, states):
    return agent.logits(states).square().mean() + (agent.values(states) - 50.0).square().mean()


def descend(agent, optimizer, states, longest, shorten):
    optimizer.zero_grad()
    loss_of(agent, states).backward()
    length = shorten(optimizer, longest)
    optimizer.step()
    return length


def clip_grad_norm(optimizer, longest):
    return nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], longest)


@pytest.mark.parametrize("longest", [0.5, 1e9, float("inf")])
def test_it_takes_the_steps_of_torchs_adam(longest):
    agent, plain = make_agent(), make_agent()
    one = OneVectorAdam(agent.parameters(), 0.01, eps=1e-5)
    many = torch.optim.Adam(plain.parameters(), 0.01, eps=1e-5)
    generator = make_generator(1)
    for step in range(5):
        states = torch.randn(6, 4, generator=generator)
        for optimizer in (one, many):
            optimizer.param_groups[0]["lr"] = 0.01 / (1 + step)
        found = descend(agent, one, states, longest, shorten_gradient)
        expected = descend(plain, many, states, longest, clip_grad_norm)
        assert_close(found, expected, rtol=1e-5, atol=0.0)
        for mine, theirs in zip(agent.parameters(), plain.parameters(), strict=True):
            assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_gradients_that_somebody_took_away_are_back_after_zero_grad():
    agent = make_agent()
    optimizer = OneVectorAdam(agent.parameters(), 0.01)
    loss_of(agent, torch.ones(3, 4)).backward()
    agent.zero_grad()
    assert all(parameter.grad is None for parameter in agent.parameters())
    optimizer.zero_grad()
    loss_of(agent, torch.ones(3, 4)).backward()
    together = torch.cat([parameter.grad.flatten() for parameter in agent.parameters()])
    assert torch.equal(optimizer.param_groups[0]["params"][0].grad, together)
    assert together.norm() > 1.0


def test_clip_grad_norm_of_the_agents_parameters_reaches_the_vector():
    agent = make_agent()
    optimizer = OneVectorAdam(agent.parameters(), 0.01)
    loss_of(agent, torch.ones(3, 4)).backward()
    nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
    assert_close(optimizer.param_groups[0]["params"][0].grad.norm(), torch.tensor(0.5))


def test_a_loaded_state_goes_on_bit_for_bit():
    states = torch.randn(6, 4, generator=make_generator(2))
    agent = make_agent()
    optimizer = OneVectorAdam(agent.parameters(), 0.01)
    descend(agent, optimizer, states, 0.5, shorten_gradient)
    kept = copy.deepcopy((agent.state_dict(), optimizer.state_dict()))
    descend(agent, optimizer, states, 0.5, shorten_gradient)
    other = make_agent()
    again = OneVectorAdam(other.parameters(), 0.5)
    other.load_state_dict(kept[0])
    again.load_state_dict(kept[1])
    descend(other, again, states, 0.5, shorten_gradient)
    for mine, theirs in zip(agent.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_parameters_of_two_dtypes_or_none_are_refused():
    single, double = nn.Linear(2, 2), nn.Linear(2, 2).double()
    with pytest.raises(ValueError, match="one dtype"):
        OneVectorAdam([*single.parameters(), *double.parameters()], 0.01)
    with pytest.raises(ValueError, match="none"):
        OneVectorAdam([], 0.01)


@pytest.mark.parametrize(("longest", "left"), [(4.9, 4.9), (5.0, 5.0), (5.1, 5.0)])
def test_only_a_longer_gradient_is_shortened(longest, left):
    parts = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD(parts, 0.1)
    parts[0].grad, parts[1].grad = torch.tensor([3.0]), torch.tensor([-4.0])
    assert shorten_gradient(optimizer, longest) == 5.0
    assert_close(parts[0].grad, torch.tensor([0.6 * left]), rtol=1e-5, atol=0.0)
    assert_close(parts[1].grad, torch.tensor([-0.8 * left]), rtol=1e-5, atol=0.0)
