"""Mistakes that crash nothing, and the worlds that show them: chapter 5.

Everything here that is named ``broken_...`` is wrong on purpose.
"""

from dataclasses import replace

import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor, nn

from rlcourse.q_learning import q_loss, q_target
from rlcourse.recipes.a2c_bugs import salary_with_clock
from rlcourse.recipes.dqn import Store, dqn, make_q_network, transitions_of
from rlcourse.recipes.dqn_config import DQNConfig
from rlcourse.recipes.dqn_many import QEnsemble
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import make_generator
from rlcourse.support.transitions import Transitions


def broken_termination(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    """() wrong: what lies behind the end is counted too."""
    discounts = batch.discounts.max().expand_as(batch.discounts)
    return _loss(online, target, batch._replace(discounts=discounts))


def broken_discount(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    """() wrong: gamma is forgotten."""
    return _loss(online, target, batch._replace(discounts=(batch.discounts > 0).float()))


def broken_maximum(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    """() wrong: the mean over the actions instead of the maximum."""
    following = target(batch.next_observations).detach().mean(dim=1, keepdim=True)
    targets = q_target(batch.rewards, batch.discounts, following)
    return q_loss(online(batch.observations), batch.actions, targets)


def broken_copy(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    """() wrong: the target network is the online one."""
    return _loss(online, online, batch)


def broken_broadcast(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    """() wrong: every value is compared with every target of its network."""
    targets = q_target(batch.rewards, batch.discounts, target(batch.next_observations))
    taken = online(batch.observations).gather(1, batch.actions[:, None])
    column, row = taken.reshape(online.size, -1, 1), targets.reshape(online.size, 1, -1)
    return nn.functional.huber_loss(*torch.broadcast_tensors(column, row))


def broken_gradient(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    """() wrong: no target network, and the gradient flows through the target."""
    following = online(batch.next_observations).max(dim=1).values
    targets = batch.rewards + batch.discounts * following
    taken = online(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)
    return nn.functional.huber_loss(taken, targets)


def _loss(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    targets = q_target(batch.rewards, batch.discounts, target(batch.next_observations))
    return q_loss(online(batch.observations), batch.actions, targets)


def broken_clock(rollout: Rollout, gamma: float) -> Transitions:
    """Wrong: where the clock ran out, the future is cut off."""
    return transitions_of(replace(rollout, terminated=rollout.ends), gamma)


def broken_reset(rollout: Rollout, gamma: float) -> Transitions:
    """Wrong: the step in which an environment only resets is stored as if somebody had lived it."""
    return transitions_of(replace(rollout, mask=torch.ones_like(rollout.mask)), gamma)


SALARY = DQNConfig(
    total_steps=3_000,
    gamma=0.9,
    learning_starts=100,
    learning_rate=5e-2,
    tau=0.1,
    hidden=(16,),
)
"""For a world of one state."""


def value_of_a_salary(store: Store, limit: int = 5, seed: int = 0) -> float:
    """What DQN holds for being paid 1 a step for ever, of which a clock shows it ``limit`` steps."""
    generator = make_generator(seed)
    worlds = [salary_with_clock(limit)] * 8
    envs = SyncVectorEnv(worlds, autoreset_mode=AutoresetMode.NEXT_STEP)
    online = make_q_network(envs, SALARY, generator)
    dqn(online, envs, SALARY, generator, store=store)
    envs.close()
    with torch.no_grad():
        return float(online(torch.zeros(1, 1)).max())
