"""Exercise 3.1: one gradient for each trajectory."""

import torch
from torch import Tensor, nn

from autograder.checks.oracles import finite_difference_gradient
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import baselines as probes
from rlcourse.support.rollouts import Rollout


def _loss_of_row(logits: Tensor, rollout: Rollout, weights: Tensor, b: int) -> Tensor:
    """Step by step, for logits (B, T, A)."""
    total = logits.new_zeros(())
    for t in range(rollout.steps):
        if rollout.mask[b, t] == 1:
            log_prob = logits[b, t, rollout.actions[b, t]] - logits[b, t].logsumexp(0)
            total = total - weights[b, t] * log_prob
    return total


def table_oracle(theta: Tensor, rollout: Rollout, weights: Tensor) -> Tensor:
    """Finite differences of each trajectory's loss, entry by entry of the table."""
    rows = []
    for b in range(rollout.batch):

        def loss(moved: Tensor, b: int = b) -> Tensor:
            return _loss_of_row(moved[rollout.states], rollout, weights, b)

        rows.append(finite_difference_gradient(loss, theta).flatten())
    return torch.stack(rows)


def linear_oracle(matrix: Tensor, bias: Tensor, rollout: Rollout, weights: Tensor) -> Tensor:
    """Finite differences of each trajectory's loss, first the matrix, then the bias."""
    rows = []
    for b in range(rollout.batch):
        both = torch.cat([matrix.flatten(), bias])

        def loss(moved: Tensor, b: int = b) -> Tensor:
            weight, offset = moved[: matrix.numel()].reshape(matrix.shape), moved[matrix.numel() :]
            return _loss_of_row(rollout.states @ weight + offset, rollout, weights, b)

        rows.append(finite_difference_gradient(loss, both))
    return torch.stack(rows)


def losses(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    """(B,) the loss of each trajectory; differentiable."""
    logits = policy(rollout.states)
    chosen = logits.log_softmax(-1).gather(-1, rollout.actions.unsqueeze(-1)).squeeze(-1)
    each: Tensor = -(rollout.mask * weights * chosen).sum(dim=1)
    return each


def rows_of(policy: nn.Module, each: Tensor) -> Tensor:
    """(B, P) the gradient of every loss (B,)."""
    parameters = tuple(policy.parameters())
    rows = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in each]
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])


