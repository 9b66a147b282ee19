"""Exercise 6.2: generalized advantage estimation."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.sequence_oracles import gae_double_sum, gae_mixture
from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import actor_critic as probes

Gae = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]
Delta = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
Decay = Callable[[Tensor, Tensor, float], Tensor]


def _delta(r: Tensor, g: Tensor, v: Tensor, nv: Tensor, ends: Tensor) -> Tensor:
    return r + g * nv - v


def _decay(g: Tensor, ends: Tensor, lam: float) -> Tensor:
    return lam * g * (1.0 - ends)


def walk(delta: Delta = _delta, decay: Decay = _decay, live: bool = False) -> Gae:
    """GAE with its two ingredients to choose; most mistakes get one of them wrong."""

    def gae(
        rewards: Tensor,
        discounts: Tensor,
        values: Tensor,
        next_values: Tensor,
        ends: Tensor,
        lam: float,
    ) -> Tensor:
        ends = ends.to(rewards.dtype)
        errors = delta(rewards, discounts, values, next_values, ends)
        carries = decay(discounts, ends, lam)
        columns = [errors[:, -1]]
        for t in range(rewards.shape[1] - 2, -1, -1):
            columns.insert(0, errors[:, t] + carries[:, t] * columns[0])
        found = torch.stack(columns, dim=1)
        return found if live else found.detach()

    return gae


def _reset_observation(r: Tensor, g: Tensor, v: Tensor, nv: Tensor, ends: Tensor) -> Tensor:
    return r + g * torch.cat([v[:, 1:], nv[:, -1:]], dim=1) - v


def _shifted_ends(g: Tensor, ends: Tensor, lam: float) -> Tensor:
    later = torch.cat([ends[:, 1:], torch.zeros_like(ends[:, :1])], dim=1)
    return lam * g * (1.0 - later)


def _matrix(
    rewards: Tensor,
    discounts: Tensor,
    values: Tensor,
    next_values: Tensor,
    ends: Tensor,
    lam: float,
) -> Tensor:
    """Another right way: solve (I - decay shift) A = delta."""
    with torch.no_grad():
        decays = lam * discounts * (1.0 - ends.to(rewards.dtype))
        shift = torch.diag_embed(decays[:, :-1], offset=1)
        system = torch.eye(rewards.shape[1], dtype=rewards.dtype) - shift
        errors = rewards + discounts * next_values - values
        solved: Tensor = torch.linalg.solve(system.expand(len(rewards), -1, -1), errors)
    return solved


def _sums(
    rewards: Tensor,
    discounts: Tensor,
    values: Tensor,
    next_values: Tensor,
    ends: Tensor,
    lam: float,
) -> Tensor:
    """Another right way: the double sum of the paper."""
    found = gae_double_sum(
        rewards.detach(),
        discounts.detach(),
        values.detach(),
        next_values.detach(),
        ends.detach(),
        lam,
    )
    return found.to(rewards.dtype)


def _plus_values(*args: Tensor) -> Tensor:
    found: Tensor = walk()(*args) + args[2].detach()  # type: ignore[arg-type]
    return found


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _pieces(seed: int, batch: int, steps: int, lam: float) -> dict[str, object]:
    """Rows with terminations and truncations; each next value is one of its own."""
    terminated = normal(seed, batch, steps) > 1.0
    ends = terminated | (normal(seed + 1, batch, steps) > 0.8)
    ends[0, steps // 2] = True
    terminated[0, steps // 2] = False  # at least one truncation with steps behind it
    return {
        "rewards": normal(seed + 2, batch, steps),
        "discounts": 0.9 * (~terminated).double(),
        "values": normal(seed + 3, batch, steps),
        "next_values": normal(seed + 4, batch, steps),
        "ends": ends,
        "lam": lam,
    }


def _unbroken(seed: int, steps: int, lam: float) -> dict[str, object]:
    """Rows in which each next value is the next column of the values, save after an end."""
    pieces = _pieces(seed, 2, steps, lam)
    ends, values, following = (pieces[name] for name in ("ends", "values", "next_values"))
    assert isinstance(ends, Tensor) and isinstance(values, Tensor) and isinstance(following, Tensor)
    inner = ~ends[:, :-1]
    following[:, :-1][inner] = values[:, 1:][inner]
    return pieces | {"ends": ends.double()}


def _as_flags(pieces: dict[str, object]) -> dict[str, object]:
    ends = pieces["ends"]
    assert isinstance(ends, Tensor)
    return pieces | {"ends": ends.double()}


DETACHED = ("rewards", "discounts", "values", "next_values")

EXERCISE = ExerciseSpec(
    number="6.2",
    title="Generalized advantage estimation",
    targets=("gae",),
    points=4,
    minutes=30,
    difficulty=3,
    section="Between one step and all of them",
    statement="""
