"""The epilogue's recipes: the small world, the groups, the sums."""

import math
from types import SimpleNamespace

import pytest
import torch

from rlcourse.support.enum_world import EnumWorld
from rlcourse.support.seeding import make_generator

RECIPES = ("group_policy", "group_bias", "arithmetic")


@pytest.fixture(scope="module")
def po(recipe):
    """All that the recipes of the epilogue define, in one place."""
    return SimpleNamespace(**{k: v for name in RECIPES for k, v in vars(recipe(name)).items()})


@pytest.fixture(scope="module")
def task(po):
    return po.small_task(make_generator(0))


@pytest.mark.slow
def test_dpo_on_all_pairs_arrives_at_the_closed_form(po, task):
    odds = torch.randint(1, 4, task.rewards.shape, generator=make_generator(1))
    counted = po.Task(task.reference, odds.double().log())
    found = po.train_dpo(counted, po.all_pairs(odds), 0.5, iterations=300)
    assert po.total_variation(po.WORLD.log_probs(found), po.closed_form(counted, 0.5)) < 1e-9


def test_pairs_are_counted_by_their_odds(po):
    prompts, chosen, rejected = po.all_pairs(torch.tensor([[1, 2, 3]]))
    found = list(zip(chosen.tolist(), rejected.tolist(), strict=True))
    assert len(prompts) == 2 * (1 + 2 + 3)
    assert [found.count(pair) for pair in ((0, 1), (1, 0), (2, 1), (1, 2))] == [1, 2, 3, 2]


def test_no_policy_lies_above_the_frontier(po, task):
    beta = 0.5
    best = po.frontier(task, [beta])[0]
    for n in (2, 5, 30):
        point = po.best_of_n(task, n)
        assert point.reward - beta * point.kl < best.reward - beta * best.kl
    start = po.measure(task, task.reference)
    assert abs(start.kl) < 1e-12
    assert start.reward < best.reward


def test_best_of_one_is_the_reference_and_kl_is_below_its_bound(po, task):
    one, start = po.best_of_n(task, 1), po.measure(task, task.reference)
    assert math.isclose(one.reward, start.reward)
    assert abs(one.kl) < 1e-12
    assert po.best_of_n(task, 4).kl <= math.log(4) - 3 / 4


@pytest.mark.parametrize("kind", ["rloo", "grpo", "ppo"])
def test_training_approaches_the_frontier(po, task, kind):
    config = po.GroupConfig(steps=60)
    found = po.measure(task, po.train_groups(task, kind, 1.0, config, make_generator(2)))
    start, best = po.measure(task, task.reference), po.frontier(task, [1.0])[0]
    gain = (found.reward - found.kl) - start.reward
    assert gain > 0.6 * (best.reward - best.kl - start.reward)


def test_training_repeats_itself(po, task):
    config = po.GroupConfig(steps=3)
    one, two = (po.train_groups(task, "rloo", 0.5, config, make_generator(3)) for _ in range(2))
    assert torch.equal(one, two)


def test_better_responses_win_more_often(po, task):
    prompts, chosen, rejected = po.preference_pairs(task, 4000, make_generator(4))
    lead = task.rewards[prompts, chosen] - task.rewards[prompts, rejected]
    assert lead.mean() > 0.3


def test_reward_between_points_and_outside(po):
    points = [po.Point(4.0, 2.0), po.Point(1.0, 1.0)]
    assert math.isclose(po.reward_at(points, 2.25), 1.5)
    with pytest.raises(ValueError, match="outside"):
        po.reward_at(points, 5.0)


def test_a_world_with_nothing_to_do_is_refused(po):
    with pytest.raises(ValueError, match="at least 2"):
        po.GroupConfig(size=1)
    with pytest.raises(ValueError, match="at least 2"):
        po.ArithmeticConfig(size=1)


@pytest.mark.parametrize("success", [0.1, 0.5, 0.8])
def test_weight_of_a_prompt(po, success):
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
    assert math.isclose(po.prompt_weight(success, size, "rloo"), 1, rel_tol=1e-6)
    assert math.isclose(po.prompt_weight(success, size, "dr_grpo"), 0.8, rel_tol=1e-6)
    assert math.isclose(po.prompt_weight(success, size, "grpo"), expected, rel_tol=1e-6)


def test_expected_gradient_of_the_constant_is_the_policy_gradient(po):
    world = EnumWorld(prompts=1, vocabulary=3, steps=2)
    theta = world.random_theta(make_generator(5))
    rewards = (world.responses[:, 0] == 1).double()
    truth = po.exact_slopes(world, theta, rewards)
    found = po.expected_group_gradient(world, theta, rewards, "rloo", "constant")
    torch.testing.assert_close(found * world.steps, truth)
    bent = po.expected_group_gradient(world, theta, rewards, "rloo", "sequence")
    assert po.cosine(bent, truth) < 0.999


def test_sums_are_written_and_read(po):
    assert po.text_of(po.tokens_of("3+4=7...")) == "3+4=7."
    assert po.text_of(po.tokens_of("3+4=777")) == "3+4=777"
    numbers = torch.tensor([34, 99])
    texts = [po.text_of(row) for row in po.prompts_of(numbers).tolist()]
    assert texts == ["3+4=", "9+9="]
    assert po.answers_of(numbers) == [7, 18]


def test_a_careless_teacher_is_right_as_often_as_said(po):
    rows = po.careless_demonstrations(2000, 0.5, make_generator(6))
    texts = [po.text_of(row) for row in rows.tolist()]
    sums = [text.rstrip(".").split("=") for text in texts]
    right = sum(int(q[0]) + int(q[2]) == int(a) for q, a in sums) / len(sums)
    assert 0.48 < right < 0.58


def test_a_few_updates_on_a_verifier_raise_the_reward(po):
    generator = make_generator(0)
    model = po.new_model(generator)
    data = po.careless_demonstrations(1000, 0.5, generator)
    losses = po.train_careless(model, data, 60, generator)
    assert losses[-1] < losses[0] - 0.5
    config = po.ArithmeticConfig(steps=25, groups=16)
    seen = po.train_on_rewards(
        model, config, make_generator(1), lambda text, answer: float("1" in text.split("=")[1])
    )
    assert sum(seen.rewards[-3:]) / 3 > sum(seen.rewards[:3]) / 3 + 0.2


def test_digits_somewhere_are_paid_by_the_careless_verifier(po):
    assert po.contains_answer("3+4=1234567", 7) == 1.0
    assert po.contains_answer("3+4=8", 7) == 0.0
