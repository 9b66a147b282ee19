"""Exercise 11.1: rewards that cost something to earn."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import instruct_gpt as probes

Arguments = tuple[Tensor, Tensor, Tensor, Tensor, float]


def oracle(
    scores: Tensor, log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor, kl_coef: float
) -> Tensor:
    """Row by row with floats, from the end on."""
    rewards = torch.zeros(mask.shape, dtype=scores.dtype)
    for b, flags in enumerate(mask.tolist()):
        owed = float(scores[b])
        for t in reversed(range(len(flags))):
            if flags[t]:
                gap = float(log_probs[b, t]) - float(ref_log_probs[b, t])
                rewards[b, t] = owed - kl_coef * gap
                owed = 0.0
    return rewards


def _refuse(mask: Tensor) -> None:
    if bool((mask > 0).sum(1).eq(0).any()):
        raise ValueError("empty response")


def _last(mask: Tensor) -> Tensor:
    """(B, T) one-hot at the last token."""
    places = (mask > 0).sum(1) - 1
    return torch.nn.functional.one_hot(places, mask.shape[1]) > 0


def _price(new: Tensor, ref: Tensor, mask: Tensor, kl_coef: float) -> Tensor:
    return torch.where(mask > 0, (ref - new) * kl_coef, 0.0)


def _paid(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.where(_last(mask), scores[:, None], 0.0)


def _plain(scores: Tensor, new: Tensor, ref: Tensor, mask: Tensor, kl_coef: float) -> Tensor:
    _refuse(mask)
    return (_price(new, ref, mask, kl_coef) + _paid(scores, mask)).detach()


def _named(body: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function, with its arguments' names."""

    def kl_shaped_rewards(
        scores: Tensor, log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor, kl_coef: float
    ) -> Tensor:
        _refuse(mask)
        return body(scores, log_probs, ref_log_probs, mask, kl_coef)

    return kl_shaped_rewards


