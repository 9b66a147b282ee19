r"""DQN (Mnih et al., 2015) and Double DQN (van Hasselt et al., 2016): replay, target network, ε-greedy.

Act, store, sample, update, follow, in that order. Made of chapter 5; read it beside its page,
``book/05_q_learning.md``. As a command it trains on CartPole::

    python -m rlcourse.recipes.dqn runs/dqn --seed 1            # double
    python -m rlcourse.recipes.dqn runs/dqn --seed 1 --resume   # go on after a cut
"""

import argparse
import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor, nn

from rlcourse.q_learning import (
    ReplayBuffer,
    double_q_target,
    polyak_update,
    q_loss,
    q_target,
)
from rlcourse.recipes.dqn_config import DQNConfig
from rlcourse.support.collector import Collector, NumpyPolicy
from rlcourse.support.environments import make_cartpole
from rlcourse.support.networks import mlp, numpy_forward
from rlcourse.support.progress import Progress
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import draw_seed, make_generator
from rlcourse.support.training_run import Part, TrainingRun, restore
from rlcourse.support.transitions import Transitions
from rlcourse.value_functions import epsilon_greedy

Store = Callable[[Rollout, float], Transitions]
"""What of a rollout goes into the buffer, with which discount."""


def make_q_network(
    envs: VectorEnv[Any, Any, Any], config: DQNConfig, generator: torch.Generator
) -> nn.Sequential:
    """A network from observations (..., D) to the values of all actions (..., A).

    Raises:
        ValueError: if observations are no rows of numbers, or actions are not discrete.
    """
    shape, actions = envs.single_observation_space.shape, envs.single_action_space
    if not shape or not isinstance(actions, spaces.Discrete):
        raise ValueError("dqn needs observations that are rows of numbers, and discrete actions")
    sizes = (shape[0], *config.hidden, int(actions.n))
    return mlp(sizes, generator, activation=nn.ReLU)


def explorer(forward: NumpyPolicy, epsilon: float) -> NumpyPolicy:
    """The ε-greedy policy of some action values, as log-probabilities (B, A)."""

    def policy(observations: NDArray[Any]) -> NDArray[np.floating[Any]]:
        q = torch.from_numpy(forward(observations))
        log_probs: NDArray[np.floating[Any]] = epsilon_greedy(q, epsilon).log().numpy()
        return log_probs

    return policy


def transitions_of(rollout: Rollout, gamma: float) -> Transitions:
    """The steps of a rollout that count, each with what truly followed it."""
    return Transitions(
        rollout.counted(rollout.states),
        rollout.counted(rollout.actions),
        rollout.counted(rollout.rewards),
        rollout.counted(rollout.discounts(gamma)),
        rollout.counted(rollout.next_observations),
    )


@torch.no_grad()
def targets_of(online: nn.Module, target: nn.Module, batch: Transitions, double: bool) -> Tensor:
    """(N,) what the values of the actions taken should have been."""
    judged = target(batch.next_observations)
    if not double:
        return q_target(batch.rewards, batch.discounts, judged)
    chosen = online(batch.next_observations)
    return double_q_target(batch.rewards, batch.discounts, chosen, judged)


def dqn_update(
    online: nn.Module,
    target: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Transitions,
    config: DQNConfig,
) -> dict[str, Tensor]:
    """One step of the optimizer; returns numbers for the log."""
    targets = targets_of(online, target, batch, config.double)
    q = online(batch.observations)
    loss = q_loss(q, batch.actions, targets)
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(online.parameters(), config.max_grad_norm)
    optimizer.step()
    best = q.detach().max(dim=1).values.mean()
    return {"td_loss": loss.detach(), "q_values": best, "grad_norm": norm}


