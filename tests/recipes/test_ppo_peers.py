"""Our losses and advantages against those of CleanRL and stable-baselines3, on one recorded batch.

The formulas of the two are written down again here. Where ours differ on purpose, a test says so.
"""

import pytest
import torch
from torch.distributions import Categorical

from rlcourse.support.collector import Collector
from rlcourse.support.environments import make_vector
from rlcourse.support.networks import ActorCritic, numpy_forward
from rlcourse.support.seeding import make_generator

EXACT = {"rtol": 1e-6, "atol": 1e-6}
GAMMA, LAM, EPS = 0.99, 0.95, 0.2


@pytest.fixture(scope="module")
def chapter(recipe):
    """The solutions of chapter 8."""
    return recipe("ppo").ppo_update.__globals__


@pytest.fixture(scope="module")
def batch(chapter):
    """What a policy played, and what a slightly different one says of it, in float64."""
    envs = make_vector("CartPole-v1", 16, max_episode_steps=25)
    agent = ActorCritic(4, 2, make_generator(0)).double()
    rollout = Collector(envs, 0).collect(numpy_forward(agent), 64, make_generator(1))
    assert (rollout.ends & ~rollout.terminated).any() and rollout.terminated.any()
    rollout = type(rollout)(
        rollout.observations.double(),
        rollout.actions,
        rollout.rewards.double(),
        rollout.terminated,
        rollout.ends,
        rollout.mask.double(),
    )
    worked_out = chapter["work_out"](agent, rollout, chapter["PPOConfig"]())
    # A fresh critic says 0, and all advantages are positive: give it the mean that it lacks.
    centred = worked_out.advantages - worked_out.advantages.mean()
    worked_out = worked_out._replace(advantages=centred, returns=centred + worked_out.values)
    with torch.no_grad():
        for parameter in agent.parameters():
            noise = torch.randn(parameter.shape, generator=make_generator(2), dtype=torch.float64)
            parameter.add_(0.3 * noise if parameter.dim() > 1 else 0.0)
    return agent, rollout, worked_out


@pytest.fixture(scope="module")
def now(batch):
    """Log-probabilities and entropies by torch's distributions, and values, of the changed agent."""
    agent, _, old = batch
    with torch.no_grad():
        policy = Categorical(logits=agent.logits(old.states))
        return policy.log_prob(old.actions), policy.entropy(), agent.values(old.states)


def ones(old):
    return torch.ones_like(old.advantages)


def test_the_recorded_batch_reaches_every_region(batch, now):
    ratio, advantages = (now[0] - batch[2].log_probs).exp(), batch[2].advantages
    counts = [
        int((side & good).sum())
        for side in (ratio > 1 + EPS, ratio < 1 - EPS, (ratio - 1).abs() < EPS)
        for good in (advantages > 0, advantages < 0)
    ]
    assert min(counts) > 5, counts


def test_policy_loss_is_that_of_both(chapter, batch, now):
    old, log_probs = batch[2], now[0]
    ratio = (log_probs - old.log_probs).exp()
    cleanrl = torch.max(
        -old.advantages * ratio, -old.advantages * torch.clamp(ratio, 1 - EPS, 1 + EPS)
    ).mean()
    sb3 = -torch.min(old.advantages * ratio, old.advantages * ratio.clamp(1 - EPS, 1 + EPS)).mean()
    ours = chapter["clipped_surrogate_loss"](
        log_probs, old.log_probs, old.advantages, ones(old), EPS
    )
    torch.testing.assert_close(ours, cleanrl, **EXACT)
    torch.testing.assert_close(ours, sb3, **EXACT)


def test_diagnostics_are_those_of_both(chapter, batch, now):
    old, log_ratio = batch[2], now[0] - batch[2].log_probs
    ratio = log_ratio.exp()
    kl = chapter["approx_kl"](now[0], old.log_probs, ones(old))
    torch.testing.assert_close(kl, ((ratio - 1) - log_ratio).mean(), **EXACT)
    fraction = chapter["clip_fraction"](now[0], old.log_probs, ones(old), EPS)
    torch.testing.assert_close(fraction, ((ratio - 1.0).abs() > EPS).double().mean(), **EXACT)


