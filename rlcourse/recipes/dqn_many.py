"""Many independent runs of DQN at once: how the page affords several seeds for every curve.

Networks that share no parameter are stacked along a first axis ``K`` and trained together; each
has environments and a replay buffer of its own. One member is the same as one run of ``dqn``.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor, nn

from rlcourse.q_learning import ReplayBuffer, polyak_update, q_loss
from rlcourse.recipes.dqn import explorer, targets_of, transitions_of
from rlcourse.recipes.dqn_config import DQNConfig
from rlcourse.support.collector import Collector
from rlcourse.support.networks import mlp
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import draw_seed, make_generator
from rlcourse.support.transitions import Transitions


class QEnsemble(nn.Module):
    """``K`` networks with ReLU in one module. Rows of a batch belong to the members in turn.

    Row n of N goes to member n // (N / K), so the module maps (N, D) to (N, A) as a single network
    does, and all functions of the chapter fit.

    Args:
        members: networks of the same shape, each with parameters of its own.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        layers = [[m for m in member.modules() if isinstance(m, nn.Linear)] for member in members]
        by_depth = list(zip(*layers, strict=True))
        self.size = len(members)
        self.weights = nn.ParameterList(
            torch.stack([layer.weight.detach().T for layer in depth]) for depth in by_depth
        )
        self.biases = nn.ParameterList(
            torch.stack([layer.bias.detach()[None] for layer in depth]) for depth in by_depth
        )

    def forward(self, observations: Tensor) -> Tensor:
        """(N, A) values of observations (N, D)."""
        x = observations.reshape(self.size, -1, observations.shape[-1])
        last = len(self.weights) - 1
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            x = x if depth == last else x.relu()
        return x.reshape(len(observations), -1)

    def numpy_forward(self) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
        """A copy that acts in NumPy; updates do not reach it."""
        weights = [weight.detach().numpy().copy() for weight in self.weights]
        biases = [bias.detach().numpy().copy() for bias in self.biases]

        def forward(observations: NDArray[Any]) -> NDArray[np.float32]:
            x = observations.reshape(self.size, -1, observations.shape[-1])
            for depth, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                x = x @ weight + bias
                x = x if depth == len(weights) - 1 else np.maximum(x, 0)
            return x.reshape(len(observations), -1)

        return forward

    def shorten_gradients(self, max_norm: float) -> None:
        """Shorten the gradient of each member by itself."""
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        norms = torch.cat([g.flatten(1) for g in gradients], dim=1).norm(dim=1)
        scale = (max_norm / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale[:, None, None])


def make_q_ensemble(sizes: Sequence[int], seeds: Sequence[int]) -> QEnsemble:
    """An ensemble whose k-th member has the weights that ``seeds[k]`` gives."""
    return QEnsemble([mlp(sizes, make_generator(seed), activation=nn.ReLU) for seed in seeds])


def ensemble_update(
    online: QEnsemble,
    target: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Transitions,
    config: DQNConfig,
) -> None:
    """One step of the optimizer for every member, each with its own part of the batch."""
    targets = targets_of(online, target, batch, config.double)
    loss = online.size * q_loss(online(batch.observations), batch.actions, targets)
    optimizer.zero_grad()
    loss.backward()
    online.shorten_gradients(config.max_grad_norm)
    optimizer.step()


