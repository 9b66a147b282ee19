"""Small networks: policy, value, and both; and a NumPy copy that acts fast."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

HIDDEN_GAIN = math.sqrt(2.0)
"""Scale of the orthogonal weights in front of an activation (Engstrom et al., 2020)."""


def mlp(
    sizes: Sequence[int],
    generator: torch.Generator,
    *,
    activation: type[nn.Module] = nn.Tanh,
    output_gain: float = 1.0,
) -> nn.Sequential:
    """Linear layers with an activation between, orthogonal weights and zero biases.

    Args:
        sizes: width of the input, of each hidden layer, and of the output.
        generator: decides the weights; advanced.
        activation: the module between two layers.
        output_gain: scale of the last layer's weights; small for a policy that starts undecided.

    Raises:
        ValueError: if there are fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ValueError(f"a network needs the widths of input and output at least, got {sizes}")
    layers: list[nn.Module] = []
    for index, (width_in, width_out) in enumerate(pairwise(sizes)):
        last = index == len(sizes) - 2
        gain = output_gain if last else HIDDEN_GAIN
        layers.append(_linear(width_in, width_out, gain, generator))
        if not last:
            layers.append(activation())
    return Layers(*layers)


class Layers(nn.Sequential):
    """Layers that are small: a module's call looks for hooks first, which takes as long as a layer.

    Hooks of the single layers are passed over.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., A), one layer after the other."""
        for layer in self._modules.values():
            x = layer.forward(x)
        return x


def numpy_forward(network: nn.Module) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Copy a network into a NumPy function from (B, D) to (B, A); later updates do not reach it.

    Args:
        network: an ``mlp`` with Tanh or ReLU, a ``PolicyNetwork``, or an ``ActorCritic``
            (its actor acts).

    Raises:
        TypeError: if it contains another kind of layer.
    """
    steps = [_numpy_layer(layer) for layer in _layers(network)]

    def forward(x: NDArray[Any]) -> NDArray[np.float32]:
        for step in steps:
            x = step(x)
        return x

    return forward


class PolicyNetwork(nn.Module):
    """Logits of the actions.

    Args:
        observation_size: D.
        num_actions: A.
        generator: decides the weights; advanced.
        hidden: widths of the hidden layers.
    """

    def __init__(
        self,
        observation_size: int,
        num_actions: int,
        generator: torch.Generator,
        hidden: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__()
        sizes = (observation_size, *hidden, num_actions)
        self.logits_network = mlp(sizes, generator, output_gain=0.01)

    def forward(self, observations: Tensor) -> Tensor:
        """(..., A) logits of observations (..., D)."""
        logits: Tensor = self.logits_network(observations)
        return logits


class ValueNetwork(nn.Module):
    """Value of an observation.

    Args:
        observation_size: D.
        generator: decides the weights; advanced.
        hidden: widths of the hidden layers.
    """

    def __init__(
        self, observation_size: int, generator: torch.Generator, hidden: Sequence[int] = (64, 64)
    ) -> None:
        super().__init__()
        self.value_network = mlp((observation_size, *hidden, 1), generator)

    def forward(self, observations: Tensor) -> Tensor:
        """(...) values of observations (..., D)."""
        values: Tensor = self.value_network(observations)
        return values.squeeze(-1)


class ActorCritic(nn.Module):
    """A policy and a value function that share no weight.

    Args:
        observation_size: D.
        num_actions: A.
        generator: decides the weights; advanced.
        hidden: widths of the hidden layers of both.
    """

    def __init__(
        self,
        observation_size: int,
        num_actions: int,
        generator: torch.Generator,
        hidden: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__()
        self.actor = PolicyNetwork(observation_size, num_actions, generator, hidden)
        self.critic = ValueNetwork(observation_size, generator, hidden)

    def logits(self, observations: Tensor) -> Tensor:
        """(..., A) logits of observations (..., D)."""
        logits: Tensor = self.actor.forward(observations)
        return logits

    def values(self, observations: Tensor) -> Tensor:
        """(...) values of observations (..., D)."""
        values: Tensor = self.critic.forward(observations)
        return values


def _linear(width_in: int, width_out: int, gain: float, generator: torch.Generator) -> nn.Linear:
    """A layer made without touching the global generator."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, width_in, width_out)
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def _layers(network: nn.Module) -> list[nn.Module]:
    """The layers of a network in the order in which they are applied."""
    if isinstance(network, ActorCritic):
        network = network.actor
    if isinstance(network, PolicyNetwork):
        network = network.logits_network
    if isinstance(network, nn.Sequential):
        return [inner for layer in network for inner in _layers(layer)]
    return [network]


def _numpy_layer(layer: nn.Module) -> Callable[[NDArray[Any]], NDArray[Any]]:
    if isinstance(layer, nn.Tanh):
        return np.tanh
    if isinstance(layer, nn.ReLU):
        return lambda x: np.maximum(x, 0)
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"numpy_forward knows Linear, Tanh and ReLU, not {type(layer).__name__}")
    weight = layer.weight.detach().cpu().numpy().T.copy()
    bias = layer.bias.detach().cpu().numpy().copy()
    return lambda x: x @ weight + bias
