# Generated from the authors' solutions/q_learning.py by `make generate`.
# Students: fill in the holes; keep the names and the signatures.
# ruff: noqa: F401, F841 (what the holes need is there already)
r"""Chapter 5: DQN and Double DQN.

Shapes: N transitions, A actions. ``discounts`` is gamma, or 0 where the episode terminated. Values of actions are
written q; ``next_q`` are those of the true next observation.
"""

import torch
from torch import Tensor, nn

from rlcourse.support.transitions import Transitions


def empty_column(like: Tensor, capacity: int) -> Tensor:
    """(capacity, ...) zeros, for rows of the same size and type as those of ``like`` (N, ...)."""
    return like.new_zeros((capacity, *like.shape[1:]))


class ReplayBuffer:
    """The latest transitions, to learn from in any order and more than once (Lin, 1992; Mnih et al., 2015).

    A ring: when it is full, the newest row takes the place of the oldest. ``storage`` holds one tensor of ``capacity``
    rows for each column; it is made when the first transitions come.

    Args:
        capacity: rows it can hold, at least 1.

    Raises:
        ValueError: if it could hold nothing.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self.storage: Transitions | None = None
        self.added = 0
        """Rows that ever came in, those overwritten since included."""

    def __len__(self) -> int:
        """Rows that can be sampled."""
        return min(self.added, self.capacity)

    def add(self, transitions: Transitions) -> None:
        """Write new rows behind the last ones; from the last row of the ring on to the first.

        Args:
            transitions: at most ``capacity`` rows. They are copied: what is later done to these tensors changes
                nothing here.
        """
        if self.storage is None:
            self.storage = Transitions(*(empty_column(x, self.capacity) for x in transitions))
        # Exercise 5.1: your code here (4 lines in our solution).
        raise NotImplementedError("Exercise 5.1: write add")

    def sample(self, n: int, generator: torch.Generator) -> Transitions:
        """Draw rows, each time every row that has been written with the same probability.

        Args:
            n: how many; the same row may come twice.
            generator: the only source of randomness; advanced.

        Returns:
            n transitions whose five entries belong together.

        Raises:
            ValueError: if nothing has been added yet.
        """
        if self.storage is None:
            raise ValueError("nothing to sample: add transitions first")
        # Exercise 5.1: your code here (2 lines in our solution).
        raise NotImplementedError("Exercise 5.1: write sample")


def q_target(rewards: Tensor, discounts: Tensor, next_q: Tensor) -> Tensor:
    r"""What the action values are moved towards in Q-learning.

    .. math:: y_i = r_i + \gamma_i \max_a Q(s'_i, a)

    (Watkins and Dayan, 1992; Mnih et al., 2015, eq. 1.)

    Args:
        rewards: (N) received after each action.
        discounts: (N) discount after each action; 0 where the episode terminated.
        next_q: (N, A) values of all actions at the true next observation.

    Returns:
        (N) the targets, as constants: no gradient flows into them.
    """
    # Exercise 5.2: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 5.2: write q_target")


def double_q_target(
    rewards: Tensor, discounts: Tensor, next_q_online: Tensor, next_q_target: Tensor
) -> Tensor:
    r"""The target of Double DQN: one network chooses the action, the other one judges it.

    .. math:: y_i = r_i + \gamma_i\, Q_{\theta^-}\bigl(s'_i, \operatorname{argmax}_a Q_\theta(s'_i, a)\bigr)

    (van Hasselt, Guez and Silver, 2016, eq. 4.)

    Args:
        rewards: (N) received after each action.
        discounts: (N) discount after each action; 0 where the episode terminated.
        next_q_online: (N, A) the network being trained, at the true next observation.
        next_q_target: (N, A) the target network, at the same observation.

    Returns:
        (N) the targets, as constants: no gradient flows into them.
    """
    # Exercise 5.3: your code here (3 lines in our solution).
    raise NotImplementedError("Exercise 5.3: write double_q_target")


def q_loss(q: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
    r"""Mean Huber loss of the values of the actions that were taken.

    .. math:: L(\theta) = \frac1N \sum_i h\bigl(Q_\theta(s_i, a_i) - \operatorname{sg}(y_i)\bigr),
              \qquad h(x) = \begin{cases} \frac12 x^2 & |x| \le 1 \\ |x| - \frac12 & |x| > 1 \end{cases}

    (Huber, 1964; Mnih et al., 2015, who clip the error in the gradient, which is the same.)

    Args:
        q: (N, A) values of all actions at the observations.
        actions: (N) int64, the ones taken.
        targets: (N) constants here, whatever they were made from.

    Returns:
        () the mean; every transition has the same weight.
    """
    # Exercise 5.4: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 5.4: write q_loss")


def polyak_update(target: nn.Module, online: nn.Module, tau: float) -> None:
    r"""Let the target network follow the one being trained, a small step at a time.

    .. math:: \theta^- \leftarrow \tau\,\theta + (1 - \tau)\,\theta^-

    (Lillicrap et al., 2016, algorithm 1; with :math:`\tau = 1` the copy of Mnih et al., 2015.)

    Buffers, such as the running statistics of a normalization or a counter, are no parameters: they are copied as
    they are. The two networks share no memory, before and after.

    Args:
        target: changed in place.
        online: of the same structure; left as it is.
        tau: in [0, 1], the share of the new.

    Raises:
        ValueError: if one network has more parameters or more buffers than the other.
    """
    # Exercise 5.5: your code here (5 lines in our solution).
    raise NotImplementedError("Exercise 5.5: write polyak_update")


def linear_schedule(step: int, start: float, end: float, duration: int) -> float:
    r"""A number that goes from ``start`` to ``end`` in a straight line and then stays there.

    .. math:: \text{start} + \min\Bigl(\frac{\text{step}}{\text{duration}}, 1\Bigr)\,(\text{end} - \text{start})

    (Mnih et al., 2015, methods: how :math:`\varepsilon` falls.)

    Args:
        step: steps taken so far, at least 0.
        start: value at step 0.
        end: value from step ``duration`` on; may be larger or smaller than ``start``.
        duration: steps on the way, at least 1.

    Returns:
        the value at this step.
    """
    # Exercise 5.6: your code here (2 lines in our solution).
    raise NotImplementedError("Exercise 5.6: write linear_schedule")