class Ledger:
    """Returns of the episodes of each member, and their recent means over time.

    Args:
        members: K.
        copies: environments of each.
    """

    def __init__(self, members: int, copies: int) -> None:
        self.copies = copies
        self.open = torch.zeros(members * copies)
        self.closed: list[list[float]] = [[] for _ in range(members)]

    def read(self, rollout: Rollout) -> None:
        """Add the rewards column by column, and close the episodes that ended."""
        for rewards, ends in zip(rollout.rewards.T, rollout.ends.T, strict=True):
            self.open += rewards
            for row in ends.nonzero()[:, 0].tolist():
                self.closed[row // self.copies].append(float(self.open[row]))
                self.open[row] = 0.0

    def recent(self, episodes: int = 20) -> Tensor:
        """(K,) mean return of the last episodes of each member; NaN before the first one."""
        last = [torch.tensor(returns[-episodes:]) for returns in self.closed]
        return torch.stack([returns.mean() for returns in last])


class Learners:
    """K networks with their target networks and buffers, and one optimizer for all.

    Args:
        sizes: widths of input, hidden layers and output.
        config: the same for all.
        seeds: K, of the first weights.
    """

    def __init__(self, sizes: Sequence[int], config: DQNConfig, seeds: Sequence[int]) -> None:
        self.config, self.online = config, make_q_ensemble(sizes, seeds)
        self.target = copy.deepcopy(self.online)
        self.buffers = [ReplayBuffer(config.capacity) for _ in seeds]
        parameters = self.online.parameters()
        self.optimizer = torch.optim.Adam(parameters, config.learning_rate, fused=True)

    def store(self, rollout: Rollout) -> None:
        """Give each member the steps of its own environments."""
        copies = rollout.batch // len(self.buffers)
        parts = split_rows(rollout, self.config.gamma, copies)
        for buffer, rows in zip(self.buffers, parts, strict=True):
            buffer.add(rows)

    def learn(self, now: int, generator: torch.Generator) -> Tensor:
        """One round of updates; (K) the mean best value over each member's last batch."""
        config = self.config
        for update in range(now * config.updates, (now + 1) * config.updates):
            batch = sample_each(self.buffers, config.batch_size, generator)
            ensemble_update(self.online, self.target, self.optimizer, batch, config)
            if update % config.target_every == 0:
                polyak_update(self.target, self.online, config.tau)
        with torch.no_grad():
            best: Tensor = self.online(batch.observations).max(dim=1).values
        return best.reshape(len(self.buffers), -1).mean(dim=1)


def dqn_many(
    envs: VectorEnv[Any, Any, Any],
    config: DQNConfig,
    seeds: Sequence[int],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Train K networks side by side.

    Args:
        envs: environments in NEXT_STEP mode, as many for each member.
        config: the same for all members.
        seeds: K, of the first weights.
        generator: all other randomness; advanced.

    Returns:
        (P,) steps of each member's environments at each row of the log; (K, P) the mean return of
        its last 20 episodes; (K, P) the mean over its latest batch of what it holds for the best
        value.
    """
    width, actions = envs.single_observation_space.shape, envs.single_action_space
    if not width or not isinstance(actions, spaces.Discrete):
        raise ValueError("dqn needs observations that are rows of numbers, and discrete actions")
    members = Learners((width[0], *config.hidden, int(actions.n)), config, seeds)
    copies = envs.num_envs // len(seeds)
    collector, ledger = Collector(envs, draw_seed(generator)), Ledger(len(seeds), copies)
    table = []
    for now in range(config.total_steps // (copies * config.steps)):
        epsilon = config.epsilon(collector.total_steps // len(seeds))
        policy = explorer(members.online.numpy_forward(), epsilon)
        rollout = collector.collect(policy, config.steps, generator)
        ledger.read(rollout)
        members.store(rollout)
        if min(map(len, members.buffers)) >= config.learning_starts:
            values = members.learn(now, generator)
            if (now + 1) % config.log_every == 0:
                table.append(((now + 1) * copies * config.steps, ledger.recent(), values))
    steps, returns, held = zip(*table, strict=True)
    return torch.tensor(steps), torch.stack(returns, dim=1), torch.stack(held, dim=1)


def sample_each(buffers: Sequence[ReplayBuffer], n: int, generator: torch.Generator) -> Transitions:
    """(K n, ...) n rows of each buffer, one buffer after the other."""
    batches = [buffer.sample(n, generator) for buffer in buffers]
    return Transitions(*(torch.cat(columns) for columns in zip(*batches, strict=True)))


def split_rows(rollout: Rollout, gamma: float, copies: int) -> list[Transitions]:
    """The steps that count of each member, whose environments are neighbours in the batch."""
    member = torch.arange(rollout.batch)[:, None].expand(-1, rollout.steps) // copies
    members = rollout.batch // copies
    sizes = rollout.counted(member).bincount(minlength=members).tolist()
    columns = [column.split(sizes) for column in transitions_of(rollout, gamma)]
    return [Transitions(*parts) for parts in zip(*columns, strict=True)]
