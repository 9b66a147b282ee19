"""The experiments of chapter 4 against small worlds that are known, and their figures from seeds."""

import math

import pytest
import torch

from rlcourse.support.seeding import make_generator
from rlcourse.support.tabular import (
    chain,
    cliff_walking,
    gridworld,
    random_mdp,
    random_walk,
    uniform_policy,
)


@pytest.fixture(scope="module")
def walks(recipe):
    return recipe("random_walk")


@pytest.fixture(scope="module")
def control(recipe):
    return recipe("tabular_control")


@pytest.fixture(scope="module")
def hundred(walks):
    """100 episodes of 100 runs."""
    generator = make_generator(1)
    return [walks.sample_walks(5, 100, generator) for _ in range(100)]


def plain_td(walk, row, values, n, step_size):
    """n-step TD of one walk with Python floats."""
    length = int(walk.mask[row].sum())
    states, rewards = walk.observations[row].tolist(), walk.rewards[row].tolist()
    for t in range(length):
        until = min(t + n, length)
        target = sum(rewards[t:until]) + (values[states[until]] if until < length else 0.0)
        values[states[t]] += step_size * (target - values[states[t]])


@pytest.mark.parametrize("n", [1, 3, 1_000_000])
def test_many_walks_at_once_are_as_one_after_the_other(walks, n):
    generator = make_generator(0)
    episodes = [walks.sample_walks(5, 3, generator) for _ in range(4)]
    methods = [walks.Method(0.3), walks.Method(0.1, n)]
    found = walks.learn_from_walks(episodes, 5, methods)[-1]
    for k, method in enumerate(methods):
        for row in range(3):
            values = [0.0] + [0.5] * 5 + [0.0]
            for walk in episodes:
                plain_td(walk, row, values, method.n, method.step_size)
            assert found[k, row].tolist() == pytest.approx(values, abs=1e-12)


def test_walks_step_to_a_neighbour_and_stop_outside(walks):
    rollout = walks.sample_walks(5, 500, make_generator(2))
    moved = (rollout.next_observations - rollout.states).abs()
    assert torch.equal(moved, rollout.mask.long())
    assert torch.equal(rollout.observations[:, 0], torch.full((500,), 3))
    last = rollout.observations[:, -1]
    assert set(last.tolist()) == {0, 6}
    assert torch.equal(rollout.rewards.sum(1), (last == 6).double())
    assert abs(rollout.mask.sum(1).mean() - 9) < 1  # (n + 1)^2 / 4 steps
    assert abs(last.double().mean() - 3) < 0.4


def test_true_values_solve_the_bellman_equation(walks):
    mdp, values = random_walk(9), walks.true_values(9)
    assert torch.allclose(values, (mdp.rewards + mdp.continuing @ values).mean(1), atol=1e-15)


def test_method_refuses_what_cannot_be(walks):
    for bad in ((0.0, 1), (1.5, 1), (0.1, 0)):
        with pytest.raises(ValueError, match="step_size"):
            walks.Method(*bad)


# CLASSIC, S&B example 6.2: error after 10, 50 and 100 episodes
EXPECTED = {
    (0.05, True): (0.174, 0.054, 0.035),
    (0.15, True): (0.095, 0.069, 0.072),
    (0.01, False): (0.212, 0.144, 0.095),
    (0.04, False): (0.179, 0.112, 0.105),
}


def test_the_random_walk_of_the_book(walks, hundred):
    methods = [walks.Method(a, 1 if td else walks.WHOLE_EPISODE) for a, td in EXPECTED]
    errors = walks.rms_errors(walks.learn_from_walks(hundred, 5, methods), 5).mean(-1)
    for k, expected in enumerate(EXPECTED.values()):
        assert errors[[10, 50, 100], k].tolist() == pytest.approx(expected, abs=0.015)
    assert errors[100, 0] < 0.045 and errors[100, 2] > 0.08


