"""A Markov decision process that fits in a table."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TabularMDP:
    """``S`` states and ``A`` actions, all probabilities known.

    A terminal state loops to itself and pays nothing, whatever the action, so its value is 0 and
    every row of ``transitions`` sums to 1. No trajectory acts in a terminal state; entering one is
    *termination*.

    Raises:
        ValueError: if sizes disagree, a row is no distribution, or a terminal state pays or can be
            left.
    """

    transitions: Tensor
    """(S, A, S) probability of the next state."""
    rewards: Tensor
    """(S, A) expected reward of an action."""
    start: Tensor
    """(S,) probability of the first state; never a terminal one."""
    terminal: Tensor
    """(S,) bool."""
    gamma: float
    """Discount in [0, 1]."""

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_distribution("each row of transitions", self.transitions)
        _check_distribution("start", self.start)
        _check_terminal(self)
        if not 0.0 <= self.gamma <= 1.0:
            raise ValueError(f"gamma must lie in [0, 1], got {self.gamma}")

    @property
    def num_states(self) -> int:
        """``S``, terminal states included."""
        return self.transitions.shape[0]

    @property
    def num_actions(self) -> int:
        """``A``."""
        return self.transitions.shape[1]

    @property
    def continuing(self) -> Tensor:
        """(S, A, S) probability to be in the next state *and go on*.

        ``transitions`` without the way into terminal states. Rows sum to 1 minus the probability of
        termination.
        """
        return self.transitions * (~self.terminal).to(self.transitions.dtype)

    def with_gamma(self, gamma: float) -> "TabularMDP":
        """The same world with another discount."""
        return replace(self, gamma=gamma)


def policy_from_logits(logits: Tensor) -> Tensor:
    """(S, A) probabilities, from logits (S, A): softmax over the actions."""
    return logits.softmax(dim=-1)


def uniform_policy(mdp: TabularMDP) -> Tensor:
    """(S, A) every action equally probable."""
    return torch.full_like(mdp.rewards, 1.0 / mdp.num_actions)


def _check_shapes(mdp: TabularMDP) -> None:
    shape = tuple(mdp.transitions.shape)
    if len(shape) != 3 or shape[0] != shape[2]:
        raise ValueError(f"transitions must be (S, A, S), got {shape}")
    states, actions, _ = shape
    for name, expected in (
        ("rewards", (states, actions)),
        ("start", (states,)),
        ("terminal", (states,)),
    ):
        actual = tuple(getattr(mdp, name).shape)
        if actual != expected:
            raise ValueError(f"{name} must be {expected} to fit transitions {shape}, got {actual}")
    if mdp.terminal.dtype != torch.bool:
        raise ValueError(f"terminal must be bool, got {mdp.terminal.dtype}")


def _check_distribution(name: str, probabilities: Tensor) -> None:
    sums = probabilities.sum(dim=-1)
    if (probabilities < 0).any() or not torch.allclose(sums, torch.ones_like(sums)):
        raise ValueError(f"{name} must be probabilities that sum to 1")


def _check_terminal(mdp: TabularMDP) -> None:
    stays = torch.diagonal(mdp.transitions, dim1=0, dim2=2).T[mdp.terminal]
    if not torch.equal(stays, torch.ones_like(stays)):
        raise ValueError("a terminal state must loop to itself with probability 1")
    if mdp.rewards[mdp.terminal].any():
        raise ValueError(
            "a terminal state must pay 0: the reward for entering it belongs to the state before"
        )
    if mdp.start[mdp.terminal].any():
        raise ValueError("a trajectory cannot start in a terminal state")