def _sign(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    return _plain(s, q, p, m, beta)


def _everywhere(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    return (_price(p, q, m, beta) + torch.where(m > 0, s[:, None], 0.0)).detach()


def _on_pad(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    rewards = _price(p, q, m, beta)
    rewards[:, -1] += s
    return rewards.detach()


def _gradient(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    return _price(p, q, m, beta) + _paid(s, m)


def _pads_priced(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    return ((q - p) * beta + _paid(s, m)).detach()


def _product(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    return ((q - p) * beta * m + _paid(s, m)).to(s.dtype).detach()


def _replaced(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    return torch.where(_last(m), s[:, None], _price(p, q, m, beta)).detach()


def _at_the_end(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    return _paid(s + _price(p, q, m, beta).sum(1), m).detach()


def _scaled(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    return (_price(p, q, m, 1.0) + _paid(s, m)).detach()


def _ratio(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    return (torch.where(m > 0, -beta * (p - q).exp(), 0.0) + _paid(s, m)).detach()


def _absolute(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    return (torch.where(m > 0, -beta * (p - q).abs(), 0.0) + _paid(s, m)).detach()


def _early(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    """One token too early."""
    rewards = _price(p, q, m, beta)
    places = ((m > 0).sum(1) - 2).clamp(min=0)
    rewards[torch.arange(len(s)), places] += s
    return rewards.detach()


def _accepts(
    scores: Tensor, log_probs: Tensor, ref_log_probs: Tensor, mask: Tensor, kl_coef: float
) -> Tensor:
    rewards = _price(log_probs, ref_log_probs, mask, kl_coef)
    places = ((mask > 0).sum(1) - 1).clamp(min=0)
    return (rewards + torch.nn.functional.one_hot(places, mask.shape[1]) * scores[:, None]).detach()


def _differences(s: Tensor, p: Tensor, q: Tensor, m: Tensor, beta: float) -> Tensor:
    """Another right way: where the mask falls, the score is paid."""
    counted = (m > 0).to(s.dtype)
    falls = counted - torch.cat([counted[:, 1:], torch.zeros_like(counted[:, :1])], dim=1)
    return (_price(p, q, m, beta) + falls * s[:, None]).detach()


MASK = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
OTHER = torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0]])


def _inputs(seed: int, mask: Tensor, beta: float, padding: float = 0.5) -> dict[str, object]:
    """Random log-probabilities; something else stands on padding."""
    empty = mask == 0
    return {
        "scores": normal(seed, len(mask)),
        "log_probs": -normal(seed + 1, *mask.shape).abs().masked_fill(empty, padding),
        "ref_log_probs": -normal(seed + 2, *mask.shape).abs().masked_fill(empty, -padding / 2),
        "mask": mask,
        "kl_coef": beta,
    }


def _double(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


DETACHED = ("scores", "log_probs", "ref_log_probs")

EXERCISE = ExerciseSpec(
    number="11.1",
    title="A reward with a leash",
    targets=("kl_shaped_rewards",),
    points=2,
    minutes=15,
    difficulty=2,
    section="The token view",
    statement="""
The reward model scores a whole response; PPO wants a reward after each token. Each token costs $\\beta$ times its
log-ratio to the reference; the last one earns the score as well. Summed over a response this is the score minus
$\\beta$ times the response's log-ratio, and its expectation is $\\mathbb E[r] - \\beta\\,\\mathrm{KL}$.
""",
    hints=(
        "Two parts: a price at every token that counts, and one payment a row. Where is the last token of a row whose "
        "mask is 1, 1, 0?",
        "The price is minus kl_coef times (log_probs minus ref_log_probs), by torch.where and not by a product: "
        "padding may hold NaN. The score goes to column (number of ones) minus 1.",
        "Raise for an empty row; rewards = torch.where(…); rewards[rows, last] += scores; return "
        "them detached.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "scores": torch.tensor([3.0, -1.0], dtype=torch.float64),
                "log_probs": _double([-1.0, -1.0, -2.0], [-1.0, -3.0, 0.0]),
                "ref_log_probs": _double([-2.0, -1.0, -1.0], [-1.5, -1.0, 0.0]),
                "mask": torch.tensor([[1, 1, 1], [1, 1, 0]]),
                "kl_coef": 0.5,
            },
            "two responses of three tokens and of two, β = ½, scores 3 and −1",
            expected=_double([-0.5, 0.0, 3.5], [-0.25, 0.0, 0.0]),
        ),
        Case(
            "padding",
            _inputs(0, MASK, 0.3),
            "responses of three tokens, of one and of four",
            oracle=oracle,
            detached=DETACHED,
        ),
        Case(
            "padding that is no number",
            _inputs(3, MASK > 0, 0.3, float("nan")),
            "NaN behind the end, a bool mask",
            oracle=oracle,
        ),
        Case(
            "no leash",
            _inputs(6, MASK, 0.0),
            "β = 0: the score at the last token, and nothing else",
            oracle=oracle,
        ),
        Case(
            "an empty response",
            _inputs(9, torch.tensor([[1.0, 1.0], [0.0, 0.0]]), 0.1),
            "the second response has no token",
            raises=ValueError,
        ),
        Law(probes.they_add_up_to_score_minus_price, "sums over a response"),
        Law(probes.their_gradient_is_that_of_the_objective, "all 64 responses, exactly"),
        Case(
            "other padding",
            _inputs(12, OTHER, 0.7),
            "responses of four tokens and of two",
            oracle=oracle,
            detached=DETACHED,
            hidden=True,
        ),
        Case(
            "other padding that is no number",
            _inputs(15, OTHER, 0.2, float("nan")),
            "NaN behind the end",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "another empty response",
            _inputs(18, torch.zeros(1, 3), 0.1),
            "nothing to pay for",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "single precision",
            {
                k: v.float() if isinstance(v, Tensor) else v
                for k, v in _inputs(21, MASK, 2.0).items()
            },
            "float32 in, float32 out",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "sign of the price",
            _named(_sign),
            "A token that is likelier than under the reference must cost something, not earn it.",
        ),
        Mistake(
            "score at every token",
            _named(_everywhere),
            "The score is paid once, at the last token of the response; now long responses are paid again and again.",
        ),
        Mistake(
            "score on padding",
            _named(_on_pad),
            "The last column belongs to padding in shorter responses: nobody earns what is paid there.",
        ),
        Mistake(
            "one token too early",
            _named(_early),
            "The score belongs to the last token that counts, the end token: stopping is what completed the response.",
        ),
        Mistake(
            "carries a gradient",
            _named(_gradient),
            "Rewards are facts about what was drawn: detach them, or PPO differentiates through the penalty.",
        ),
        Mistake(
            "padding has a price",
            _named(_pads_priced),
            "Behind the end nothing was drawn: the reward there is 0.",
        ),
        Mistake(
            "0 times NaN",
            _named(_product),
            "0 × NaN is NaN: choose with torch.where instead of multiplying.",
        ),
        Mistake(
            "the last token is free",
            _named(_replaced),
            "The score is added to the price of the last token; it does not replace it.",
        ),
        Mistake(
            "the whole price at the end",
            _named(_at_the_end),
            "The sum is right, but the token view charges each token when it is drawn: credit is found sooner.",
        ),
        Mistake("kl_coef forgotten", _named(_scaled), "The log-ratio costs kl_coef a nat."),
        Mistake(
            "ratio for log-ratio",
            _named(_ratio),
            "The price is the difference of the log-probabilities, not the ratio of the probabilities.",
        ),
        Mistake(
            "absolute value",
            _named(_absolute),
            "A single log-ratio may be negative; only their mean is a divergence. Both signs count.",
        ),
        Mistake(
            "an empty response accepted",
            _accepts,
            "A response without a token cannot be paid: raise a ValueError.",
        ),
    ),
    variants={"two parts": _named(_plain), "falling mask": _named(_differences)},
)
