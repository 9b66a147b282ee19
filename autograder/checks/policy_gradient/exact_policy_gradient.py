"""Exercise 2.6: the policy gradient without sampling."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import policy_gradient as probes
from rlcourse.support.tabular import TabularMDP, bandit, chain, gridworld, random_mdp

Solve = Callable[[Tensor, Tensor], Tensor]


def expected_return(theta: Tensor, mdp: TabularMDP) -> Tensor:
    """J by following the distribution over states step after step, until nothing is left to earn."""
    policy = theta.softmax(dim=1)
    moves = mdp.gamma * torch.einsum("sa,sat->st", policy, mdp.continuing).numpy()
    rewards = (policy * mdp.rewards).sum(dim=1).numpy()
    state, total = mdp.start.numpy(), 0.0
    while state.sum() > 1e-15:
        total += state @ rewards
        state = state @ moves
    return theta.new_tensor(total)


def oracle(theta: Tensor, mdp: TabularMDP) -> Tensor:
    """Central differences of J, entry by entry."""
    step, gradient = 1e-5, torch.zeros_like(theta)
    for index in range(theta.numel()):
        ends = []
        for sign in (step, -step):
            moved = theta.clone()
            moved.reshape(-1)[index] += sign
            ends.append(expected_return(moved, mdp))
        gradient.reshape(-1)[index] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def _backpropagated(theta: Tensor, mdp: TabularMDP) -> Tensor:
    """Another right way: differentiate the linear solve."""
    with torch.enable_grad():
        leaf = theta.detach().clone().requires_grad_()
        policy = leaf.softmax(dim=1)
        moves = torch.einsum("sa,sat->st", policy, mdp.continuing)
        system = torch.eye(len(theta), dtype=theta.dtype) - mdp.gamma * moves
        values = torch.linalg.solve(system, (policy * mdp.rewards).sum(dim=1))
        gradients = torch.autograd.grad(mdp.start @ values, leaf)
    return gradients[0]


def _iterated(theta: Tensor, mdp: TabularMDP) -> Tensor:
    """Another right way: values and visits by sweeps instead of a linear solve."""
    policy = theta.softmax(dim=1)
    moves = mdp.gamma * torch.einsum("sa,sat->st", policy, mdp.continuing)
    rewards = (policy * mdp.rewards).sum(dim=1)
    values, visits = torch.zeros_like(rewards), torch.zeros_like(rewards)
    for _ in range(3000):
        values, visits = rewards + moves @ values, mdp.start + visits @ moves
    q = mdp.rewards + mdp.gamma * mdp.continuing @ values
    return visits[:, None] * policy * (q - values[:, None])


class Parts:
    """The quantities of the theorem, for mistakes to put together wrongly."""

    def __init__(self, theta: Tensor, mdp: TabularMDP, terminal_too: bool = False) -> None:
        self.policy = theta.softmax(dim=1)
        steps = mdp.transitions if terminal_too else mdp.continuing
        moves = torch.einsum("sa,sat->st", self.policy, steps)
        self.eye = torch.eye(len(theta), dtype=theta.dtype)
        self.bellman = self.eye - mdp.gamma * moves
        self.moves, self.mdp = moves, mdp
        self.rewards = (self.policy * mdp.rewards).sum(dim=1)
        self.values = torch.linalg.solve(self.bellman, self.rewards)
        self.q = mdp.rewards + mdp.gamma * steps @ self.values
        self.occupancy = torch.linalg.solve(self.bellman.T, mdp.start)

    def undiscounted(self) -> Tensor:
        visits: Tensor = torch.linalg.solve((self.eye - 0.999999 * self.moves).T, self.mdp.start)
        return visits

    def gradient(self, occupancy: Tensor, advantages: Tensor) -> Tensor:
        return occupancy[:, None] * self.policy * advantages


def _undiscounted(theta: Tensor, mdp: TabularMDP) -> Tensor:
    parts = Parts(theta, mdp)
    return parts.gradient(parts.undiscounted(), parts.q - parts.values[:, None])


def _reward_for_q(theta: Tensor, mdp: TabularMDP) -> Tensor:
    parts = Parts(theta, mdp)
    return parts.gradient(parts.occupancy, mdp.rewards - parts.rewards[:, None])


def _no_value(theta: Tensor, mdp: TabularMDP) -> Tensor:
    parts = Parts(theta, mdp)
    return parts.gradient(parts.occupancy, parts.q)


def _start_only(theta: Tensor, mdp: TabularMDP) -> Tensor:
    parts = Parts(theta, mdp)
    return parts.gradient(mdp.start, parts.q - parts.values[:, None])


def _not_transposed(theta: Tensor, mdp: TabularMDP) -> Tensor:
    parts = Parts(theta, mdp)
    occupancy = torch.linalg.solve(parts.bellman, mdp.start)
    return parts.gradient(occupancy, parts.q - parts.values[:, None])


def _without_policy(theta: Tensor, mdp: TabularMDP) -> Tensor:
    parts = Parts(theta, mdp)
    gradient: Tensor = parts.occupancy[:, None] * (parts.q - parts.values[:, None])
    return gradient


def _goes_on(theta: Tensor, mdp: TabularMDP) -> Tensor:
    parts = Parts(theta, mdp, terminal_too=True)
    return parts.gradient(parts.occupancy, parts.q - parts.values[:, None])


def _random(seed: int, states: int, actions: int, gamma: float) -> dict[str, object]:
    generator = torch.Generator().manual_seed(seed)
    mdp = random_mdp(states, actions, gamma=gamma, generator=generator)
    return {"theta": normal(seed + 1, *mdp.rewards.shape), "mdp": mdp}


def _in(mdp: TabularMDP, seed: int) -> dict[str, object]:
    return {"theta": normal(seed, *mdp.rewards.shape), "mdp": mdp}


EXERCISE = ExerciseSpec(
    number="2.6",
    title="The exact policy gradient",
    targets=("exact_policy_gradient",),
    points=4,
    minutes=35,
    difficulty=4,
    section="The exact gradient",
    statement="""
