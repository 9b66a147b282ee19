"""The numbers of stable-baselines3 itself, and ours, on one recorded batch, in float64.

``test_ppo_peers.py`` and ``test_a2c.py`` write the formulas of the peers down again; here the
library computes them: its rollout buffer, its policy, and the updates of its PPO and its DQN.
"""

import sys

import gymnasium
import numpy as np
import pytest
import stable_baselines3 as sb3
import torch

from rlcourse.support.collector import Collector
from rlcourse.support.environments import make_vector
from rlcourse.support.networks import ActorCritic, mlp, numpy_forward
from rlcourse.support.seeding import make_generator

EXACT = {"rtol": 1e-6, "atol": 1e-6}
GAMMA, LAM, EPS, STEPS, COPIES = 0.99, 0.95, 0.2, 64, 8


@pytest.fixture(autouse=True)
def observations_stay_as_exact_as_they_are(monkeypatch):
    """Their policies would round them to float32, so that nothing could agree to 1e-6."""
    policies = sys.modules["stable_baselines3.common.policies"]
    monkeypatch.setattr(policies, "preprocess_obs", lambda observations, *_, **__: observations)


@pytest.fixture(scope="module")
def chapter(recipe):
    """The solutions of chapter 8."""
    return recipe("ppo").ppo_update.__globals__


@pytest.fixture(scope="module")
def agent():
    """Our actor and critic after they acted, moved on so far that ratios leave the clip."""
    return ActorCritic(4, 2, make_generator(0)).double()


@pytest.fixture(scope="module")
def rollout(agent):
    """Episodes that died and episodes that the clock cut off."""
    envs = make_vector("CartPole-v1", COPIES, max_episode_steps=25)
    played = Collector(envs, 0).collect(numpy_forward(agent), STEPS, make_generator(1))
    assert (played.ends & ~played.terminated).any() and played.terminated.any()
    observations, rewards, mask = (
        x.double() for x in (played.observations, played.rewards, played.mask)
    )
    return type(played)(observations, played.actions, rewards, played.terminated, played.ends, mask)


@pytest.fixture(scope="module")
def old(chapter, agent, rollout):
    """What is worked out before the agent is moved; the advantages centred, so that both signs occur."""
    found = chapter["work_out"](agent, rollout, chapter["PPOConfig"](gamma=GAMMA, lam=LAM))
    centred = found.advantages - found.advantages.mean()
    with torch.no_grad():
        for parameter in agent.parameters():
            noise = torch.randn(parameter.shape, generator=make_generator(2), dtype=torch.float64)
            parameter.add_(0.3 * noise if parameter.dim() > 1 else 0.0)
    return found._replace(advantages=centred, returns=centred + found.values)


def their_buffer(rollout, values, size=STEPS, copies=COPIES):
    """Their rollout buffer, in float64, holding our rewards and values."""
    space = gymnasium.make("CartPole-v1")
    buffer = sb3.common.buffers.RolloutBuffer(
        size, space.observation_space, space.action_space, "cpu", LAM, GAMMA, copies
    )
    for name in ("rewards", "values", "advantages", "episode_starts"):
        setattr(buffer, name, np.zeros((size, copies)))
    if rollout is not None:
        cut = (rollout.ends & ~rollout.terminated).double()
        # What their collector does at a truncation: the value is added to the reward.
        buffer.rewards[:] = (rollout.rewards + GAMMA * cut * values[:, 1:]).T
        buffer.values[:] = values[:, :-1].T
        buffer.episode_starts[1:] = rollout.ends[:, :-1].T
    return buffer


def test_advantages_and_returns_are_those_of_their_buffer(chapter, agent, rollout):
    with torch.no_grad():
        values = agent.values(rollout.observations)
    buffer = their_buffer(rollout, values)
    buffer.compute_returns_and_advantage(values[:, -1], rollout.ends[:, -1].numpy())
    discounts = rollout.discounts(GAMMA).double()
    ours = chapter["gae"](
        rollout.rewards, discounts, values[:, :-1], values[:, 1:], rollout.ends, LAM
    )
    theirs = torch.from_numpy(buffer.advantages.T.copy())
    torch.testing.assert_close(rollout.counted(ours), rollout.counted(theirs), **EXACT)
    returns = torch.from_numpy(buffer.returns.T.copy())
    torch.testing.assert_close(
        rollout.counted(ours + values[:, :-1]), rollout.counted(returns), **EXACT
    )