def test_td_beats_monte_carlo_also_with_the_best_step_sizes(walks, hundred):
    td = [walks.Method(a) for a in (0.05, 0.1, 0.15)]
    mc = [walks.Method(a, walks.WHOLE_EPISODE) for a in (0.01, 0.02, 0.03, 0.04)]
    errors = walks.rms_errors(walks.learn_from_walks(hundred, 5, td + mc), 5).mean(-1)[50]
    assert errors[:3].min().item() == pytest.approx(0.050, abs=0.007)
    assert errors[3:].min().item() == pytest.approx(0.100, abs=0.015)


def test_batch_values_are_means_and_a_most_likely_world(walks):
    generator = make_generator(3)
    episodes = [walks.sample_walks(5, 2, generator) for _ in range(6)]
    td, mc = walks.batch_values(episodes, 5)
    for row in range(2):
        returns = {s: [] for s in range(7)}
        for walk in episodes:
            for state in walk.states[row][walk.mask[row] > 0].tolist():
                returns[state].append(walk.rewards[row].sum().item())
        for state in range(1, 6):
            mean = sum(returns[state]) / len(returns[state]) if returns[state] else 0.5
            assert mc[row, state].item() == pytest.approx(mean)
        steps = [
            (*walk.observations[row, t : t + 2].tolist(), walk.rewards[row, t].item())
            for walk in episodes
            for t in range(int(walk.mask[row].sum()))
        ]
        values = [0.0] + [0.5] * 5 + [0.0]
        for _ in range(2000):  # sweeps of TD with small steps, all changes at once
            change = [0.0] * 7
            for here, there, paid in steps:
                change[here] += paid + (0.0 if there in (0, 6) else values[there]) - values[here]
            values = [v + 0.02 * c for v, c in zip(values, change, strict=True)]
        assert td[row].tolist() == pytest.approx(values, abs=1e-4)


def test_batch_td_needs_fewer_episodes_than_batch_monte_carlo(walks, hundred):
    found = {}
    for count in (10, 50, 100):
        td, mc = walks.batch_values(hundred[:count], 5)
        found[count] = [walks.rms_errors(values, 5).mean().item() for values in (td, mc)]
        assert found[count][0] < 0.85 * found[count][1]
    assert found[50][0] == pytest.approx(0.054, abs=0.01)
    assert found[50][1] == pytest.approx(0.080, abs=0.012)


def test_an_intermediate_n_is_best_on_the_long_walk(walks):
    generator = make_generator(1)
    episodes = [walks.sample_walks(19, 30, generator) for _ in range(10)]
    best = {}
    for n in (1, 4, 16, 256):
        methods = [walks.Method(a, n) for a in (0.02, 0.05, 0.1, 0.15, 0.2, 0.4, 0.8)]
        learned = walks.learn_from_walks(episodes, 19, methods)[1:]
        errors = walks.rms_errors(learned, 19).mean((0, 2))
        best[n] = errors.min().item(), methods[int(errors.argmin())].step_size
    assert best[1] == (pytest.approx(0.172, abs=0.012), 0.8)
    assert best[4] == (pytest.approx(0.134, abs=0.012), 0.4)
    assert best[16][0] == pytest.approx(0.156, abs=0.012)
    assert best[256][0] == pytest.approx(0.242, abs=0.02)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_moments_of_n_step_returns_by_listing_every_way(recipe, n):
    mdp = random_mdp(3, 2, gamma=0.8, generator=make_generator(0))
    policy = torch.tensor([[0.3, 0.7], [0.6, 0.4], [0.5, 0.5]], dtype=torch.float64)
    guess = torch.tensor([1.0, -2.0, 9.0], dtype=torch.float64)
    means, variances = recipe("n_step_moments").n_step_moments(mdp, policy, guess, n)

    def ways(state, left):
        if bool(mdp.terminal[state]):
            return [(1.0, 0.0)]
        if left == 0:
            return [(1.0, guess[state].item())]
        found = []
        for action in range(2):
            for successor in range(3):
                chance = (policy[state, action] * mdp.transitions[state, action, successor]).item()
                for p, rest in ways(successor, left - 1):
                    found.append((chance * p, mdp.rewards[state, action].item() + 0.8 * rest))
        return found

    for state in (0, 1):
        listed = ways(state, n)
        mean = math.fsum(p * g for p, g in listed)
        assert means[n - 1, state].item() == pytest.approx(mean)
        variance = math.fsum(p * (g - mean) ** 2 for p, g in listed)
        assert variances[n - 1, state].item() == pytest.approx(variance)


