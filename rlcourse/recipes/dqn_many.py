"""Many independent runs of DQN at once: how the page affords several seeds for every curve.

Networks that share no parameter are stacked along a first axis ``K`` and trained together; each
has environments and a replay buffer of its own. One member is the same as one run of ``dqn``.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
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
        squares = torch.stack([g.square().sum(dim=(1, 2)) for g in gradients])
        scale = (max_norm / (squares.sum(dim=0).sqrt() + 1e-6)).clamp(max=1.0)
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
        """Add the rewards of one column, and close the episodes that ended with it."""
        self.open += rollout.rewards[:, 0]
        for row in rollout.ends[:, 0].nonzero()[:, 0].tolist():
            self.closed[row // self.copies].append(float(self.open[row]))
            self.open[row] = 0.0

    def recent(self, episodes: int = 20) -> Tensor:
        """(K,) mean return of the last episodes of each member; NaN before the first one."""
        last = [torch.tensor(returns[-episodes:]) for returns in self.closed]
        return torch.stack([returns.mean() for returns in last])


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
    copies, actions = envs.num_envs // len(seeds), int(envs.single_action_space.n)  # type: ignore[attr-defined]
    sizes = (*envs.single_observation_space.shape, *config.hidden, actions)  # type: ignore[misc]
    online = make_q_ensemble(sizes, seeds)
    collector, ledger = Collector(envs, draw_seed(generator)), Ledger(len(seeds), copies)
    target, buffers = copy.deepcopy(online), [ReplayBuffer(config.capacity) for _ in seeds]
    optimizer = torch.optim.Adam(online.parameters(), config.learning_rate, fused=True)
    table = []
    for now in range(config.total_steps // copies):
        policy = explorer(online.numpy_forward(), config.epsilon(now * copies))
        rollout = collector.collect(policy, 1, generator)
        ledger.read(rollout)
        for buffer, rows in zip(buffers, parts_of(rollout, len(seeds)), strict=True):
            buffer.add(transitions_of(rows, config.gamma))
        if min(map(len, buffers)) >= config.learning_starts:
            for update in range(now * config.updates, (now + 1) * config.updates):
                batch = sample_each(buffers, config.batch_size, generator)
                ensemble_update(online, target, optimizer, batch, config)
                if update % config.target_every == 0:
                    polyak_update(target, online, config.tau)
            if (now + 1) % config.log_every == 0:
                with torch.no_grad():
                    best = online(batch.observations).max(dim=1).values
                table.append(
                    ((now + 1) * copies, ledger.recent(), best.reshape(len(seeds), -1).mean(1))
                )
    steps, returns, values = zip(*table, strict=True)
    return torch.tensor(steps), torch.stack(returns, dim=1), torch.stack(values, dim=1)


def sample_each(buffers: Sequence[ReplayBuffer], n: int, generator: torch.Generator) -> Transitions:
    """(K n, ...) n rows of each buffer, one buffer after the other."""
    batches = [buffer.sample(n, generator) for buffer in buffers]
    return Transitions(*(torch.cat(columns) for columns in zip(*batches, strict=True)))


def parts_of(rollout: Rollout, parts: int) -> list[Rollout]:
    """The rows of each member."""
    names = ("observations", "actions", "rewards", "terminated", "ends", "mask")
    pieces = [getattr(rollout, name).chunk(parts) for name in names]
    return [Rollout(*piece) for piece in zip(*pieces, strict=True)]
