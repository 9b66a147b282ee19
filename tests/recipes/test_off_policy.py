"""Recipes of chapter 7 against numbers found another way, and the figures that the course promises."""

import math

import pytest
import torch

from rlcourse.support.environments import make_cartpole
from rlcourse.support.networks import ActorCritic
from rlcourse.support.seeding import make_generator


@pytest.fixture(scope="module")
def importance(recipe):
    return recipe("importance")


@pytest.fixture(scope="module")
def off_policy(recipe):
    recipe("importance")  # puts the solutions in front
    from rlcourse import off_policy

    return off_policy


@pytest.mark.parametrize(("shift", "steps"), [(0.3, 10), (0.5, 10)])
def test_drawn_weights_have_the_exact_moments(importance, off_policy, shift, steps):
    p, q = importance.two_policies(shift)
    weights = importance.sequence_log_weights(p, q, steps, (200_000,), make_generator(0)).exp()
    exact = off_policy.importance_variance(p, q, steps)
    assert weights.mean().item() == pytest.approx(1.0, abs=0.03)
    assert weights.var().item() == pytest.approx(exact.item(), rel=0.15)


def test_the_sample_lies(importance, off_policy):
    """3e11 exactly; whoever looks at 20,000 sequences sees nothing of it."""
    p, q = importance.two_policies(1.0)
    assert off_policy.importance_variance(p, q, 50).item() == pytest.approx(3.22e11, rel=0.01)
    weights = importance.sequence_log_weights(p, q, 50, (30, 20_000), make_generator(0)).exp()
    seen = weights.var(dim=1)
    assert seen.max() < 1e9 and 1 < seen.median() < 5_000 and seen.min() < 30


@pytest.mark.parametrize(
    ("shift", "steps", "expected"),
    [(0.5, 10, 0.79), (0.5, 50, 17.4), (1.0, 20, 47), (1.0, 50, 15_955)],
)
def test_two_actions_as_measured_for_the_syllabus(off_policy, shift, steps, expected):
    """Uniform against sigmoid(shift): 2 (p^2 + (1-p)^2) to the power of T, minus 1."""
    chance = 1 / (1 + math.exp(-shift))
    p = torch.tensor([chance, 1 - chance], dtype=torch.float64)
    q = torch.full((2,), 0.5, dtype=torch.float64)
    found = off_policy.importance_variance(p, q, steps).item()
    assert found == pytest.approx((2 * (chance**2 + (1 - chance) ** 2)) ** steps - 1)
    assert found == pytest.approx(expected, rel=0.02)


def test_estimates_and_trajectories_must_be_as_many(importance, recipe):
    from rlcourse.support.tabular import random_mdp

    mdp = random_mdp(2, 2, gamma=1.0, generator=make_generator(0))
    listed = recipe("trajectories").enumerate_trajectories(mdp, 2)
    with pytest.raises(ValueError, match="3 estimates"):
        importance.exact_moments(listed, listed.world, torch.zeros(3))


@pytest.fixture(scope="module")
def worlds(recipe):
    return recipe("surrogate_world")


def test_advantages_along_the_new_policy_are_the_gain(worlds):
    """The performance difference lemma, which needs no ratio."""
    rated = worlds.rated_world(3)
    theta = rated.world.random_theta(make_generator(4))
    along = rated.world.expectation(theta, rated.advantages().sum(-1))
    torch.testing.assert_close(along, rated.gain(theta))


def test_the_surrogate_touches_the_gain_at_the_old_policy(worlds):
    rated = worlds.rated_world(5)
    theta = rated.old.clone().requires_grad_(True)
    first, second = (torch.autograd.grad(f(theta), theta)[0] for f in (rated.gain, rated.surrogate))
    torch.testing.assert_close(first, second)
    assert abs(rated.surrogate(rated.old).item()) < 1e-12


@pytest.mark.parametrize(("seed", "sign"), [(0, 1), (5, -1)])
def test_far_away_the_surrogate_is_wrong_to_either_side(worlds, seed, sign):
    rated = worlds.rated_world(seed)
    away = rated.old + 4 * rated.direction()
    assert sign * (rated.surrogate(away) - rated.gain(away)) > 0.03