def their_model(agent, count, **settings):
    """Their PPO with the weights of our agent, and a batch of so many rows."""
    model = sb3.PPO(
        "MlpPolicy", "CartPole-v1", n_steps=count, batch_size=count, n_epochs=1, device="cpu",
        clip_range=EPS, learning_rate=1e-3, max_grad_norm=0.5, **settings,
    )  # fmt: skip
    policy = model.policy.double()
    copies = (
        (policy.mlp_extractor.policy_net, agent.actor.logits_network[:-1]),
        (policy.action_net, agent.actor.logits_network[-1]),
        (policy.mlp_extractor.value_net, agent.critic.value_network[:-1]),
        (policy.value_net, agent.critic.value_network[-1]),
    )
    for theirs, ours in copies:
        theirs.load_state_dict(ours.state_dict())
    return model


def fill(model, old):
    """Put our batch into their buffer; one environment, one column."""
    buffer, count = their_buffer(None, None, len(old.actions), 1), len(old.actions)
    buffer.observations = old.states.numpy().reshape(count, 1, 4)
    buffer.actions = old.actions.double().numpy().reshape(count, 1, 1)
    columns = {"values": old.values, "log_probs": old.log_probs, "advantages": old.advantages}
    for name, column in (columns | {"returns": old.returns}).items():
        setattr(buffer, name, column.numpy().reshape(count, 1))
    buffer.full, buffer.pos = True, count
    model.rollout_buffer = buffer


def their_update(agent, old, **settings):
    """Their model after one update with all rows at once, and what it logged."""
    model = their_model(agent, len(old.actions), **settings)
    fill(model, old)
    model.set_logger(sb3.common.logger.Logger(None, []))
    model.train()
    return model, model.logger.name_to_value


def test_policy_says_the_same(chapter, agent, old):
    model = their_model(agent, len(old.actions))
    with torch.no_grad():
        values, log_probs, entropies = model.policy.evaluate_actions(old.states, old.actions)
        ours = chapter["log_probs_and_entropies"](agent, old.states, old.actions)
        torch.testing.assert_close(ours[0], log_probs, **EXACT)
        torch.testing.assert_close(ours[1], entropies, **EXACT)
        torch.testing.assert_close(agent.values(old.states), values.flatten(), **EXACT)


def test_losses_entropy_and_diagnostics_are_those_of_their_update(chapter, agent, old):
    _, logged = their_update(agent, old, normalize_advantage=False)
    with torch.no_grad():
        log_probs, entropies = chapter["log_probs_and_entropies"](agent, old.states, old.actions)
        values, mask = agent.values(old.states), torch.ones_like(old.advantages)
        clipped = chapter["clipped_surrogate_loss"]
        ours = {
            "policy_gradient_loss": clipped(log_probs, old.log_probs, old.advantages, mask, EPS),
            "entropy_loss": -entropies.mean(),
            "approx_kl": chapter["approx_kl"](log_probs, old.log_probs, mask),
            "clip_fraction": chapter["clip_fraction"](log_probs, old.log_probs, mask, EPS),
        }
        plain = chapter["clipped_value_loss"](values, old.values, old.returns, mask, float("inf"))
    assert 0.1 < ours["clip_fraction"] < 0.9
    for name, value in ours.items():
        assert value.item() == pytest.approx(logged[f"train/{name}"], rel=1e-6, abs=1e-6), name
    # By design: theirs has no half.
    assert 2 * plain.item() == pytest.approx(logged["train/value_loss"], rel=1e-6)