@pytest.mark.parametrize("eps", [0.05, 0.2])
def test_clipped_value_loss_is_that_of_cleanrl(chapter, batch, now, eps):
    old, values = batch[2], now[2]
    held = old.values + torch.clamp(values - old.values, -eps, eps)
    worse = torch.max((values - old.returns) ** 2, (held - old.returns) ** 2)
    ours = chapter["clipped_value_loss"](values, old.values, old.returns, ones(old), eps)
    torch.testing.assert_close(ours, 0.5 * worse.mean(), **EXACT)
    # By design: stable-baselines3 takes the error of the held value alone, and no half.
    sb3 = torch.nn.functional.mse_loss(old.returns, held)
    assert abs(ours - 0.5 * sb3) > 1e-4


def test_plain_value_loss_is_that_of_both_but_for_the_half(chapter, batch, now):
    old = batch[2]
    ours = chapter["clipped_value_loss"](now[2], old.values, old.returns, ones(old), float("inf"))
    cleanrl = 0.5 * ((now[2] - old.returns) ** 2).mean()
    sb3 = torch.nn.functional.mse_loss(old.returns, now[2])
    torch.testing.assert_close(ours, cleanrl, **EXACT)
    torch.testing.assert_close(2 * ours, sb3, **EXACT)  # their vf_coef is our critic_coef / 2


def test_entropy_and_log_probabilities_are_those_of_torch(chapter, batch, now):
    agent, _, old = batch
    with torch.no_grad():
        ours = chapter["log_probs_and_entropies"](agent, old.states, old.actions)
    torch.testing.assert_close(ours[0], now[0], **EXACT)
    torch.testing.assert_close(ours[1], now[1], **EXACT)


def cleanrl_advantages(rollout, values):
    """``done`` belongs to the observation: that of t+1 cuts off value and carry of step t.

    CleanRL's environments reset at once (SAME_STEP), so it has no masked column; in ours, cutting
    at ``ends`` is the same.
    """
    advantages = torch.zeros_like(rollout.rewards)
    lastgaelam = torch.zeros(rollout.batch, dtype=torch.float64)
    for t in reversed(range(rollout.steps)):
        nextnonterminal = 1.0 - rollout.ends[:, t].double()
        delta = rollout.rewards[:, t] + GAMMA * values[:, t + 1] * nextnonterminal - values[:, t]
        lastgaelam = delta + GAMMA * LAM * nextnonterminal * lastgaelam
        advantages[:, t] = lastgaelam
    return advantages


def ours_and_cleanrls(chapter, rollout):
    agent = ActorCritic(4, 2, make_generator(0)).double()
    with torch.no_grad():
        values = agent.values(rollout.observations)
    ours = chapter["gae"](
        rollout.rewards,
        rollout.discounts(GAMMA).double(),
        values[:, :-1],
        values[:, 1:],
        rollout.ends,
        LAM,
    )
    return rollout.counted(ours), rollout.counted(cleanrl_advantages(rollout, values))


def test_advantages_are_those_of_cleanrl_where_no_clock_cuts(chapter, batch):
    rollout = batch[1]
    without = type(rollout)(
        rollout.observations,
        rollout.actions,
        rollout.rewards,
        rollout.ends,  # every end a termination
        rollout.ends,
        rollout.mask,
    )
    torch.testing.assert_close(*ours_and_cleanrls(chapter, without), **EXACT)


def test_by_design_cleanrl_takes_the_clock_for_death(chapter, batch):
    ours, theirs = ours_and_cleanrls(chapter, batch[1])
    assert (ours - theirs).abs().max() > 0.01


def test_by_design_deviations_have_the_divisor_m(chapter, batch):
    """CleanRL and stable-baselines3 divide by M - 1, so that a minibatch of one gives NaN."""
    advantages = batch[2].advantages
    theirs = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ours = (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)
    count = len(advantages)
    torch.testing.assert_close(ours, theirs * (count / (count - 1)) ** 0.5, **EXACT)


def test_running_mean_is_that_of_both(chapter, batch):
    """Both start from a count of 1e-4 with variance 1; after some batches nobody can tell."""
    states, ours = batch[2].states, chapter["RunningMeanStd"]((4,))
    mean, var, count = torch.zeros(4).double(), torch.ones(4).double(), 1e-4
    for part in states.split(100):
        ours.update(part)
        delta, size = part.mean(0) - mean, len(part)
        total = count + size
        m2 = var * count + part.var(0, correction=0) * size + delta**2 * count * size / total
        mean, var, count = mean + delta * size / total, m2 / total, total
    torch.testing.assert_close(ours.mean, mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours.var, var, rtol=1e-5, atol=1e-6)
