"""Everything about worlds that fit in a table: the MDP, ready-made ones, and a way to play them."""

from rlcourse.support.mdp import TabularMDP, policy_from_logits, uniform_policy
from rlcourse.support.tabular_env import TabularEnv
from rlcourse.support.tabular_worlds import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    bandit,
    chain,
    cliff_walking,
    from_gymnasium,
    gridworld,
    random_mdp,
    random_walk,
)

__all__ = [
    "DOWN",
    "LEFT",
    "RIGHT",
    "UP",
    "TabularEnv",
    "TabularMDP",
    "bandit",
    "chain",
    "cliff_walking",
    "from_gymnasium",
    "gridworld",
    "policy_from_logits",
    "random_mdp",
    "random_walk",
    "uniform_policy",
]