def test_bias_falls_and_variance_rises_with_n(recipe, walks):
    mdp, truth = random_walk(19), walks.true_values(19)
    guess = torch.where(mdp.terminal, 0.0, 0.5 * truth + 0.25)
    moments = recipe("n_step_moments").n_step_moments(mdp, uniform_policy(mdp), guess, 400)
    bias = (moments[0] - truth)[:, 1:-1].square().mean(1)
    variance = moments[1][:, 1:-1].mean(1)
    assert bool((bias.diff() < 0).all()) and bias[63].sqrt() < 0.01 < 0.1 < bias[0].sqrt()
    assert bool((variance[:64].diff() > 0).all())
    best = [int((bias + variance / count).argmin()) + 1 for count in (1, 10, 1000)]
    assert best[0] == 1 and 15 < best[1] < 35 and 50 < best[2] < 100


def test_chained_walks_start_in_the_middle_after_each_end(recipe):
    chained = recipe("chained_walks").chain_walks(5, 50, 6, make_generator(0))
    starts = chained.states[0, 1:][chained.ends[0, :-1]]
    assert len(starts) == 49 and bool((starts == 3).all())
    inside = ~chained.ends[0, :-1]
    assert torch.equal(chained.next_states[0, :-1][inside], chained.states[0, 1:][inside])
    out = (chained.next_states == 0) | (chained.next_states == 6)
    assert torch.equal(chained.discounts == 0, out)
    assert bool(chained.ends[out].all()) and int(chained.ends.sum()) == 50


@pytest.mark.parametrize("seed", range(3))
def test_a_leak_into_the_next_walk_harms_long_returns_only(recipe, walks, seed):
    module = recipe("chained_walks")
    chained = module.chain_walks(5, 400, 6, make_generator(seed))
    errors = {
        (n, name): walks.rms_errors(module.learn_from_chain(chained, 5, n, ends), 5).item()
        for n in (1, 4)
        for name, ends in (("right", chained.ends), ("leaky", chained.discounts == 0))
    }
    assert errors[1, "right"] == errors[1, "leaky"]
    assert errors[4, "leaky"] > 1.5 * errors[4, "right"]


@pytest.mark.parametrize("rule", ["sarsa", "q_learning"])
def test_learning_to_act_is_the_textbook_loop(control, rule):
    """One agent, replayed with Python floats from what was drawn: actions and next states in turn."""
    mdp, drawn = chain(3, gamma=0.9, slip=0.2), []

    class Logged(control.Players):
        def draw(self, cumulative):
            drawn.append(super().draw(cumulative))
            return drawn[-1]

    config = control.ControlConfig(rule, 0.5, episodes=6, runs=1)
    players = Logged(mdp, [config], make_generator(0), lambda q, epsilon: torch.full_like(q, 0.5))
    returns = players.learn()[0].tolist()

    q, earned, state = [[0.0, 0.0] for _ in range(4)], [0.0], 0
    action, *rest = [int(each) for each in drawn]
    for following, chosen in zip(rest[::2], rest[1::2], strict=True):
        paid = mdp.rewards[state, action].item()
        ahead = q[following][chosen] if rule == "sarsa" else max(q[following])
        target = paid + (0.0 if following == 3 else 0.9 * ahead)
        q[state][action] += 0.5 * (target - q[state][action])
        earned[-1] += paid
        if following == 3:
            earned.append(0.0)
        state, action = (0 if following == 3 else following), chosen
    assert players.q.flatten().tolist() == pytest.approx([x for row in q for x in row])
    assert returns == pytest.approx(earned[:-1]) and len(returns) == 6