def _right(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    return rows_of(policy, losses(policy, rollout, weights.detach()))


def _backward(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    """Another right way: backward, with the gradients cleared in between."""
    rows = []
    for b in range(rollout.batch):
        policy.zero_grad()
        losses(policy, rollout, weights.detach())[b].backward()
        rows.append(_flat_grad(policy))
    return torch.stack(rows)


def _accumulated(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    rows = []
    for b in range(rollout.batch):
        losses(policy, rollout, weights.detach())[b].backward()
        rows.append(_flat_grad(policy))
    return torch.stack(rows)


def _flat_grad(policy: nn.Module) -> Tensor:
    parts = [p.grad.flatten() for p in policy.parameters() if p.grad is not None]
    return torch.cat(parts).clone()


def _averaged(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    return _right(policy, rollout, weights).mean(dim=0)


def _unmasked(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    everything = Rollout(
        rollout.observations,
        rollout.actions,
        rollout.rewards,
        torch.zeros_like(rollout.terminated),
        torch.zeros_like(rollout.ends),
        torch.ones_like(rollout.mask),
    )
    return _right(policy, everything, weights)


def _mean_over_steps(policy: nn.Module, rollout: Rollout, weights: Tensor) -> Tensor:
    return _right(policy, rollout, weights) / rollout.mask.sum(dim=1, keepdim=True)


def _states(lengths: list[int], states: int, seed: int) -> Rollout:
    """Trajectories through states that have numbers; two actions."""
    batch, steps = len(lengths), max(lengths)
    column, size = torch.arange(steps), torch.tensor(lengths)[:, None]
    return Rollout(
        observations=integers(seed, states, batch, steps + 1),
        actions=integers(seed + 1, 2, batch, steps),
        rewards=normal(seed + 2, batch, steps),
        terminated=column == size - 1,
        ends=column == size - 1,
        mask=(column < size).double(),
    )


def _hand() -> dict[str, object]:
    """One state, two equal actions: the score is ±1/2."""
    single = torch.ones(2, 1, dtype=torch.bool)
    rollout = Rollout(
        observations=torch.zeros(2, 2, dtype=torch.int64),
        actions=torch.tensor([[0], [1]]),
        rewards=torch.zeros(2, 1, dtype=torch.float64),
        terminated=single,
        ends=single,
        mask=torch.ones(2, 1, dtype=torch.float64),
    )
    weights = torch.tensor([[2.0], [6.0]], dtype=torch.float64)
    return {"theta": torch.zeros(1, 2).double(), "rollout": rollout, "weights": weights}


def _table(lengths: list[int], states: int, seed: int) -> dict[str, object]:
    rollout = _states(lengths, states, seed)
    return {
        "theta": normal(seed + 3, states, 2),
        "rollout": rollout,
        "weights": normal(seed + 4, *rollout.mask.shape),
    }


def _linear(lengths: list[int], seed: int) -> dict[str, object]:
    rollout = probes.random_rollout(seed, lengths)
    return {
        "matrix": normal(seed + 3, 2, 3),
        "bias": normal(seed + 4, 3),
        "rollout": rollout,
        "weights": normal(seed + 5, *rollout.mask.shape),
    }


def _single_precision() -> dict[str, object]:
    made = _hand()
    rollout = made["rollout"]
    assert isinstance(rollout, Rollout)
    floats = Rollout(
        rollout.observations,
        rollout.actions,
        rollout.rewards.float(),
        rollout.terminated,
        rollout.ends,
        rollout.mask.float(),
    )
    return {"theta": torch.zeros(1, 2), "rollout": floats, "weights": torch.tensor([[2.0], [6.0]])}


EXERCISE = ExerciseSpec(
    number="3.1",
    title="One gradient a trajectory",
    targets=("gradient_samples",),
    points=3,
    minutes=25,
    difficulty=3,
    section="One gradient a trajectory",
    statement="""
To measure how noisy a gradient is, look at it before it is averaged. For every trajectory of a rollout, compute
the gradient of *its* REINFORCE loss, all parameters of the policy in one flat row. The mean of the rows is what
`loss.backward()` of exercise 2.4 would have left behind; their spread is the subject of this chapter.
""",
    hints=(
        "One loss for each trajectory, one gradient for each loss. Nothing is averaged: neither over "
        "trajectories nor "
        "over steps.",
        "torch.autograd.grad(loss, parameters) returns the gradients and, unlike backward, adds nothing to "
        ".grad. Each "
        "comes in the shape of its parameter: flatten all of them and join them to a row of P numbers.",
        "For b in range(rollout.batch): log-probabilities of rollout.actions[b] from policy(rollout.states[b]) by "
        "log_softmax and gather; loss = minus the sum of mask, detached weights and log-probabilities multiplied; "
        "torch.cat of the flattened gradients. At the end torch.stack the rows.",
    ),
    checks=(
        Case(
            "hand value",
            _hand(),
            "one state and two equal actions, weights 2 and 6: minus the weight times ±1/2",
            probe=probes.gradients_of_a_table,
            expected=torch.tensor([[-1.0, 1.0], [3.0, -3.0]], dtype=torch.float64),
        ),
        Case(
            "trajectories of different length",
            _table([3, 1, 2], 4, 0),
            "three trajectories through four states, against finite differences; what is padding counts nothing",
            probe=probes.gradients_of_a_table,
            oracle=table_oracle,
        ),
        Case(
            "a policy of two parts",
            _linear([2, 3], 10),
            "a linear policy: first its matrix, then its bias, in the order of policy.parameters()",
            probe=probes.gradients_of_two_parts,
            oracle=linear_oracle,
        ),
        Case(
            "weights that depend on the policy",
            _table([2, 2], 3, 20),
            "weights with a gradient of their own: they are constants here",
            probe=probes.gradients_with_weights_of_the_policy,
            oracle=table_oracle,
        ),
        Case(
            "huge logits",
            _hand() | {"theta": torch.tensor([[1e4, -1e4]], dtype=torch.float64)},
            "a policy that is sure of action 0, with logits of ±10,000",
            probe=probes.gradients_of_a_table,
            expected=torch.tensor([[0.0, 0.0], [6.0, -6.0]], dtype=torch.float64),
        ),
        Case(
            "single precision",
            _single_precision(),
            "float32 in, float32 out",
            probe=probes.gradients_of_a_table,
            expected=torch.tensor([[-1.0, 1.0], [3.0, -3.0]]),
        ),
        Law(probes.a_trajectory_alone_has_the_same_row, "rows are independent of each other"),
        Case(
            "other trajectories",
            _table([2, 4, 1, 3], 3, 30),
            "four trajectories through three states",
            probe=probes.gradients_of_a_table,
            oracle=table_oracle,
            hidden=True,
        ),
        Case(
            "another linear policy",
            _linear([1, 4, 2], 40),
            "a matrix and a bias, three trajectories",
            probe=probes.gradients_of_two_parts,
            oracle=linear_oracle,
            hidden=True,
        ),
        Case(
            "other weights of the policy",
            _table([3, 2], 2, 50),
            "weights with a gradient of their own",
            probe=probes.gradients_with_weights_of_the_policy,
            oracle=table_oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "already averaged",
            _averaged,
            "This is one gradient, that of the whole batch. Keep a row for each trajectory: the spread is what "
            "you want.",
        ),
        Mistake(
            "divided by B",
            lambda policy, rollout, weights: _right(policy, rollout, weights) / rollout.batch,
            "Each row is the gradient of one trajectory alone; the mean over trajectories is taken later.",
        ),
        Mistake(
            "accumulated",
            _accumulated,
            "Row b holds the sum of all rows up to b: backward() adds to .grad. Use torch.autograd.grad, or "
            "clear the "
            "gradients in between.",
        ),
        Mistake(
            "wrong sign",
            lambda policy, rollout, weights: -_right(policy, rollout, weights),
            "The rows are gradients of the *loss*, which is minimized.",
        ),
        Mistake(
            "padding counted",
            _unmasked,
            "Steps behind the end of a trajectory were never played: multiply by rollout.mask.",
        ),
        Mistake(
            "mean over steps",
            _mean_over_steps,
            "A mean over its steps makes long trajectories count less. Sum over time.",
        ),
        Mistake(
            "gradient flows into the weights",
            lambda policy, rollout, weights: rows_of(policy, losses(policy, rollout, weights)),
            "Weights are data: detach them, also where they come from the policy itself.",
        ),
    ),
    variants={"one forward pass": _right, "backward and zero_grad": _backward},
)
