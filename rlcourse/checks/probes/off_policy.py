"""Laws and probes of chapter 7: code that tells nothing about the answers, so it ships to students."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., Any]


def numbers(seed: int, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def assert_close(actual: Any, expected: Any, message: str) -> None:
    """Compare with the default tolerances of the type, under a message of our own."""
    torch.testing.assert_close(actual, expected, msg=lambda detail: f"{message}\n{detail}")


def two_distributions(seed: int, actions: int) -> tuple[Tensor, Tensor]:
    """(A) and (A) probabilities."""
    return numbers(seed, actions).softmax(0), numbers(seed + 1, actions).softmax(0)


# 7.1


def every_batch_of_two_together_gives_the_true_mean(importance_estimate: Function) -> None:
    """Unbiased: the mean over all batches of two that the behaviour can draw, by enumeration."""
    (p, q), f = two_distributions(1, 3), numbers(3, 3)
    mean = torch.zeros((), dtype=torch.float64)
    for pair in itertools.product(range(3), repeat=2):
        seen = torch.tensor(pair)
        estimate = importance_estimate(p[seen].log(), q[seen].log(), f[seen], False)
        mean = mean + q[seen].prod() * estimate
    assert_close(
        mean, p @ f, "averaged over all batches of two, the estimate is not the target's mean"
    )


def an_unnormalized_target_will_do_when_self_normalized(importance_estimate: Function) -> None:
    log_probs, behavior, f = numbers(4, 5), numbers(5, 5), numbers(6, 5)
    assert_close(
        importance_estimate(log_probs + 3.0, behavior, f, True),
        importance_estimate(log_probs, behavior, f, True),
        "self-normalized weights forget a common factor",
    )


def a_constant_is_estimated_without_error(importance_estimate: Function) -> None:
    f = torch.full((6,), 2.5, dtype=torch.float64)
    assert_close(
        importance_estimate(numbers(7, 6), numbers(8, 6), f, True),
        f[0],
        "self-normalized, the mean of a constant is that constant, whatever the weights",
    )


# 7.2


def a_common_factor_changes_nothing(effective_sample_size: Function) -> None:
    log_weights = numbers(9, 7)
    assert_close(
        effective_sample_size(log_weights + 40.0),
        effective_sample_size(log_weights),
        "all weights times the same factor are worth as much as before",
    )


def every_sample_twice_is_worth_twice_as_much(effective_sample_size: Function) -> None:
    log_weights = numbers(10, 5)
    assert_close(
        effective_sample_size(torch.cat([log_weights, log_weights])),
        2.0 * effective_sample_size(log_weights),
        "the number of samples doubled, their worth did not",
    )


# 7.3


def equal_distributions_have_no_variance(importance_variance: Function) -> None:
    p, _ = two_distributions(11, 4)
    zero = torch.zeros((), dtype=torch.float64)
    assert_close(importance_variance(p, p, 9), zero, "with p = q every weight is 1")


def second_moments_multiply(importance_variance: Function) -> None:
    """Two steps and three steps are independent, so their second moments multiply."""
    p, q = two_distributions(12, 3)
    short, longer, both = (1.0 + importance_variance(p, q, steps) for steps in (2, 3, 5))
    assert_close(both, short * longer, "1 + variance of 2 + 3 steps is the product of the two")


# 7.4


def weighted_rewards_have_the_mean_of_the_target(per_decision_weights: Function) -> None:
    """Unbiased: all sequences of three binary actions, each reward depending on what came before."""
    target, behavior = numbers(14, 3).sigmoid(), numbers(15, 3).sigmoid()
    actions = torch.tensor(list(itertools.product((0, 1), repeat=3)), dtype=torch.float64)
    p = torch.where(actions > 0, target, 1 - target)
    q = torch.where(actions > 0, behavior, 1 - behavior)
    rewards = (actions.cumsum(1) * numbers(16, 3)).sin()
    weights = per_decision_weights(p.log() - q.log(), torch.ones_like(p))
    assert_close(
        (q.prod(1) * (weights * rewards).sum(1)).sum(),
        (p.prod(1) * rewards.sum(1)).sum(),
        "summed over all sequences, the weighted rewards are not the target's return",
    )


def later_actions_change_no_earlier_weight(per_decision_weights: Function) -> None:
    log_ratios, mask = numbers(17, 2, 5), torch.ones(2, 5, dtype=torch.float64)
    before = per_decision_weights(log_ratios.clone(), mask)[:, :3]
    log_ratios[:, 3:] += 2.0
    assert_close(
        per_decision_weights(log_ratios, mask)[:, :3],
        before,
        "what was done at step 3 changed the weight of a reward before it",
    )


def one_row_does_not_see_another(per_decision_weights: Function) -> None:
    log_ratios, mask = numbers(18, 3, 4), torch.ones(3, 4, dtype=torch.float64)
    alone = per_decision_weights(log_ratios[1:2].clone(), mask[1:2])
    assert_close(
        per_decision_weights(log_ratios, mask)[1:2], alone, "each row is a trajectory of its own"
    )


# 7.5


def at_the_old_policy_it_is_the_policy_gradient(surrogate_loss: Function) -> None:
    old, advantages = -numbers(19, 2, 3).abs(), numbers(20, 2, 3)
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]).double()
    log_probs = old.clone().requires_grad_(True)
    loss = surrogate_loss(log_probs, old, advantages, mask)
    found = torch.autograd.grad(loss, log_probs, allow_unused=True)[0]
    assert found is not None, "no gradient reaches log_probs"
    plain = -mask * advantages / mask.sum()
    assert_close(found, plain, "at new = old the gradient should be that of −A log π")


def a_batch_twice_is_as_good_as_once(surrogate_loss: Function) -> None:
    parts = [-numbers(seed, 2, 3).abs() for seed in (21, 22)] + [numbers(23, 2, 3)]
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]).double()
    assert_close(
        surrogate_loss(*(torch.cat([x, x]) for x in (*parts, mask))),
        surrogate_loss(*parts, mask),
        "a mean does not change when every row comes twice",
    )


def a_bool_mask_will_do(surrogate_loss: Function) -> None:
    parts = [-numbers(seed, 2, 3).abs() for seed in (24, 25)] + [numbers(26, 2, 3)]
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert_close(
        surrogate_loss(*parts, mask), surrogate_loss(*parts, mask.double()), "the mask may be bool"
    )


# 7.6


def no_distance_to_itself(categorical_kl: Function) -> None:
    logits = numbers(27, 3, 4)
    assert_close(
        categorical_kl(logits + 5.0, logits),
        torch.zeros(3, dtype=torch.float64),
        "the same distribution, its logits shifted by a constant: the divergence is 0",
    )


def independent_parts_add_up(categorical_kl: Function) -> None:
    """Two choices made independently: the divergence of the pair is the sum of the two."""
    first, second = (numbers(28, 3), numbers(29, 3)), (numbers(30, 2), numbers(31, 2))
    pairs = [
        (a.log_softmax(0)[:, None] + b.log_softmax(0)[None]).flatten()
        for a, b in zip(first, second, strict=True)
    ]
    assert_close(
        categorical_kl(*pairs),
        categorical_kl(*first) + categorical_kl(*second),
        "divergences of independent choices add up",
    )


# 7.7


def the_unit_of_the_coefficient_does_not_matter(adapt_kl_coef: Function) -> None:
    for rule, kl in itertools.product(("ppo", "ziegler"), (0.001, 0.009, 0.02)):
        once, tenfold = (adapt_kl_coef(coef, kl, 0.01, rule) for coef in (0.3, 3.0))
        assert abs(tenfold - 10 * once) < 1e-9, f"rule {rule!r} does not scale with the coefficient"


def on_target_nothing_changes(adapt_kl_coef: Function) -> None:
    for rule in ("ppo", "ziegler"):
        found = adapt_kl_coef(0.7, 0.02, 0.02, rule)
        assert abs(found - 0.7) < 1e-12, f"rule {rule!r} at kl = target: {found}, was 0.7"