@pytest.mark.parametrize("rule", ["sarsa", "expected_sarsa", "q_learning"])
def test_each_rule_finds_its_own_fixed_point(control, recipe, rule):
    """With small steps: Q-learning at the optimal values, the others at those of the policy played."""
    mdp = gridworld(("S.G",), step_reward=-0.1, gamma=0.9)

    def half(q, epsilon):
        return torch.full_like(q, 0.25)

    settings = [control.ControlConfig(rule, 0.04, episodes=400, runs=16)]
    _, q = control.learn_to_act(mdp, settings, make_generator(0), half)
    best = recipe("planning").value_iteration(mdp, 200)
    played = torch.zeros_like(best)
    for _ in range(500):
        played = mdp.rewards + 0.9 * (mdp.continuing @ played.mean(1))
    expected = best if rule == "q_learning" else played
    assert torch.allclose(q[0].mean(0)[:2], expected[:2], atol=0.06)
    assert (best - played)[:2].max() > 0.3


@pytest.mark.slow
def test_the_cliff_of_the_book(control):
    rules = ("sarsa", "expected_sarsa", "q_learning")
    settings = [control.ControlConfig(rule) for rule in rules]
    for seed in (1, 2):
        returns, q = control.learn_to_act(cliff_walking(), settings, make_generator(seed))
        sarsa, expected, best = returns[:, :, -100:].mean((1, 2)).tolist()
        assert -33 < sarsa < -23 and -24 < expected < -18 and -57 < best < -43
        paths = [control.greedy_path(cliff_walking(), q[k, 0]) for k in range(3)]
        assert len(paths[2]) - 1 == 13 < len(paths[1]) - 1 <= len(paths[0]) - 1
        assert all(path[-1] == 47 for path in paths)


def test_settings_that_do_not_fit_are_refused(control):
    settings = [control.ControlConfig("sarsa"), control.ControlConfig("sarsa", runs=3)]
    with pytest.raises(ValueError, match="same runs"):
        control.learn_to_act(cliff_walking(), settings, make_generator(0))
    with pytest.raises(ValueError, match="same state"):
        mdp = random_mdp(4, 2, 0.9, make_generator(0))
        control.learn_to_act(mdp, [control.ControlConfig("sarsa")], make_generator(0))
    for bad in ({"step_size": 0.0}, {"epsilon": 2.0}, {"runs": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            control.ControlConfig("sarsa", **bad)


def test_the_prize_of_a_known_chain(recipe):
    planning, mdp = recipe("planning"), chain(3, gamma=0.5)
    assert planning.value_iteration(mdp, 50)[:3, 1].tolist() == pytest.approx([0.25, 0.5, 1.0])
    right = torch.tensor([[0.0, 1.0]] * 4, dtype=torch.float64)
    assert [planning.earned_within(mdp, right, steps) for steps in (2, 3, 9)] == [0.0, 1.0, 1.0]


def test_greedy_for_optimal_values_never_arrives_where_nothing_hurries(recipe):
    import gymnasium

    from rlcourse.support.tabular import from_gymnasium

    planning, arrives = recipe("planning"), {}
    for gamma in (1.0, 0.99):
        lake = from_gymnasium(gymnasium.make("FrozenLake8x8-v1"), gamma=gamma)
        q = planning.value_iteration(lake, 6000)
        greedy = torch.nn.functional.one_hot(q.argmax(1), 4).double()
        arrives[gamma] = planning.earned_within(lake, greedy, 200)
        if gamma == 1.0:
            assert q.amax(1)[0].item() == pytest.approx(1.0, abs=1e-6)
            best = planning.value_iteration(lake, 200).amax(1)[0].item()
    assert arrives[1.0] == 0.0
    assert arrives[0.99] == pytest.approx(0.863, abs=1e-3)
    assert best == pytest.approx(0.9132, abs=1e-4)
