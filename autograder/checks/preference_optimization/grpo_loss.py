"""Exercise 13.2: one advantage a response, and three ways to average."""

import math
from typing import Any

import torch
from torch import Tensor

from autograder.checks.sequence_oracles import clipped_term
from autograder.checks.spec import Case, ExerciseSpec, Function, Law, Mistake
from rlcourse.checks.probes import preference_optimization as probes

WAYS = probes.AGGREGATIONS


def _terms(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> list[list[tuple[float, float]]]:
    """Objective and its derivative by the log-probability, for each token that counts, row by row."""
    rows = []
    for b in range(len(mask)):
        row = []
        for t in range(mask.shape[1]):
            if mask[b, t]:
                ratio = math.exp(float(log_probs[b, t]) - float(old_log_probs[b, t]))
                term, slope = clipped_term(ratio, float(advantages[b]), clip_eps)
                row.append((term, slope * ratio))
        rows.append(row)
    return rows


def _weights(mask: Tensor, aggregation: str, max_tokens: int) -> list[float]:
    """What each token of a row counts."""
    lengths = [int((row > 0).sum()) for row in mask]
    if aggregation == "sequence":
        return [1 / (len(mask) * max(n, 1)) for n in lengths]
    total = max(sum(lengths), 1) if aggregation == "token" else len(mask) * max_tokens
    return [1 / total] * len(mask)


def oracle(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip_eps: float,
    aggregation: str,
    max_tokens: int,
) -> Tensor:
    """Token by token, by the four cases of the clip."""
    rows = _terms(log_probs, old_log_probs, advantages, mask, clip_eps)
    weights = _weights(mask, aggregation, max_tokens)
    parts = [-w * term for row, w in zip(rows, weights, strict=True) for term, _ in row]
    return torch.tensor(math.fsum(parts), dtype=log_probs.dtype)


def oracle_at_home(inputs: dict[str, Any], aggregation: str, max_tokens: int) -> dict[str, Tensor]:
    """With ratios of 1, each token's gradient is minus its advantage times its weight."""
    weights = torch.tensor(_weights(inputs["mask"], aggregation, max_tokens), dtype=torch.float64)
    gradient = -(inputs["advantages"] * weights)[:, None] * inputs["mask"]
    return {"loss": gradient.sum(), "gradient": gradient}


def _gains(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    return torch.stack(
        [
            torch.minimum(rho * a, rho.clamp(1 - clip_eps, 1 + clip_eps) * a).where(row > 0, 0.0)
            for rho, a, row in zip(
                (log_probs - old_log_probs.detach()).masked_fill(mask == 0, 0.0).exp(),
                advantages.detach(),
                mask,
                strict=True,
            )
        ]
    )


def _total(gains: Tensor, mask: Tensor, aggregation: str, max_tokens: int) -> Tensor:
    if aggregation not in WAYS:
        raise ValueError("there is no such aggregation")
    weights = torch.tensor(_weights(mask, aggregation, max_tokens), dtype=gains.dtype)
    return -(gains.sum(dim=1) * weights).sum()


def _with(gains: Function) -> Function:
    """The loss of objectives that are wrong."""

    def grpo_loss(
        log_probs: Tensor,
        old_log_probs: Tensor,
        advantages: Tensor,
        mask: Tensor,
        clip_eps: float,
        aggregation: str,
        max_tokens: int,
    ) -> Tensor:
        found = gains(log_probs, old_log_probs, advantages, mask, clip_eps)
        return _total(found, mask, aggregation, max_tokens)

    return grpo_loss


_right = _with(_gains)


def _but(aggregation: str, total: Function) -> Function:
    """The loss with one aggregation that is wrong."""

    def grpo_loss(
        log_probs: Tensor,
        old_log_probs: Tensor,
        advantages: Tensor,
        mask: Tensor,
        clip_eps: float,
        way: str,
        max_tokens: int,
    ) -> Tensor:
        gains = _gains(log_probs, old_log_probs, advantages, mask, clip_eps)
        if way == aggregation:
            found: Tensor = total(gains, (mask > 0).to(gains.dtype), max_tokens)
            return found
        return _total(gains, mask, way, max_tokens)

    return grpo_loss


def _as(way: str, other: str) -> Function:
    return _but(way, lambda gains, mask, max_tokens: _total(gains, mask, other, max_tokens))


def _plain_mean(gains: Tensor, mask: Tensor, max_tokens: int) -> Tensor:
    return -gains.mean(dim=1).mean()


def _all_cells(gains: Tensor, mask: Tensor, max_tokens: int) -> Tensor:
    return -gains.mean()


def _columns(gains: Tensor, mask: Tensor, max_tokens: int) -> Tensor:
    return -gains.sum() / (len(mask) * mask.shape[1])


def _longest(gains: Tensor, mask: Tensor, max_tokens: int) -> Tensor:
    return -gains.sum() / (len(mask) * mask.sum(1).max().clamp(min=1))


def _no_rows(gains: Tensor, mask: Tensor, max_tokens: int) -> Tensor:
    return -gains.sum() / max_tokens


def _nan_rows(gains: Tensor, mask: Tensor, max_tokens: int) -> Tensor:
    return -(gains.sum(1) / mask.sum(1)).mean()


def _nan_batch(gains: Tensor, mask: Tensor, max_tokens: int) -> Tensor:
    return -gains.sum() / mask.sum()


def _negative(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    return -_gains(log_probs, old_log_probs, advantages, mask, clip_eps)


def _simple(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    ratios = (log_probs - old_log_probs.detach()).masked_fill(mask == 0, 0.0).exp()
    return ratios, advantages.detach()[:, None] * (mask > 0)


def _unclipped(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    ratios, weights = _simple(log_probs, old_log_probs, advantages, mask)
    return ratios * weights


def _only_clipped(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    ratios, weights = _simple(log_probs, old_log_probs, advantages, mask)
    return ratios.clamp(1 - clip_eps, 1 + clip_eps) * weights


def _maximum(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    ratios, weights = _simple(log_probs, old_log_probs, advantages, mask)
    return torch.maximum(ratios * weights, ratios.clamp(1 - clip_eps, 1 + clip_eps) * weights)


def _inverted(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    return _gains(2 * old_log_probs.detach() - log_probs, old_log_probs, advantages, mask, clip_eps)


def _one_ratio(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    moved = (log_probs - old_log_probs.detach()).masked_fill(mask == 0, 0.0)
    lengths = (mask > 0).sum(1, keepdim=True).clamp(min=1)
    mean = (moved.sum(1, keepdim=True) / lengths).expand_as(moved)
    return _gains(mean, torch.zeros_like(mean), advantages, mask, clip_eps)


def _padded(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    return _gains(log_probs, old_log_probs, advantages, torch.ones_like(mask), clip_eps)


def _product(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    whole = torch.ones_like(mask)
    return _gains(log_probs, old_log_probs, advantages, whole, clip_eps) * mask


def _live_old(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    ratios = (log_probs - old_log_probs).masked_fill(mask == 0, 0.0).exp()
    weights = advantages.detach()[:, None] * (mask > 0)
    return torch.minimum(ratios * weights, ratios.clamp(1 - clip_eps, 1 + clip_eps) * weights)


def _live_advantages(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    gains = _gains(log_probs, old_log_probs, advantages, mask, clip_eps)
    return gains + (advantages - advantages.detach())[:, None] * (mask > 0)


def _detached(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    return _gains(log_probs.detach(), old_log_probs, advantages, mask, clip_eps)


def _any(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip_eps: float,
    aggregation: str,
    max_tokens: int,
) -> Tensor:
    gains = _gains(log_probs, old_log_probs, advantages, mask, clip_eps)
    return _total(gains, mask, aggregation if aggregation in WAYS else "token", max_tokens)


def _by_cases(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip_eps: float
) -> Tensor:
    """Another right way: whether the ratio has left the clip on the side that pays."""
    ratios, weights = _simple(log_probs, old_log_probs, advantages, mask)
    high = (weights > 0) & (ratios > 1 + clip_eps)
    low = (weights < 0) & (ratios < 1 - clip_eps)
    kept = torch.where(high, 1 + clip_eps, torch.where(low, 1 - clip_eps, ratios))
    return kept * weights


def _case(
    way: str, seed: int, rows: int = 3, steps: int = 4, hidden: bool = False, **changes: Any
) -> Case:
    inputs = probes.some_responses(seed, rows, steps) | changes
    return Case(
        f"random responses, {way}, seed {seed}",
        inputs | {"aggregation": way, "max_tokens": steps + 2},
        "responses of 1, 2, … tokens, some ratios outside the clip",
        oracle=oracle,
        gradients=("log_probs",),
        detached=("old_log_probs", "advantages"),
        hidden=hidden,
    )


def _empty(way: str, rows: int, hidden: bool = False) -> Case:
    inputs = probes.some_responses(40, 3, 4)
    mask = inputs["mask"].clone()
    mask[:rows] = 0
    return Case(
        f"{rows} empty responses, {way}" + (" again" if hidden else ""),
        inputs | {"mask": mask, "aggregation": way, "max_tokens": 5},
        "a response without a token adds nothing",
        oracle=oracle,
        hidden=hidden,
    )


def _double(*values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


HAND: dict[str, Any] = {
    "log_probs": _double((0.0, 0.0, 0.0), (math.log(1.5), 0.0, 0.0)) - 1,
    "old_log_probs": -torch.ones(2, 3, dtype=torch.float64),
    "advantages": _double(-1.0, 2.0),
    "mask": _double((1, 1, 1), (1, 0, 0)),
    "clip_eps": 0.2,
}
"""Three tokens that each pay −1; one token whose ratio of 1.5 is clipped to 1.2 and pays 2.4."""


def _hand(way: str, value: float, message: str) -> Case:
    inputs = HAND | {"aggregation": way, "max_tokens": 5}
    return Case(f"hand value, {way}", inputs, message, expected=_double(value)[0])


def _home(way: str, seed: int, hidden: bool = False) -> Case:
    inputs = {"inputs": probes.some_responses(seed, 4, 3), "aggregation": way, "max_tokens": 7}
    return Case(
        f"before the first step, {way}" + (" again" if hidden else ""),
        inputs,
        "all ratios are 1: the gradient of a token is minus its advantage times what a token counts",
        probe=probes.on_its_own_responses,
        oracle=oracle_at_home,
        hidden=hidden,
    )


def _far(way: str, gap: float, hidden: bool = False) -> Case:
    inputs = probes.some_responses(60, 2, 3)
    moved = inputs | {"log_probs": inputs["old_log_probs"] - gap}
    return Case(
        f"ratios of exp(−{gap:g}), {way}",
        moved | {"aggregation": way, "max_tokens": 3},
        "a policy that has left its old self far behind",
        oracle=oracle,
        hidden=hidden,
    )


EXERCISE = ExerciseSpec(
    number="13.2",
    title="One advantage a response, three ways to average",
    targets=("grpo_loss",),
    points=4,
    minutes=30,
    difficulty=3,
    section="Long answers, short answers",
    statement="""
The clipped objective of chapter 8, for responses: every token of a response has the same advantage. What remains is to
average tokens of responses of different lengths, and there are three ways in use. GRPO takes the mean over the tokens
of each response, then the mean over responses. DAPO lets every token of the batch count the same. Dr. GRPO divides by
a constant, the number of tokens that were allowed, so that no length matters to any other.
""",
    hints=(
        "First compute the clipped objective of every token as in chapter 8, with zeros where the mask is 0. Then only "
        "the divisions differ.",
        "Sums along each row and the rows' lengths: mean of sum/length; sum of sums over sum of lengths; mean of sums "
        "over max_tokens. Clamp lengths at 1.",
        "Ratios of torch.where(mask > 0, difference, 0.0), so that NaN on padding never gets in; advantages as "
        "a column, detached; torch.minimum of both terms; then three returns and an error.",
    ),
    checks=(
        _hand(
            "sequence",
            -(-1.0 + 2.4) / 2,
            "responses of three tokens (−1 each) and one token (2.4): (−1 + 2.4) / 2",
        ),
        _hand("token", -(-3.0 + 2.4) / 4, "four tokens: (−3 + 2.4) / 4"),
        _hand(
            "constant", -(-3.0 + 2.4) / 10, "two responses of five allowed tokens: (−3 + 2.4) / 10"
        ),
        *(_case(way, 100 + 3 * k) for k, way in enumerate(WAYS)),
        *(_case(way, 130 + 3 * k, clip_eps=0.05) for k, way in enumerate(WAYS)),
        *(_home(way, 70 + 3 * k) for k, way in enumerate(WAYS)),
        _empty("sequence", 1),
        *(_empty(way, 3) for way in WAYS),
        _case("token", 160, rows=1),
        _far("token", 1e4),
        Case(
            "unknown aggregation",
            HAND | {"aggregation": "mean", "max_tokens": 5},
            "there is no such aggregation",
            raises=ValueError,
        ),
        Case(
            "padding that holds NaN",
            HAND
            | {
                "log_probs": HAND["log_probs"].where(HAND["mask"] > 0, float("nan")),
                "aggregation": "token",
                "max_tokens": 5,
            },
            "what stands behind a response never counts",
            expected=_double(0.15)[0],
        ),
        Law(probes.padding_may_hold_anything, "what stands behind a response"),
        Law(probes.a_mask_of_any_type_will_do, "masks of three types"),
        Law(probes.more_columns_of_padding_change_nothing, "the width of the batch"),
        *(_case(way, 200 + 3 * k, 4, 3, hidden=True) for k, way in enumerate(WAYS)),
        *(_case(way, 230 + 3 * k, 5, 4, hidden=True, clip_eps=0.1) for k, way in enumerate(WAYS)),
        *(_home(way, 80 + 3 * k, hidden=True) for k, way in enumerate(WAYS)),
        _empty("sequence", 2, hidden=True),
        *(_empty(way, 3, hidden=True) for way in WAYS),
        _case("token", 260, rows=1, steps=2, hidden=True),
        _far("sequence", 9e3, hidden=True),
        Case(
            "another unknown aggregation",
            HAND | {"aggregation": "", "max_tokens": 5},
            "there is no such aggregation",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "other padding that holds NaN",
            HAND
            | {
                "old_log_probs": HAND["old_log_probs"].where(HAND["mask"] > 0, float("nan")),
                "aggregation": "constant",
                "max_tokens": 6,
            },
            "what stands behind a response never counts",
            expected=_double(0.05)[0],
            hidden=True,
        ),
        Case(
            "single precision",
            {name: x.float() if isinstance(x, Tensor) else x for name, x in HAND.items()}
            | {"aggregation": "sequence", "max_tokens": 5},
            "float32 in, float32 out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "token mean for sequence",
            _as("sequence", "token"),
            "'sequence' takes the mean of each response first: a long response counts as much as a short one.",
        ),
        Mistake(
            "sequence mean for token",
            _as("token", "sequence"),
            "'token' lets every token of the batch count the same, whichever response it is in.",
        ),
        Mistake(
            "token mean for constant",
            _as("constant", "token"),
            "'constant' divides by a number that does not depend on how long the responses became.",
        ),
        Mistake(
            "pads in the mean of a sequence",
            _but("sequence", _plain_mean),
            "Divide by the number of tokens of the response, not by the width of the batch.",
        ),
        Mistake(
            "pads in the mean over tokens",
            _but("token", _all_cells),
            "Divide by the number of tokens that count, not by the number of cells.",
        ),
        Mistake(
            "width of the batch",
            _but("constant", _columns),
            "The width of a batch is how long its longest response became; the constant is max_tokens.",
        ),
        Mistake(
            "longest response",
            _but("constant", _longest),
            "The constant is what a response was allowed, max_tokens, not what the longest one used.",
        ),
        Mistake(
            "rows forgotten",
            _but("constant", _no_rows),
            "Divide by the number of responses too, so that a batch twice as large gives the same gradient.",
        ),
        Mistake(
            "an empty response",
            _but("sequence", _nan_rows),
            "A response without tokens gives 0/0. Clamp its length at 1.",
        ),
        Mistake(
            "an empty batch",
            _but("token", _nan_batch),
            "A batch without tokens gives 0/0. Clamp the number of tokens at 1.",
        ),
        Mistake("uphill", _with(_negative), "A loss is minimized: minus the objective."),
        Mistake(
            "no clip",
            _with(_unclipped),
            "The clip never acts: did you take the minimum of both terms?",
        ),
        Mistake(
            "only the clipped term",
            _with(_only_clipped),
            "A token that moved the wrong way gets no gradient back. Take the minimum of both terms.",
        ),
        Mistake(
            "maximum",
            _with(_maximum),
            "The objective is the smaller of both terms, the pessimistic one.",
        ),
        Mistake("ratio upside down", _with(_inverted), "The ratio is new over old."),
        Mistake(
            "one ratio for a response",
            _with(_one_ratio),
            "That is GSPO, a later idea. Here each token has a ratio of its own.",
        ),
        Mistake(
            "padding counted", _with(_padded), "Tokens behind the end of a response do not count."
        ),
        Mistake(
            "0 times NaN",
            _with(_product),
            "A product with the mask does not remove NaN. Choose with torch.where before anything is computed.",
        ),
        Mistake(
            "gradient into the old policy",
            _with(_live_old),
            "old_log_probs are constants: detach them.",
        ),
        Mistake(
            "gradient into the advantages",
            _with(_live_advantages),
            "Advantages are constants: detach them.",
        ),
        Mistake("no gradient", _with(_detached), "No gradient reaches the policy."),
        Mistake("any aggregation will do", _any, "An unknown aggregation should raise ValueError."),
    ),
    variants={"row by row": _right, "by cases": _with(_by_cases)},
)