def test_one_batch_used_again_and_again_is_believed_too_much(worlds):
    rated = worlds.rated_world()
    config = worlds.BatchConfig(samples=12, epochs=25, learning_rate=0.1)
    free = worlds.mean_reuse(rated, config, 4, 0)
    held = worlds.mean_reuse(
        rated, worlds.BatchConfig(samples=12, epochs=25, learning_rate=0.1, kl_coef=2.0), 4, 0
    )
    assert free.claimed[-1] > 2 * free.gained[-1] > 0
    assert held.distance[-1] < 0.3 * free.distance[-1]
    assert free.claimed[0].abs() < 1e-12 and free.distance[0].abs() < 1e-12


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"learning_rate": 0.0}, {"kl_coef": -1.0}])
def test_nonsense_is_refused(worlds, recipe, wrong):
    with pytest.raises(ValueError):
        worlds.BatchConfig(**wrong)
    if "samples" not in wrong:
        with pytest.raises(ValueError):
            recipe("reuse").ReuseConfig(**wrong)


@pytest.fixture(scope="module")
def regions(recipe):
    return recipe("trust_region")


POLICIES = [[0.34, 0.33, 0.33], [0.2, 0.7, 0.1], [0.03, 0.01, 0.96]]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_rim_is_a_budget_away_and_the_circle_a_radius(regions, policy):
    policy = torch.tensor(policy, dtype=torch.float64)
    for new in regions.kl_contour(policy, 0.05, 13):
        assert (policy * (policy / new).log()).sum().item() == pytest.approx(0.05)
    logits = regions.logit_circle(policy, 1.0, 13).log() - policy.log()
    away = (logits - logits.mean(1, keepdim=True)).norm(dim=1)
    torch.testing.assert_close(away, torch.ones(13, dtype=torch.float64))


@pytest.mark.parametrize("policy", POLICIES)
def test_the_best_policy_in_a_region_is_the_one_of_the_formula(regions, policy):
    """Lagrange: old / best is linear in the advantage."""
    old, gains = torch.tensor(policy, dtype=torch.float64), torch.tensor([1.0, 0.0, -1.0]).double()
    tilt = old / regions.best_within(old, gains, 0.05)
    assert (tilt[1] - tilt[0]).item() == pytest.approx((tilt[2] - tilt[1]).item(), rel=0.02)


def test_a_budget_must_be_positive(regions):
    with pytest.raises(ValueError, match="positive"):
        regions.kl_contour(torch.full((3,), 1 / 3).double(), 0.0)


def test_shares_by_hand(recipe):
    """Weights 2 and 1 after one step, 4 and 1 after two; the third column is padding."""
    log_ratios = torch.tensor([[2.0, 2.0, 9.0], [1.0, 1.0, 3.0]]).double().log()
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]).double()
    share = recipe("drift").share_left
    assert share(log_ratios, mask, 1).item() == pytest.approx(9 / 5 / 2)
    assert share(log_ratios, mask, 500).item() == pytest.approx(25 / 17 / 2)


def short_run(reuse, **settings):
    """Rows of four batches of CartPole."""
    generator, envs = make_generator(0), make_cartpole(16)
    config = reuse.ReuseConfig(total_steps=2_048, epochs=8, **settings)
    return list(reuse.reuse(ActorCritic(4, 2, generator), envs, config, generator))


def test_ratios_are_1_in_the_first_epoch_and_move_later(recipe):
    rows = short_run(recipe("reuse"), kl_coef=1.0)
    assert len(rows) == 4 and rows[-1]["kl_coef"] == 1.0
    for row in rows:
        # Scored in the same way as in the first epoch, so equal to the last bit or nearly so.
        assert row["epochs"][0]["ratio"] < 1e-6 and abs(row["epochs"][0]["kl"]) < 1e-8
        assert row["epochs"][-1]["ratio"] > 0.01
        # Advantages are standardized: with all ratios at 1 the surrogate claims nothing.
        assert abs(row["epochs"][0]["gain"]) < 1e-5 and row["epochs"][-1]["gain"] > 0.002


def test_a_price_shortens_the_way_and_follows_its_target(recipe):
    reuse = recipe("reuse")
    free, dear = short_run(reuse), short_run(reuse, kl_coef=10.0)
    assert sum(row["kl"] for row in dear) < 0.5 * sum(row["kl"] for row in free)
    adaptive = short_run(reuse, kl_coef=1.0, kl_target=1e-6)
    assert [row["kl_coef"] for row in adaptive] == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.slow
def test_experience_ages_by_the_length_of_the_product(recipe):
    """ESS of products: single steps above 0.9 for ever, whole episodes below 0.15 in the end."""
    config = recipe("reuse").ReuseConfig(epochs=10, kl_coef=1.0)
    runs = [
        recipe("drift").drift(config, (1, 10, 50, 500), warm_up=12, batches=6, seed=seed)
        for seed in (0, 1, 2)
    ]
    shares = torch.stack([run.shares for run in runs]).mean(0)
    assert shares[:, 0].min() > 0.9
    assert shares[-1, 3] < 0.15
    assert (shares[-1, :-1] > shares[-1, 1:]).all()