class BufferState:
    """Lets a checkpoint hold a replay buffer: the rows that are filled, and how many ever came."""

    def __init__(self, buffer: ReplayBuffer) -> None:
        self.buffer = buffer

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""
        columns = self.buffer.storage or ()
        filled = [column[: len(self.buffer)].clone() for column in columns]
        return {"added": self.buffer.added, "columns": filled}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Fill an empty buffer of the same capacity."""
        if state["columns"]:
            self.buffer.add(Transitions(*state["columns"]))
        self.buffer.added = state["added"]


def dqn(
    online: nn.Module,
    envs: VectorEnv[Any, Any, Any],
    config: DQNConfig,
    generator: torch.Generator,
    run: TrainingRun | None = None,
    store: Store = transitions_of,
) -> list[dict[str, float]]:
    """Train a network in place.

    Args:
        online: maps observations (N, D) to values of actions (N, A).
        envs: environments in NEXT_STEP mode.
        config: how long, how fast, with which target.
        generator: all randomness; advanced.
        run: where to log and to keep checkpoints; one that resumes goes on exactly.
        store: what goes into the buffer; another one to see what a bug does.

    Returns:
        the rows of the log: ``steps`` so far, ``return`` of the last 20 episodes (NaN before there
        is one), ``epsilon``, and the last update's numbers (NaN before there is one).
    """
    run = run or TrainingRun(None, config)
    for _ in train(online, envs, config, generator, run, store):
        pass
    return run.rows


def train(
    online: nn.Module,
    envs: VectorEnv[Any, Any, Any],
    config: DQNConfig,
    generator: torch.Generator,
    run: TrainingRun,
    store: Store = transitions_of,
) -> Iterator[dict[str, float]]:
    """As ``dqn``, row by row, so that a caller can draw or stop; of a run that resumes, the new rows."""
    collector = Collector(envs, draw_seed(generator))
    target, buffer = copy.deepcopy(online), ReplayBuffer(config.capacity)
    optimizer = torch.optim.Adam(online.parameters(), config.learning_rate, fused=True)
    parts: dict[str, Part] = {
        "online": online,
        "target": target,
        "optimizer": optimizer,
        "collector": collector,
        "buffer": BufferState(buffer),
        "generator": generator,
    }
    if (state := run.load()) is not None:
        restore(parts, state)
    nothing = torch.tensor(float("nan"))
    for index in (progress := Progress(rows_ahead(config, envs.num_envs, run), "dqn")):
        metrics = dict.fromkeys(("td_loss", "q_values", "grad_norm"), nothing)
        for now in range(index * config.log_every, (index + 1) * config.log_every):
            policy = explorer(numpy_forward(online), config.epsilon(collector.total_steps))
            rollout = collector.collect(policy, config.steps, generator)
            buffer.add(store(rollout, config.gamma))
            if len(buffer) < config.learning_starts:
                continue
            for update in range(now * config.updates, (now + 1) * config.updates):
                batch = buffer.sample(config.batch_size, generator)
                metrics = dqn_update(online, target, optimizer, batch, config)
                if update % config.target_every == 0:
                    polyak_update(target, online, config.tau)
        recent, epsilon = collector.recent_return(20), config.epsilon(collector.total_steps)
        row = {"return": recent, "epsilon": epsilon, **{k: v.item() for k, v in metrics.items()}}
        run.log(collector.total_steps, **row)
        progress.report(**row)
        if (index + 1) % config.save_every == 0:
            run.save_parts(parts)
        yield run.rows[-1]
    run.save_parts(parts)
    run.close()


def rows_ahead(config: DQNConfig, num_envs: int, run: TrainingRun) -> range:
    """Numbers of the rows of the log that are still to come."""
    steps = num_envs * config.steps * config.log_every
    return range(len(run.rows), config.total_steps // steps)


def main(arguments: list[str] | None = None) -> None:
    """Train on CartPole in a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", help="where to keep log, settings and checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=DQNConfig().total_steps)
    parser.add_argument("--plain", action="store_true", help="DQN instead of Double DQN")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    options = parser.parse_args(arguments)
    config = DQNConfig(total_steps=options.steps, double=not options.plain)
    generator, envs = make_generator(options.seed), make_cartpole(8)
    online = make_q_network(envs, config, generator)
    rows = dqn(online, envs, config, generator, TrainingRun(options.folder, config, options.resume))
    envs.close()
    best = max((row["return"] for row in rows if row["return"] == row["return"]), default=0.0)
    print(f"{len(rows)} rows, best mean return of 20 episodes {best:.0f}")


if __name__ == "__main__":
    main()
