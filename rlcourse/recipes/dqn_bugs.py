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
    rows = len(targets) // online.size
    every_value = online(batch.observations).repeat_interleave(rows, dim=0)
    every_target = targets.reshape(online.size, 1, rows).expand(-1, rows, -1).flatten()
    return q_loss(every_value, batch.actions.repeat_interleave(rows), every_target)


def broken_gradient(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    """() wrong: no target network, and the target comes to meet the value."""
    q, next_q = online(batch.observations), online(batch.next_observations)
    reached = batch.rewards + batch.discounts * next_q.amax(dim=1)
    there = q_loss(q, batch.actions, reached)
    said = (q.detach() * nn.functional.one_hot(batch.actions, q.shape[1])).sum(dim=1)
    back = q_loss(reached[:, None], torch.zeros_like(batch.actions), said)
    return there + back


def _loss(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    targets = q_target(batch.rewards, batch.discounts, target(batch.next_observations))
    return q_loss(online(batch.observations), batch.actions, targets)


def broken_clock(rollout: Rollout, gamma: float) -> Transitions:
    """Wrong: where the clock ran out, the future is cut off."""
    return transitions_of(replace(rollout, terminated=rollout.ends), gamma)


def broken_reset(rollout: Rollout, gamma: float) -> Transitions:
    """Wrong: the step in which an environment only resets is stored as if somebody had lived it."""
    columns = rollout.states, rollout.actions, rollout.rewards, rollout.discounts(gamma)
    return Transitions(*(x.flatten(0, 1) for x in (*columns, rollout.next_observations)))


SALARY = DQNConfig(
    total_steps=2_560,
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
