"""Laws and probes of chapter 8: code that tells nothing about the answers, so it ships to students."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rlcourse.support.networks import ActorCritic
from rlcourse.support.ppo_config import PPOConfig
from rlcourse.support.rollouts import Rollout

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


MASK = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]).double()


# 8.1


def the_first_gradient_is_the_policy_gradient(clipped_surrogate_loss: Function) -> None:
    """Before the policy has moved, all ratios are 1 and nothing is clipped."""
    old, advantages = -numbers(1, 2, 3).abs(), numbers(2, 2, 3)
    new = old.clone().requires_grad_()
    loss = clipped_surrogate_loss(new, old, advantages, MASK, 0.2)
    (gradient,) = torch.autograd.grad(loss, new, allow_unused=True)
    assert gradient is not None, "no gradient reaches log_probs at ratio 1"
    plain = old.clone().requires_grad_()
    (expected,) = torch.autograd.grad(-(advantages * plain)[MASK > 0].mean(), plain)
    assert_close(gradient, expected, "at ratio 1 the gradient must be the policy gradient")


def a_huge_clip_is_no_clip(clipped_surrogate_loss: Function) -> None:
    old, advantages = -numbers(3, 2, 3).abs(), numbers(4, 2, 3)
    new = old + 0.3 * numbers(5, 2, 3)
    expected = -((new - old).exp() * advantages)[MASK > 0].mean()
    loss = clipped_surrogate_loss(new, old, advantages, MASK, 1e6)
    assert_close(loss, expected, "with a huge clip_eps the loss is minus the mean of ratio times A")


def both_log_probabilities_may_be_shifted(clipped_surrogate_loss: Function) -> None:
    old, advantages = -numbers(6, 2, 3).abs(), numbers(7, 2, 3)
    new = old + 0.5 * numbers(8, 2, 3)
    assert_close(
        clipped_surrogate_loss(new + 30.0, old + 30.0, advantages, MASK, 0.2),
        clipped_surrogate_loss(new, old, advantages, MASK, 0.2),
        "only the difference of the two log-probabilities counts",
    )


def a_bool_mask_will_do(loss: Function) -> None:
    """For the losses whose last arguments are a mask and a clip."""
    first, second, third = (-numbers(seed, 2, 3).abs() for seed in (9, 10, 11))
    assert_close(
        loss(first, second, third, MASK > 0, 0.2),
        loss(first, second, third, MASK, 0.2),
        "the mask may be bool",
    )


def a_batch_twice_is_as_good_as_once(loss: Function) -> None:
    parts = [-numbers(seed, 2, 3).abs() for seed in (12, 13, 14)] + [MASK]
    assert_close(
        loss(*(torch.cat([x, x]) for x in parts), 0.2),
        loss(*parts, 0.2),
        "a mean does not change when every row comes twice",
    )


# 8.2


def a_policy_that_stood_still_has_none(approx_kl: Function) -> None:
    old = -numbers(15, 2, 3).abs()
    assert_close(approx_kl(old.clone(), old, MASK), torch.zeros((), dtype=torch.float64), "ratio 1")


def every_term_is_positive(approx_kl: Function) -> None:
    for step in (-2.0, -0.1, 0.1, 2.0):
        old = -numbers(16, 2, 3).abs()
        assert float(approx_kl(old + step, old, MASK)) > 0, (
            f"log-ratios of {step} everywhere give a divergence that is not positive"
        )


# 8.3


def an_infinite_clip_is_a_squared_error(clipped_value_loss: Function) -> None:
    values, old, returns = (numbers(seed, 2, 3) for seed in (17, 18, 19))
    expected = 0.5 * (values - returns).square()[MASK > 0].mean()
    loss = clipped_value_loss(values, old, returns, MASK, float("inf"))
    assert_close(loss, expected, "with an infinite clip_eps this is half the mean squared error")


def everything_may_be_shifted(clipped_value_loss: Function) -> None:
    parts = [numbers(seed, 2, 3) for seed in (20, 21, 22)]
    assert_close(
        clipped_value_loss(*(x + 7.0 for x in parts), MASK, 0.2),
        clipped_value_loss(*parts, MASK, 0.2),
        "values, old values and returns, all 7 higher, have the same errors",
    )


# 8.4


def dealt(minibatches: Function, n: int, size: int, seed: int, calls: int) -> list[list[Tensor]]:
    """What several calls with one generator give."""
    generator = torch.Generator().manual_seed(seed)
    return [list(minibatches(n, size, generator)) for _ in range(calls)]


def each_number_is_in_exactly_one(minibatches: Function) -> None:
    for n, size in ((10, 4), (9, 3), (5, 8), (1, 1)):
        rows = torch.cat(list(minibatches(n, size, torch.Generator().manual_seed(n))))
        assert sorted(rows.tolist()) == list(range(n)), (
            f"{n} steps in minibatches of {size}: each must be in exactly one, "
            f"but dealt were {sorted(rows.tolist())}"
        )


def the_next_call_shuffles_anew(minibatches: Function) -> None:
    first, second = dealt(minibatches, 30, 30, 3, 2)
    assert first[0].tolist() != second[0].tolist(), "two epochs came in the same order"


# 8.5


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


def update(
    ppo_update: Function, seed: int, settings: dict[str, Any], rate: float
) -> tuple[ActorCritic, dict[str, float]]:
    """An agent after one call with plain gradient descent, and what was returned."""
    agent = small_agent(seed)
    optimizer = torch.optim.SGD(agent.parameters(), lr=rate)
    for parameter in agent.parameters():
        parameter.grad = torch.ones_like(parameter)
    generator = torch.Generator().manual_seed(seed)
    metrics = ppo_update(agent, some_rollout(seed), optimizer, PPOConfig(**settings), generator)
    return agent, metrics


def parameters_after(
    ppo_update: Function, seed: int, settings: dict[str, Any], rate: float
) -> dict[str, Tensor]:
    """All parameters after one call, from an optimizer that was used before."""
    agent, _ = update(ppo_update, seed, settings, rate)
    return {name: value.detach().clone() for name, value in agent.named_parameters()}


def numbers_for_the_log(
    ppo_update: Function, seed: int, settings: dict[str, Any], rate: float
) -> dict[str, float]:
    """What is returned, as plain numbers."""
    _, metrics = update(ppo_update, seed, settings, rate)
    return {name: float(metrics[name]) for name in sorted(metrics)}


def the_rollout_is_left_alone(ppo_update: Function) -> None:
    agent, rollout, pristine = small_agent(5), some_rollout(6), some_rollout(6)
    optimizer = torch.optim.SGD(agent.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(0)
    ppo_update(agent, rollout, optimizer, PPOConfig(epochs=1), generator)
    for name in ("observations", "actions", "rewards", "terminated", "ends", "mask"):
        assert torch.equal(getattr(rollout, name), getattr(pristine, name)), (
            f"the update changed rollout.{name}"
        )


def one_epoch_on_the_whole_batch_moves_nothing_yet(ppo_update: Function) -> None:
    """Measured before its step, the first minibatch finds ratios of 1."""
    _, metrics = update(ppo_update, 7, {"epochs": 1, "minibatch_size": 100}, 0.1)
    for name in ("approx_kl", "clip_fraction"):
        assert abs(float(metrics[name])) < 1e-12, (
            f"one minibatch, measured before any step: {name} must be 0, got {metrics[name]}"
        )


# 8.6


def remembered(
    RunningMeanStd: Function, seed: int, sizes: tuple[int, ...], shift: float, spread: float
) -> dict[str, Any]:
    """What is known after batches of these sizes."""
    statistics = RunningMeanStd((2, 3))
    for index, size in enumerate(sizes):
        statistics.update(shift * (index + 1) + spread * numbers(seed + index, size, 2, 3))
    return {"mean": statistics.mean, "var": statistics.var, "count": float(statistics.count)}


def normalized(RunningMeanStd: Function, x: Tensor, seen: Tensor, limit: float) -> Tensor:
    """Some observations, after others were seen."""
    statistics = RunningMeanStd(tuple(x.shape[1:]), limit)
    statistics.update(seen)
    result: Tensor = statistics.normalize(x)
    return result


def looking_changes_nothing(RunningMeanStd: Function) -> None:
    statistics = RunningMeanStd((3,))
    statistics.update(numbers(23, 5, 3))
    before = statistics.mean.clone(), statistics.var.clone(), int(statistics.count)
    statistics.normalize(100.0 + numbers(24, 4, 3))
    after = statistics.mean.clone(), statistics.var.clone(), int(statistics.count)
    assert all(
        torch.equal(torch.as_tensor(a), torch.as_tensor(b))
        for a, b in zip(before, after, strict=True)
    ), "normalize changed what is remembered: an evaluation would change the agent"


def evaluating_twice_gives_the_same(RunningMeanStd: Function) -> None:
    statistics = RunningMeanStd((2,))
    statistics.update(numbers(27, 6, 2))
    x = 4.0 + numbers(28, 5, 2)
    assert torch.equal(statistics.normalize(x), statistics.normalize(x)), (
        "the same observations, normalized twice in a row, must give the same numbers"
    )


def any_cut_of_the_data_gives_the_same(RunningMeanStd: Function) -> None:
    x = 50.0 + numbers(25, 12, 3)
    found = []
    for sizes in ((12,), (1, 11), (3, 4, 5), (1,) * 12):
        statistics = RunningMeanStd((3,))
        for part in x.split(list(sizes)):
            statistics.update(part)
        found.append(torch.stack([statistics.mean, statistics.var]))
        assert_close(found[-1], found[0], f"batches of {sizes} give other numbers than all at once")


def batches_are_left_as_they_are(RunningMeanStd: Function) -> None:
    x = numbers(26, 4, 3).float()
    pristine = x.clone()
    statistics = RunningMeanStd((3,))
    statistics.update(x)
    result = statistics.normalize(x)
    assert torch.equal(x, pristine), "the observations were changed in place"
    assert result.dtype == torch.float32, "float32 observations must come back as float32"
