"""Laws and probes of chapter 6: code that tells nothing about the answers, so it ships to students."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rlcourse.support.actor_critic_config import ActorCriticConfig
from rlcourse.support.networks import ActorCritic
from rlcourse.support.rollouts import Rollout

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


def zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)


# 6.1


def errors_of_a_perfect_critic_are_zero(td_errors: Function) -> None:
    rewards, discounts = numbers(1, 2, 4), numbers(2, 2, 4).sigmoid()
    next_values = numbers(3, 2, 4)
    errors = td_errors(rewards, discounts, rewards + discounts * next_values, next_values)
    assert_close(errors, torch.zeros_like(rewards), "a critic that foresaw everything has no error")


# 6.2


def trajectory_pieces(seed: int) -> dict[str, Tensor]:
    """Three rows of eight steps in which trajectories end, of both kinds."""
    terminated = torch.zeros(3, 8, dtype=torch.bool)
    terminated[0, 2], terminated[1, 5] = True, True
    ends = terminated.clone()
    ends[1, 1] = ends[2, 4] = True
    return {
        "rewards": numbers(seed, 3, 8),
        "discounts": 0.9 * (~terminated).double(),
        "values": numbers(seed + 1, 3, 8),
        "next_values": numbers(seed + 2, 3, 8),
        "ends": ends,
    }


def bool_and_float_flags_agree(gae: Function) -> None:
    pieces = trajectory_pieces(4)
    as_float = pieces | {"ends": pieces["ends"].double()}
    assert_close(
        gae(*pieces.values(), 0.8), gae(*as_float.values(), 0.8), "ends may be bool or float"
    )


def nothing_leaks_from_the_next_trajectory(gae: Function) -> None:
    pieces = trajectory_pieces(7)
    before = gae(*(x.clone() for x in pieces.values()), 0.9)[:, :2]
    for name in ("rewards", "values", "next_values"):
        pieces[name][1, 2:] += 100.0
    assert_close(
        gae(*pieces.values(), 0.9)[1, :2],
        before[1],
        "row 1 was cut off by the clock after its second step, but what came later changed the "
        "advantages before",
    )


def two_trajectories_in_a_row_are_as_good_as_two_rows(gae: Function) -> None:
    pieces = trajectory_pieces(10)
    together = gae(*(x.clone() for x in pieces.values()), 0.7)[2]
    parts = [gae(*(x[2:3, a:b] for x in pieces.values()), 0.7)[0] for a, b in ((0, 5), (5, 8))]
    assert_close(together, torch.cat(parts), "a row that ends at step 4 was not cut there")


# 6.3


def shifting_all_advantages_by_a_constant_changes_the_mean_only(actor_loss: Function) -> None:
    log_probs, mask = -numbers(11, 2, 3).abs(), torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    advantages, mask = numbers(12, 2, 3), mask.double()
    difference = actor_loss(log_probs, advantages + 2.0, mask) - actor_loss(
        log_probs, advantages, mask
    )
    assert_close(
        difference,
        -2.0 * log_probs[mask > 0].mean(),
        "the loss must be linear in the advantages, with the same weight for each step that counts",
    )


def a_batch_twice_is_as_good_as_once(loss: Function) -> None:
    first, second = -numbers(13, 2, 3).abs(), numbers(14, 2, 3)
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]).double()
    assert_close(
        loss(*(torch.cat([x, x]) for x in (first, second, mask))),
        loss(first, second, mask),
        "a mean does not change when every row comes twice",
    )


def a_bool_mask_will_do(loss: Function) -> None:
    first, second = -numbers(15, 2, 3).abs(), numbers(16, 2, 3)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert_close(
        loss(first, second, mask), loss(first, second, mask.double()), "the mask may be bool"
    )


# 6.5


def a_constant_added_to_the_logits_changes_nothing(entropy: Function) -> None:
    logits = numbers(17, 3, 5)
    assert_close(entropy(logits + 30.0), entropy(logits), "softmax forgets an added constant")


def equal_logits_have_the_largest_entropy(entropy: Function) -> None:
    logits = torch.zeros(6, dtype=torch.float64)
    assert_close(
        entropy(logits).exp(), zero() + 6.0, "exp(entropy) of six equal probabilities is 6"
    )


# 6.6


def a_constant_offset_of_the_critic_is_forgiven(explained_variance: Function) -> None:
    values, returns = numbers(18, 20), numbers(19, 20)
    assert_close(
        explained_variance(values + 5.0, returns),
        explained_variance(values, returns),
        "a critic that is always 5 too high explains as much of the variance",
    )


def nothing_to_explain_is_nan(explained_variance: Function, offset: float) -> Tensor:
    """Returns that are all equal."""
    value: Tensor = explained_variance(numbers(20, 6), torch.full((6,), offset).double())
    return value


# 6.7


def small_agent(seed: int) -> ActorCritic:
    """An actor and a critic without hidden layers, in float64."""
    generator = torch.Generator().manual_seed(seed)
    agent = ActorCritic(3, 4, generator, hidden=()).double()
    with torch.no_grad():
        for parameter in agent.parameters():
            parameter.copy_(0.5 * numbers(seed + 1, *parameter.shape))
    return agent


def some_rollout(seed: int) -> Rollout:
    """Three rows of six steps: a termination with a reset behind it, a truncation, and padding."""
    terminated = torch.zeros(3, 6, dtype=torch.bool)
    terminated[0, 2] = terminated[2, 3] = True
    ends = terminated.clone()
    ends[1, 1] = True
    mask = torch.ones(3, 6, dtype=torch.float64)
    mask[0, 3] = mask[1, 2] = 0.0
    mask[2, 4:] = 0.0
    actions = torch.randint(4, (3, 6), generator=torch.Generator().manual_seed(seed))
    rewards = mask * numbers(seed + 1, 3, 6)
    return Rollout(numbers(seed + 2, 3, 7, 3), actions, rewards, terminated, ends, mask)


def parameters_after(
    actor_critic_step: Function, seed: int, updates: int, settings: dict[str, Any]
) -> dict[str, Tensor]:
    """All parameters after some steps of plain gradient descent, from an optimizer once used."""
    agent = small_agent(seed)
    optimizer = torch.optim.SGD(agent.parameters(), lr=0.1)
    for parameter in agent.parameters():
        parameter.grad = torch.ones_like(parameter)
    for update in range(updates):
        config = ActorCriticConfig(**settings)
        actor_critic_step(agent, some_rollout(seed + 10 * update), optimizer, config)
    return {name: value.detach().clone() for name, value in agent.named_parameters()}


def numbers_for_the_log(
    actor_critic_step: Function, seed: int, settings: dict[str, Any]
) -> dict[str, float]:
    """What is returned, as plain numbers."""
    agent = small_agent(seed)
    optimizer = torch.optim.SGD(agent.parameters(), lr=0.1)
    metrics = actor_critic_step(agent, some_rollout(seed), optimizer, ActorCriticConfig(**settings))
    return {name: float(metrics[name]) for name in sorted(metrics)}


def masked_steps_change_nothing(actor_critic_step: Function) -> None:
    after = []
    for shift in (0.0, 5.0):
        agent, rollout = small_agent(3), some_rollout(4)
        optimizer = torch.optim.SGD(agent.parameters(), lr=0.1)
        with torch.no_grad():
            rollout.observations[2, 5:] += shift
            rollout.rewards[2, 4:] += shift
        actor_critic_step(agent, rollout, optimizer, ActorCriticConfig(max_grad_norm=100.0))
        after.append(torch.cat([p.detach().flatten() for p in agent.parameters()]))
    assert_close(after[1], after[0], "what lies on padding changed the update")


def the_rollout_is_left_alone(actor_critic_step: Function) -> None:
    agent, rollout, pristine = small_agent(5), some_rollout(6), some_rollout(6)
    optimizer = torch.optim.SGD(agent.parameters(), lr=0.1)
    actor_critic_step(agent, rollout, optimizer, ActorCriticConfig())
    for name in ("observations", "actions", "rewards", "terminated", "ends", "mask"):
        assert torch.equal(getattr(rollout, name), getattr(pristine, name)), (
            f"the update changed rollout.{name}"
        )


def one_step_teaches_the_actor_nothing_when_standardized(actor_critic_step: Function) -> None:
    """One advantage minus its mean is 0, and so is its deviation."""
    agent, rollout = small_agent(7), some_rollout(8)
    fields = ("actions", "rewards", "terminated", "ends", "mask")
    single = Rollout(
        rollout.observations[:1, :2], *(getattr(rollout, name)[:1, :1] for name in fields)
    )
    before = [p.detach().clone() for p in agent.actor.parameters()]
    optimizer = torch.optim.SGD(agent.parameters(), lr=0.1)
    actor_critic_step(agent, single, optimizer, ActorCriticConfig(entropy_coef=0.0))
    for old, new in zip(before, agent.actor.parameters(), strict=True):
        assert_close(new.detach(), old, "a single advantage, standardized, is 0; not NaN")
