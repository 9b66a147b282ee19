"""The epilogue's recipes: the small world, the groups, the sums."""

import math

import pytest
import torch

from rlcourse.recipes import arithmetic, group_bias
from rlcourse.recipes.group_policy import (
    WORLD,
    GroupConfig,
    Point,
    Task,
    all_pairs,
    best_of_n,
    closed_form,
    frontier,
    measure,
    preference_pairs,
    reward_at,
    small_task,
    total_variation,
    train_dpo,
    train_groups,
)
from rlcourse.support.enum_world import EnumWorld
from rlcourse.support.seeding import make_generator


@pytest.fixture(scope="module")
def task():
    return small_task(make_generator(0))


@pytest.mark.slow
def test_dpo_on_all_pairs_arrives_at_the_closed_form(task):
    odds = torch.randint(1, 4, task.rewards.shape, generator=make_generator(1))
    counted = Task(task.reference, odds.double().log())
    found = train_dpo(counted, all_pairs(odds), 0.5, iterations=300)
    assert total_variation(WORLD.log_probs(found), closed_form(counted, 0.5)) < 1e-9


def test_pairs_are_counted_by_their_odds():
    prompts, chosen, rejected = all_pairs(torch.tensor([[1, 2, 3]]))
    found = list(zip(chosen.tolist(), rejected.tolist(), strict=True))
    assert len(prompts) == 2 * (1 + 2 + 3)
    assert [found.count(pair) for pair in ((0, 1), (1, 0), (2, 1), (1, 2))] == [1, 2, 3, 2]


def test_no_policy_lies_above_the_frontier(task):
    beta = 0.5
    best = frontier(task, [beta])[0]
    for n in (2, 5, 30):
        point = best_of_n(task, n)
        assert point.reward - beta * point.kl < best.reward - beta * best.kl
    start = measure(task, task.reference)
    assert abs(start.kl) < 1e-12
    assert start.reward < best.reward


def test_best_of_one_is_the_reference_and_kl_is_below_its_bound(task):
    one, start = best_of_n(task, 1), measure(task, task.reference)
    assert math.isclose(one.reward, start.reward)
    assert abs(one.kl) < 1e-12
    assert best_of_n(task, 4).kl <= math.log(4) - 3 / 4


@pytest.mark.parametrize("kind", ["rloo", "grpo", "ppo"])
def test_training_approaches_the_frontier(task, kind):
    config = GroupConfig(steps=60)
    found = measure(task, train_groups(task, kind, 1.0, config, make_generator(2)))
    start, best = measure(task, task.reference), frontier(task, [1.0])[0]
    gain = (found.reward - found.kl) - start.reward
    assert gain > 0.6 * (best.reward - best.kl - start.reward)


def test_training_repeats_itself(task):
    config = GroupConfig(steps=3)
    one, two = (train_groups(task, "rloo", 0.5, config, make_generator(3)) for _ in range(2))
    assert torch.equal(one, two)


def test_better_responses_win_more_often(task):
    prompts, chosen, rejected = preference_pairs(task, 4000, make_generator(4))
    lead = task.rewards[prompts, chosen] - task.rewards[prompts, rejected]
    assert lead.mean() > 0.3


def test_reward_between_points_and_outside():
    points = [Point(4.0, 2.0), Point(1.0, 1.0)]
    assert math.isclose(reward_at(points, 2.25), 1.5)
    with pytest.raises(ValueError, match="outside"):
        reward_at(points, 5.0)


def test_a_world_with_nothing_to_do_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        GroupConfig(size=1)
    with pytest.raises(ValueError, match="at least 2"):
        arithmetic.ArithmeticConfig(size=1)


@pytest.mark.parametrize("success", [0.1, 0.5, 0.8])
def test_weight_of_a_prompt(success):
    """RLOO is unbiased, Dr. GRPO shrunk, GRPO known as the expected root of q(1 - q)."""
    size = 5
    terms = [
        math.comb(size, c)
        * success**c
        * (1 - success) ** (size - c)
        * math.sqrt(c / size * (1 - c / size))
        for c in range(size + 1)
    ]
    expected = math.fsum(terms) / (success * (1 - success))
    assert math.isclose(group_bias.prompt_weight(success, size, "rloo"), 1, rel_tol=1e-6)
    assert math.isclose(group_bias.prompt_weight(success, size, "dr_grpo"), 0.8, rel_tol=1e-6)
    assert math.isclose(group_bias.prompt_weight(success, size, "grpo"), expected, rel_tol=1e-6)


def test_expected_gradient_of_the_constant_is_the_policy_gradient():
    world = EnumWorld(prompts=1, vocabulary=3, steps=2)
    theta = world.random_theta(make_generator(5))
    rewards = (world.responses[:, 0] == 1).double()
    truth = group_bias.exact_slopes(world, theta, rewards)
    found = group_bias.expected_group_gradient(world, theta, rewards, "rloo", "constant")
    torch.testing.assert_close(found * world.steps, truth)
    bent = group_bias.expected_group_gradient(world, theta, rewards, "rloo", "sequence")
    assert group_bias.cosine(bent, truth) < 0.999


def test_sums_are_written_and_read():
    assert arithmetic.text_of(arithmetic.tokens_of("3+4=7...")) == "3+4=7."
    assert arithmetic.text_of(arithmetic.tokens_of("3+4=777")) == "3+4=777"
    numbers = torch.tensor([34, 99])
    texts = [arithmetic.text_of(row) for row in arithmetic.prompts_of(numbers).tolist()]
    assert texts == ["3+4=", "9+9="]
    assert arithmetic.answers_of(numbers) == [7, 18]


def test_a_careless_teacher_is_right_as_often_as_said():
    rows = arithmetic.careless_demonstrations(2000, 0.5, make_generator(6))
    texts = [arithmetic.text_of(row) for row in rows.tolist()]
    sums = [text.rstrip(".").split("=") for text in texts]
    right = sum(int(q[0]) + int(q[2]) == int(a) for q, a in sums) / len(sums)
    assert 0.48 < right < 0.58


def test_a_few_updates_on_a_verifier_raise_the_reward():
    generator = make_generator(0)
    model = arithmetic.new_model(generator)
    data = arithmetic.careless_demonstrations(1000, 0.5, generator)
    losses = arithmetic.train_careless(model, data, 60, generator)
    assert losses[-1] < losses[0] - 0.5
    config = arithmetic.ArithmeticConfig(steps=25, groups=16)
    seen = arithmetic.train_on_rewards(
        model, config, make_generator(1), lambda text, answer: float("1" in text.split("=")[1])
    )
    assert sum(seen.rewards[-3:]) / 3 > sum(seen.rewards[:3]) / 3 + 0.2


def test_digits_somewhere_are_paid_by_the_careless_verifier():
    assert arithmetic.contains_answer("3+4=1234567", 7) == 1.0
    assert arithmetic.contains_answer("3+4=8", 7) == 0.0
