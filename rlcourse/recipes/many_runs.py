"""Many independent runs at once: how this course affords ten seeds and more for every curve.

Policies that share no parameter are stacked along a first axis ``R`` and stepped together, each in
its own copies of the environment. Twenty runs then take about as long as two.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor, nn

from rlcourse.support.collector import sample_actions
from rlcourse.support.networks import PolicyNetwork
from rlcourse.support.rollouts import Rollout
from rlcourse.support.seeding import draw_seed, numpy_generator


class PolicyEnsemble(nn.Module):
    """``R`` policy networks in one module. Rows of a batch belong to the members in turn.

    Row b of B goes to member b // (B / R). A loss that sums over rows gives each member the
    gradient that it would have alone, and Adam treats every number by itself, so training them
    together is the same as one after the other.

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
        """(B, ..., A) logits of observations (B, ..., D)."""
        x = observations.reshape(self.size, -1, observations.shape[-1])
        last = len(self.weights) - 1
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            x = x if depth == last else x.tanh()
        return x.reshape(*observations.shape[:-1], -1)

    def numpy_forward(self) -> Callable[[NDArray[Any]], NDArray[Any]]:
        """A copy that maps (B, D) to (B, A) in NumPy, to act with; updates do not reach it."""
        weights = [weight.detach().numpy().copy() for weight in self.weights]
        biases = [bias.detach().numpy().copy() for bias in self.biases]

        def forward(observations: NDArray[Any]) -> NDArray[Any]:
            x = observations.reshape(self.size, -1, observations.shape[-1])
            for depth, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                x = x @ weight + bias
                x = x if depth == len(weights) - 1 else np.tanh(x)
            return x.reshape(len(observations), -1)

        return forward


def make_ensemble(
    observation_size: int, num_actions: int, hidden: Sequence[int], seeds: Sequence[int]
) -> PolicyEnsemble:
    """An ensemble whose r-th member has the weights that ``seeds[r]`` gives."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    sizes = (observation_size, num_actions)
    return PolicyEnsemble([PolicyNetwork(*sizes, generator, hidden) for generator in generators])


def play_each_once(
    envs: VectorEnv[Any, Any, Any], ensemble: PolicyEnsemble, generator: torch.Generator
) -> Rollout:
    """One whole episode in each environment.

    Args:
        envs: B environments in NEXT_STEP mode, a multiple of the number of members.
        ensemble: the policies; row b of the rollout is played by member b // (B / R).
        generator: decides starts and actions; advanced.

    Returns:
        a rollout of B rows; behind its end a row holds what the environment did next, masked.
    """
    policy, rng = ensemble.numpy_forward(), numpy_generator(generator)
    running = np.ones(envs.num_envs, dtype=bool)
    observations = [np.array(envs.reset(seed=draw_seed(generator))[0], dtype=np.float32)]
    steps = []
    while running.any():
        actions = sample_actions(policy(observations[-1]), rng)
        seen, rewards, terminated, truncated, _ = envs.step(actions)
        observations.append(np.array(seen, dtype=np.float32))
        ends = running & (terminated | truncated)
        steps.append((actions, rewards * running, running & terminated, ends, running))
        running = running & ~ends
    columns = [torch.from_numpy(np.stack(column, axis=1)) for column in zip(*steps, strict=True)]
    return Rollout(
        observations=torch.from_numpy(np.stack(observations, axis=1)),
        actions=columns[0],
        rewards=columns[1].float(),
        terminated=columns[2],
        ends=columns[3],
        mask=columns[4].float(),
    )
