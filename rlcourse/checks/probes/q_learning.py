"""Laws and probes of chapter 5: code that tells nothing about the answers, so it ships to students."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rlcourse.support.transitions import Transitions

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


# 5.1


def numbered(first: int, count: int) -> Transitions:
    """Rows that carry the numbers first, first + 1, ... in all five entries."""
    rows = torch.arange(first, first + count)
    k = rows.double()
    return Transitions(
        torch.stack([k, -k], dim=1), rows, k + 0.25, 1 / (k + 1), torch.stack([k + 0.5, k], dim=1)
    )


def belong_together(batch: Transitions) -> bool:
    """Whether each sampled row is a row of ``numbered``."""
    again = [numbered(int(row), 1) for row in batch.actions]
    return all(
        torch.equal(column, torch.cat([getattr(row, name) for row in again]))
        for name, column in zip(Transitions._fields, batch, strict=True)
    )


def what_is_sampled(buffer_class: Function, capacity: int, sizes: Tensor) -> dict[str, Any]:
    """Add batches of these sizes, of rows numbered from 1, and look at what comes out of 600 draws."""
    buffer, first = buffer_class(capacity), 1
    for size in sizes.tolist():
        buffer.add(numbered(first, size))
        first += size
    batch = buffer.sample(600, torch.Generator().manual_seed(0))
    rows, counts = batch.actions.unique(return_counts=True)
    share = counts * len(rows) / 600
    return {
        "rows": rows,
        "drawn": len(batch.actions),
        "together": belong_together(batch),
        "evenly": bool(share.min() > 0.4 and share.max() < 1.8),
        "length": len(buffer),
    }


def tensors_that_are_used_again(buffer_class: Function, steps: int) -> Tensor:
    """Which observations come out if every one is written into the same tensor before it is added."""
    buffer, row = buffer_class(8), numbered(0, 1)
    for step in range(1, steps + 1):
        for column, new in zip(row, numbered(step, 1), strict=True):
            column.copy_(new)
        buffer.add(row)
    batch = buffer.sample(300, torch.Generator().manual_seed(1))
    found: Tensor = batch.observations[:, 0].unique()
    return found


def sizes_and_types(buffer_class: Function, pixels: int) -> dict[str, Any]:
    """Shape and type of each entry of seven sampled rows, whose observations are pictures."""
    picture = torch.arange(3 * pixels * pixels, dtype=torch.uint8).reshape(3, pixels, pixels)
    row = torch.ones(3)
    buffer = buffer_class(5)
    buffer.add(Transitions(picture, torch.tensor([0, 2, 1]), row, row.double(), picture))
    batch = buffer.sample(7, torch.Generator().manual_seed(2))
    return {
        name: (*column.shape, str(column.dtype))
        for name, column in zip(Transitions._fields, batch, strict=True)
    }


def the_generator_decides_what_is_sampled(buffer_class: Function) -> None:
    buffer = buffer_class(50)
    buffer.add(numbered(1, 50))
    first, second, other = (
        buffer.sample(20, torch.Generator().manual_seed(seed)).actions for seed in (3, 3, 4)
    )
    assert torch.equal(first, second), "the same generator seed gave other rows"
    assert not torch.equal(first, other), "another generator seed gave the same 20 rows"


def two_buffers_share_nothing(buffer_class: Function) -> None:
    one, other = buffer_class(4), buffer_class(4)
    one.add(numbered(1, 2))
    other.add(numbered(3, 2))
    rows = one.sample(60, torch.Generator().manual_seed(5)).actions.unique().tolist()
    assert rows == [1, 2], f"rows 1 and 2 went in; another buffer was filled; {rows} came out"


# 5.2 and 5.3


def nothing_follows_a_terminal_step(q_target: Function) -> None:
    rewards, zero = numbers(1, 4), torch.zeros(4, dtype=torch.float64)
    assert_close(
        q_target(rewards, zero, numbers(2, 4, 3)),
        rewards,
        "every discount is 0: the targets must be the rewards, whatever the values say",
    )


def the_order_of_the_actions_does_not_matter(q_target: Function) -> None:
    rewards, discounts, next_q = numbers(3, 5), numbers(4, 5).sigmoid(), numbers(5, 5, 4)
    assert_close(
        q_target(rewards, discounts, next_q[:, [2, 0, 3, 1]]),
        q_target(rewards, discounts, next_q),
        "the same values under other numbers of the actions must give the same targets",
    )


def rows_do_not_know_each_other(q_target: Function) -> None:
    rewards, discounts, next_q = numbers(6, 4), numbers(7, 4).sigmoid(), numbers(8, 4, 3)
    before = q_target(rewards, discounts, next_q)[:3]
    next_q[3] += 100.0
    assert_close(
        q_target(rewards, discounts, next_q)[:3],
        before,
        "the values of the last row changed the targets of other rows",
    )


def one_network_in_both_roles_is_plain_q_learning(double_q_target: Function) -> None:
    rewards, discounts, next_q = numbers(9, 5), numbers(10, 5).sigmoid(), numbers(11, 5, 3)
    best = torch.tensor([max(row) for row in next_q.tolist()], dtype=torch.float64)
    assert_close(
        double_q_target(rewards, discounts, next_q, next_q.clone()),
        rewards + discounts * best,
        "where both networks agree there is nothing double about it",
    )


def a_shift_of_the_chooser_changes_nothing(double_q_target: Function) -> None:
    rewards, discounts = numbers(12, 5), numbers(13, 5).sigmoid()
    online, target = numbers(14, 5, 3), numbers(15, 5, 3)
    assert_close(
        double_q_target(rewards, discounts, 3.0 * online + 7.0, target),
        double_q_target(rewards, discounts, online, target),
        "who only chooses may speak in other units: 3 q + 7 prefers the same actions",
    )


# 5.4


def values_of_other_actions_do_not_matter(q_loss: Function) -> None:
    q, actions, targets = numbers(16, 6, 3), torch.tensor([0, 2, 1, 1, 0, 2]), numbers(17, 6)
    before = q_loss(q, actions, targets)
    others = torch.ones_like(q)
    others[torch.arange(6), actions] = 0.0
    assert_close(
        q_loss(q + 5.0 * others, actions, targets),
        before,
        "a transition says nothing about the actions that were not taken",
    )


def a_repeated_batch_has_the_same_loss(q_loss: Function) -> None:
    q, actions, targets = numbers(18, 4, 2), torch.tensor([0, 1, 1, 0]), numbers(19, 4)
    assert_close(
        q_loss(q.repeat(3, 1), actions.repeat(3), targets.repeat(3)),
        q_loss(q, actions, targets),
        "every transition three times: the mean stays the same",
    )


# 5.5


def small_network(seed: int) -> nn.Module:
    """Two layers in float64 with a normalization between them, whose buffers are a mean, a variance and a counter."""
    layers = (
        nn.utils.skip_init(nn.Linear, 2, 3),
        nn.BatchNorm1d(3),
        nn.utils.skip_init(nn.Linear, 3, 2),
    )
    network = nn.Sequential(*layers).double()
    with torch.no_grad():
        for index, values in enumerate(network.state_dict().values()):
            if values.is_floating_point():
                values.copy_(numbers(seed + index, *values.shape))
            else:
                values.fill_(seed)
    return network


def networks_after(
    polyak_update: Function, seed: int, tau: float, updates: int
) -> dict[str, Tensor]:
    """Parameters and buffers of both networks; before each update the online one has moved."""
    target, online = small_network(seed), small_network(seed + 50)
    for update in range(updates):
        with torch.no_grad():
            for parameter in online.parameters():
                parameter.add_(0.1 * update)
        polyak_update(target, online, tau)
    pairs = (("target", target), ("online", online))
    return {
        f"{name} {key}": values.clone()
        for name, network in pairs
        for key, values in network.state_dict().items()
    }


def different_networks(polyak_update: Function, where: str) -> None:
    """The online network has one parameter or one buffer more."""
    one_more = nn.Module()
    if where == "parameters":
        one_more.register_parameter("one_more", nn.Parameter(torch.zeros(1).double()))
    else:
        one_more.register_buffer("one_more", torch.zeros(1))
    online = nn.Sequential(small_network(1), one_more)
    polyak_update(small_network(0), online, 0.5)


def the_networks_stay_apart(polyak_update: Function) -> None:
    target, online = small_network(2), small_network(3)
    polyak_update(target, online, 1.0)
    copied = [parameter.detach().clone() for parameter in target.parameters()]
    with torch.no_grad():
        for parameter in online.parameters():
            parameter.add_(1.0)
    polyak_update(target, online, 0.0)
    for now, then in zip(target.parameters(), copied, strict=True):
        assert_close(
            now.detach(), then, "after tau = 1 the online network moved, then tau = 0: stay put"
        )


def equal_networks_stay_equal(polyak_update: Function) -> None:
    target, online = small_network(4), small_network(4)
    polyak_update(target, online, 0.3)
    for now, same in zip(target.parameters(), online.parameters(), strict=True):
        assert_close(now.detach(), same.detach(), "a mean of two equal numbers is that number")


# 5.6


def schedule_is_half_way_at_half_time(linear_schedule: Function) -> None:
    for start, end in ((1.0, 0.0), (0.2, 0.6), (-1.0, 3.0)):
        half = linear_schedule(50, start, end, 100)
        assert abs(half - (start + end) / 2) < 1e-12, (
            f"from {start} to {end}: half way it says {half}"
        )


def schedule_stays_where_it_ends(linear_schedule: Function) -> None:
    for start, end in ((1.0, 0.1), (0.1, 1.0)):
        for step in (100, 101, 100_000):
            value = linear_schedule(step, start, end, 100)
            assert abs(value - end) < 1e-12, (
                f"from {start} to {end} in 100 steps: {value} at {step}"
            )