Where all probabilities are known, nothing has to be sampled: the policy gradient theorem gives $\\nabla J$ from two
linear systems. This is the yardstick that every sampled gradient of this course is held against.
""",
    hints=(
        "Four quantities, one after the other: values V, action values Q, how often each state is visited "
        "(discounted), and then the product of the theorem.",
        "V solves (I − γP)V = r, where P and r are averaged over the policy. The visits solve the *transposed* system "
        "with the start distribution on the right. P must leave out the way into terminal states: mdp.continuing.",
        "policy = policy_from_logits(theta); P = einsum('sa,sat->st', policy, mdp.continuing); two torch.linalg.solve; "
        "Q = mdp.rewards + mdp.gamma * mdp.continuing @ V; return visits[:, None] * policy * (Q − V[:, None]).",
    ),
    checks=(
        Case(
            "a bandit by hand",
            _in(bandit(torch.tensor([1.0, 3.0], dtype=torch.float64)), 0)
            | {"theta": torch.zeros(2, 2, dtype=torch.float64)},
            "two equal arms that pay 1 and 3: the gradient is π(r − mean r)",
            expected=torch.tensor([[-0.5, 0.5], [0.0, 0.0]], dtype=torch.float64),
        ),
        Case(
            "a random world",
            _random(1, 4, 3, 0.9),
            "four states, three actions, γ = 0.9, compared with finite differences of J",
            oracle=oracle,
        ),
        Case(
            "a chain without discount",
            _in(chain(3, gamma=1.0, slip=0.2), 3),
            "γ = 1: everything is finite because the chain terminates",
            oracle=oracle,
        ),
        Law(probes.the_exact_gradient_sums_to_zero_over_actions, "softmax only moves probability"),
        Case(
            "a gridworld",
            _in(gridworld(("S.", ".G"), step_reward=-0.1, gamma=0.8), 4),
            "a grid of four cells with a cost for each step",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "another random world",
            _random(5, 5, 2, 0.7),
            "five states, two actions, γ = 0.7",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "a longer chain",
            _in(chain(5, gamma=1.0, slip=0.1), 6),
            "five states in a row, no discount",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "visits are not discounted",
            _undiscounted,
            "J discounts what comes later, so a state reached at step t counts γ^t. The system for the visits has the "
            "same γ as the one for V.",
        ),
        Mistake(
            "the reward stands in for Q",
            _reward_for_q,
            "An action is also worth what it leads to: Q = r + γ P V.",
        ),
        Mistake(
            "V is not subtracted",
            _no_value,
            "The derivative of a softmax moves probability between actions; what counts is Q relative to V.",
        ),
        Mistake(
            "only the start states",
            _start_only,
            "θ acts in every state that is visited, not only in the first: use the discounted visits.",
        ),
        Mistake(
            "visits from the untransposed system",
            _not_transposed,
            "Values look forward, visits flow backward: solve with the transpose.",
        ),
        Mistake(
            "π is missing",
            _without_policy,
            "An action that is never chosen gets no gradient: multiply by π(a|s).",
        ),
        Mistake(
            "terminal states go on",
            _goes_on,
            "With γ = 1 a terminal state that loops to itself is visited for ever. Use mdp.continuing.",
        ),
    ),
    variants={"autograd through the solve": _backpropagated, "sweeps": _iterated},
)
