"""DQN where the truth is known: worlds that fit in a table, and their exact action values.

No environment is played. Transitions come from the table itself, so what is wrong afterwards is the
fault of the update alone.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from rlcourse.q_learning import ReplayBuffer, polyak_update, q_loss
from rlcourse.recipes.dqn import targets_of
from rlcourse.recipes.dqn_many import QEnsemble, make_q_ensemble
from rlcourse.support.seeding import make_generator
from rlcourse.support.tabular import TabularMDP, random_mdp
from rlcourse.support.transitions import Transitions

Experience = Callable[[int, torch.Generator], Transitions]
"""Draws n transitions."""
Loss = Callable[[QEnsemble, nn.Module, Transitions], Tensor]
"""Online network, target network and a batch to one number, the mean over the batch."""


def optimal_q(mdp: TabularMDP, sweeps: int = 2000) -> Tensor:
    """(S, A) exact action values of acting best, by value iteration."""
    q = torch.zeros_like(mdp.rewards)
    for _ in range(sweeps):
        q = mdp.rewards + mdp.gamma * mdp.continuing @ q.max(dim=1).values
    return q


def nothing_matters(states: int, actions: int, gamma: float) -> TabularMDP:
    """A world that pays 0 whatever one does, so every exact value is 0."""
    mdp = random_mdp(states, actions, gamma, make_generator(0), episodic=False)
    return replace(mdp, rewards=torch.zeros_like(mdp.rewards))


def draw_transitions(
    mdp: TabularMDP, noise: float, n: int, generator: torch.Generator
) -> Transitions:
    """n steps from states and actions drawn evenly; states are shown as one-hot rows.

    Args:
        mdp: the world.
        noise: standard deviation of what is added to each reward.
        n: how many.
        generator: for all draws; advanced.
    """
    alive = (~mdp.terminal).nonzero()[:, 0]
    states = alive[torch.randint(len(alive), (n,), generator=generator)]
    actions = torch.randint(mdp.num_actions, (n,), generator=generator)
    chances = mdp.transitions[states, actions]
    following = chances.multinomial(1, generator=generator)[:, 0]
    rewards = mdp.rewards[states, actions] + noise * torch.randn(n, generator=generator)
    return _shown(mdp, states, actions, rewards, following)


def every_transition(mdp: TabularMDP) -> Experience:
    """All states and actions of a world without chance, once each, in a replay buffer."""
    states, actions = (~mdp.terminal)[:, None].expand_as(mdp.rewards).nonzero().T
    following = mdp.transitions[states, actions].argmax(dim=1)
    buffer = ReplayBuffer(len(states))
    buffer.add(_shown(mdp, states, actions, mdp.rewards[states, actions], following))
    return buffer.sample


def _shown(
    mdp: TabularMDP, states: Tensor, actions: Tensor, rewards: Tensor, following: Tensor
) -> Transitions:
    one_hot = torch.eye(mdp.num_states)
    discounts = mdp.gamma * (~mdp.terminal[following]).float()
    return Transitions(one_hot[states], actions, rewards.float(), discounts, one_hot[following])


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How a network is fitted to a world in a table; the defaults are those of FrozenLake.

    Raises:
        ValueError: if a count is not positive.
    """

    updates: int = 1000
    """Steps of Adam."""
    batch_size: int = 32
    """Transitions of one update, for each network."""
    learning_rate: float = 3e-3
    """Step size of Adam at first."""
    settle: float = 0.4
    """Last part of the updates, in which the step size falls to 0."""
    target_every: int = 50
    """Updates between two copies to the target network."""
    hidden: tuple[int, ...] = (64,)
    """Widths of the hidden layers."""
    report_every: int = 50
    """Updates between two looks at the values."""

    def __post_init__(self) -> None:
        for name in ("updates", "batch_size", "target_every", "report_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def step_size(self, update: int) -> float:
        """Step size of Adam at an update."""
        left = 1.0 - update / self.updates
        return self.learning_rate * (min(left / self.settle, 1.0) if self.settle else 1.0)


def dqn_loss(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    """() the loss of DQN."""
    targets = targets_of(online, target, batch, double=False)
    return q_loss(online(batch.observations), batch.actions, targets)


def double_dqn_loss(online: QEnsemble, target: nn.Module, batch: Transitions) -> Tensor:
    """() the loss of Double DQN."""
    targets = targets_of(online, target, batch, double=True)
    return q_loss(online(batch.observations), batch.actions, targets)


def fit(
    mdp: TabularMDP,
    experience: Experience,
    config: FitConfig,
    seeds: Sequence[int],
    generator: torch.Generator,
    loss: Loss = dqn_loss,
) -> Tensor:
    """Fit K networks side by side.

    Args:
        mdp: the world; gives the sizes only.
        experience: where transitions come from.
        config: how long, how fast.
        seeds: K, of the first weights.
        generator: for all draws; advanced.
        loss: another one to see what a bug does.

    Returns:
        (P, K, S, A) the values that the networks hold after every ``report_every`` updates.
    """
    sizes = (mdp.num_states, *config.hidden, mdp.num_actions)
    online = make_q_ensemble(sizes, seeds)
    target, every_state = copy.deepcopy(online), torch.eye(mdp.num_states).repeat(len(seeds), 1)
    optimizer = torch.optim.Adam(online.parameters(), fused=True)
    seen = []
    for update in range(config.updates):
        optimizer.param_groups[0]["lr"] = config.step_size(update)
        batch = experience(len(seeds) * config.batch_size, generator)
        optimizer.zero_grad()
        (len(seeds) * loss(online, target, batch)).backward()
        optimizer.step()
        if (update + 1) % config.target_every == 0:
            polyak_update(target, online, 1.0)
        if (update + 1) % config.report_every == 0:
            with torch.no_grad():
                seen.append(online(every_state).reshape(len(seeds), mdp.num_states, -1))
    return torch.stack(seen)


def worst_error(mdp: TabularMDP, q: Tensor) -> Tensor:
    """(..., K) largest error of q (..., K, S, A) over all states that can be acted in."""
    alive = ~mdp.terminal
    return (q - optimal_q(mdp))[..., alive, :].abs().amax(dim=(-2, -1))


def overestimation(mdp: TabularMDP, q: Tensor) -> Tensor:
    """(..., K) by how much the best value of a state is too large in q (..., K, S, A), on average."""
    alive = ~mdp.terminal
    best = q.max(dim=-1).values - optimal_q(mdp).max(dim=-1).values
    return best[..., alive].mean(dim=-1)