Sum the TD errors of the steps that follow, each fading by γλ. Two kinds of end do two different things:
a **terminated** step has nothing to bootstrap from (its discount is 0), and after **any** end the sum stops, since the
next column belongs to another trajectory. A step that the clock cut off is bootstrapped from `next_values`, like every
other. The result is data for the losses: no gradient may flow into it.
""",
    hints=(
        "Walk from the last column to the first and carry one number a row: the advantage of the step behind.",
        "A_t = δ_t + γ_t λ (1 − end_t) A_{t+1} with A_T = 0. δ uses discounts (they know about termination); the carry "
        "is cut by ends (termination or truncation). ends may be bool.",
        "errors = …; decays = lam * discounts * (1 − ends as numbers); following = zeros (B,); for t in "
        "reversed(range(T)): following = this error + this decay × following, and store it; detach at the end.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "rewards": _double([[1.0, 0.0, 2.0]]),
                "discounts": _double([[0.5, 0.5, 0.0]]),
                "values": _double([[1.0, 2.0, 4.0]]),
                "next_values": _double([[2.0, 4.0, 9.0]]),
                "ends": _double([[0.0, 0.0, 1.0]]),
                "lam": 0.5,
            },
            "δ = 1, 0, −2; each advantage adds a quarter of the one behind it",
            expected=_double([[0.875, -0.5, -2.0]]),
        ),
        Case(
            "the clock runs out",
            {
                "rewards": _double([[0.0, 0.0, 0.0]]),
                "discounts": _double([[0.5, 0.5, 0.5]]),
                "values": _double([[0.0, 0.0, 8.0]]),
                "next_values": _double([[0.0, 4.0, 20.0]]),
                "ends": _double([[0.0, 1.0, 0.0]]),
                "lam": 1.0,
            },
            "the second step is truncated: worth half of what follows, 4, and the third column is another trajectory",
            expected=_double([[1.0, 2.0, 2.0]]),
        ),
        Case(
            "three rows of pieces",
            _pieces(0, 3, 8, 0.8),
            "terminations and truncations, compared with the double sum of the paper; no gradient in it",
            oracle=gae_double_sum,
            detached=DETACHED,
        ),
        Case(
            "mixture of n-step returns",
            _unbroken(10, 7, 0.6),
            "the same thing as a λ-weighted mean of n-step returns, minus V",
            oracle=gae_mixture,
        ),
        Case(
            "only the TD error",
            _pieces(20, 2, 5, 0.0),
            "λ = 0",
            oracle=gae_double_sum,
        ),
        Law(probes.bool_and_float_flags_agree, "flags of both kinds"),
        Law(
            probes.nothing_leaks_from_the_next_trajectory, "a trajectory knows nothing of the next"
        ),
        Law(
            probes.two_trajectories_in_a_row_are_as_good_as_two_rows,
            "how rows are cut is an accident",
        ),
        Case(
            "single precision",
            {
                "rewards": torch.ones(1, 2),
                "discounts": torch.ones(1, 2),
                "values": torch.zeros(1, 2),
                "next_values": torch.zeros(1, 2),
                "ends": torch.tensor([[False, True]]),
                "lam": 1.0,
            },
            "float32 in, float32 out; bool flags",
            expected=torch.tensor([[2.0, 1.0]]),
        ),
        Case(
            "five rows of pieces",
            _pieces(30, 5, 9, 0.95),
            "other pieces, against the double sum",
            oracle=gae_double_sum,
            detached=DETACHED,
            hidden=True,
        ),
        Case(
            "another mixture",
            _unbroken(40, 9, 0.3),
            "against the mixture of n-step returns",
            oracle=gae_mixture,
            hidden=True,
        ),
        Case(
            "all the way",
            _as_flags(_pieces(50, 2, 6, 1.0)),
            "λ = 1",
            oracle=gae_double_sum,
            hidden=True,
        ),
        Case(
            "one step",
            _pieces(60, 4, 1, 0.9),
            "T = 1",
            oracle=gae_double_sum,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "λ is lost",
            walk(decay=lambda g, ends, lam: g * (1.0 - ends)),
            "Errors that lie k steps ahead count (γλ)^k; here they count γ^k. λ belongs into the carry.",
        ),
        Mistake(
            "γ is missing from the carry",
            walk(decay=lambda g, ends, lam: lam * (1.0 - ends)),
            "The carry fades by γλ, not by λ alone.",
        ),
        Mistake(
            "cut only on termination",
            walk(decay=lambda g, ends, lam: lam * g),
            "After a truncated step the next column belongs to another episode, but its advantage was carried over. "
            "Cut the carry on ends.",
        ),
        Mistake(
            "truncation zeroes the bootstrap",
            walk(delta=lambda r, g, v, nv, ends: r + g * (1.0 - ends) * nv - v),
            "The clock ran out, the world did not end: the step is worth what its true successor is worth. Only the "
            "discounts may close the future in δ.",
        ),
        Mistake(
            "bootstraps from the reset observation",
            walk(delta=_reset_observation),
            "values[:, t + 1] after an end is the first value of the *next* episode. Use next_values.",
        ),
        Mistake(
            "not detached",
            walk(live=True),
            "Advantages are data. A gradient through them lets the actor's loss bend the critic. Detach.",
        ),
        Mistake(
            "advantage plus value",
            _plus_values,
            "That is the critic's target. The advantage is what is left without V.",
        ),
        Mistake(
            "ends read one step late",
            walk(decay=_shifted_ends),
            "ends[:, t] speaks of what comes after step t: it cuts the carry from t + 1 to t.",
        ),
    ),
    variants={"linear system": _matrix, "double sum": _sums, "list of columns": walk()},
)