@pytest.mark.parametrize("standardize", [False, True])
def test_one_whole_update_moves_the_weights_alike(chapter, agent, old, standardize):
    """Loss, coefficients, shortened gradient and Adam together; the standardized one but for M - 1."""
    model, _ = their_update(agent, old, normalize_advantage=standardize, ent_coef=0.01, vf_coef=0.5)
    ours = ActorCritic(4, 2, make_generator(9)).double()
    ours.load_state_dict(agent.state_dict())
    count, weights = len(old.actions), old.advantages
    if standardize:  # by design: our deviation has the divisor M, theirs M - 1
        old = old._replace(advantages=(weights - weights.mean()) / (weights.std() + 1e-8))
    config = chapter["PPOConfig"](
        epochs=1, minibatch_size=count, standardize=False, critic_coef=1.0, entropy_coef=0.01
    )
    optimizer = torch.optim.Adam(ours.parameters(), 1e-3, eps=1e-5)
    worked_out, chapter["work_out"] = chapter["work_out"], lambda *_: old
    try:
        chapter["ppo_update"](ours, None, optimizer, config, make_generator(0))
    finally:
        chapter["work_out"] = worked_out
    pairs = zip(
        [*ours.actor.logits_network[:-1].parameters()],
        [*model.policy.mlp_extractor.policy_net.parameters()],
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, **EXACT)
    for one, other in zip(
        ours.critic.value_network[-1].parameters(), model.policy.value_net.parameters(), strict=True
    ):
        torch.testing.assert_close(one, other, **EXACT)


def test_by_design_the_clipped_value_loss_takes_the_worse_of_two(chapter, agent, old):
    """Theirs is the error of the held value alone."""
    _, logged = their_update(agent, old, clip_range_vf=0.05)
    with torch.no_grad():
        values, mask = agent.values(old.states), torch.ones_like(old.advantages)
        ours = chapter["clipped_value_loss"](values, old.values, old.returns, mask, 0.05)
        held = old.values + (values - old.values).clamp(-0.05, 0.05)
    theirs = logged["train/value_loss"]
    assert theirs == pytest.approx((held - old.returns).square().mean().item(), rel=1e-6)
    assert 2 * ours.item() > theirs + 1e-4


def test_dqn_targets_and_loss_are_those_of_their_update(recipe, rollout, monkeypatch):
    dqn, config = recipe("dqn"), recipe("dqn_config").DQNConfig(gamma=GAMMA, double=False)
    rows, made = dqn.transitions_of(rollout, GAMMA), make_generator(5)
    online, target = (mlp((4, 16, 2), made, activation=torch.nn.ReLU).double() for _ in range(2))
    model = sb3.DQN(
        "MlpPolicy", "CartPole-v1", gamma=GAMMA, buffer_size=len(rows.actions), device="cpu",
        policy_kwargs={"net_arch": [16]},
    )  # fmt: skip
    for theirs, ours in ((model.q_net, online), (model.q_net_target, target)):
        theirs.double().q_net.load_state_dict(ours.state_dict())
    buffer = model.replay_buffer
    for name in ("observations", "next_observations", "rewards"):
        setattr(buffer, name, getattr(buffer, name).astype(np.float64))
    ends = rollout.counted(rollout.ends)
    died = rollout.counted(rollout.terminated)
    for i in range(len(ends)):  # a truncated step is done, and says so
        info = [{"TimeLimit.truncated": bool(ends[i] & ~died[i])}]
        pair = (rows.observations[i : i + 1].numpy(), rows.next_observations[i : i + 1].numpy())
        step = (rows.actions[i : i + 1, None].numpy(), rows.rewards[i : i + 1].numpy())
        buffer.add(*pair, *step, ends[i : i + 1].numpy(), info)
    everything = np.arange(len(ends))
    monkeypatch.setattr(buffer, "sample", lambda *_, **__: buffer._get_samples(everything))
    seen = []
    monkeypatch.setattr(
        sb3.dqn.dqn.F, "smooth_l1_loss", lambda q, y: seen.append((q, y)) or (q - y).abs().mean()
    )
    model.set_logger(sb3.common.logger.Logger(None, []))
    model.train(1, len(ends))
    q, targets = (x.detach().flatten() for x in seen[0])
    ours = dqn.targets_of(online, target, rows, double=False)
    torch.testing.assert_close(ours, targets, **EXACT)
    with torch.no_grad():
        loss = dqn.q_loss(online(rows.observations), rows.actions, ours)
    torch.testing.assert_close(loss, torch.nn.functional.huber_loss(q, targets), **EXACT)
    assert (ours == rows.rewards).any() and config.gamma == GAMMA
