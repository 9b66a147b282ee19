"""Exercise 9.2: the log-probability of each token."""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import language_policy as probes


def oracle(logits: Tensor, tokens: Tensor) -> Tensor:
    """Token by token, with plain floats."""
    batch, steps = tokens.shape
    found = torch.zeros(batch, steps - 1, dtype=logits.dtype)
    for b in range(batch):
        for t in range(steps - 1):
            row = logits[b, t].tolist()
            top = max(row)
            normalizer = top + math.log(sum(math.exp(x - top) for x in row))
            found[b, t] = row[int(tokens[b, t + 1])] - normalizer
    return found


def _pick(values: Tensor, tokens: Tensor) -> Tensor:
    return values.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def _no_shift(logits: Tensor, tokens: Tensor) -> Tensor:
    return _pick(logits.log_softmax(-1), tokens)[:, 1:]


def _own_token(logits: Tensor, tokens: Tensor) -> Tensor:
    return _pick(logits.log_softmax(-1), tokens)[:, :-1]


def _backwards(logits: Tensor, tokens: Tensor) -> Tensor:
    return _pick(logits[:, 1:].log_softmax(-1), tokens[:, :-1])


def _raw(logits: Tensor, tokens: Tensor) -> Tensor:
    return _pick(logits[:, :-1], tokens[:, 1:])


def _detached(logits: Tensor, tokens: Tensor) -> Tensor:
    return _right(logits, tokens).detach()


def _probability(logits: Tensor, tokens: Tensor) -> Tensor:
    return _pick(logits[:, :-1].softmax(-1), tokens[:, 1:])


def _underflow(logits: Tensor, tokens: Tensor) -> Tensor:
    return _pick(logits[:, :-1].softmax(-1).log(), tokens[:, 1:])


def _negated(logits: Tensor, tokens: Tensor) -> Tensor:
    return -_right(logits, tokens)


def _over_time(logits: Tensor, tokens: Tensor) -> Tensor:
    return _pick(logits[:, :-1].log_softmax(1), tokens[:, 1:])


def _right(logits: Tensor, tokens: Tensor) -> Tensor:
    return _pick(logits[:, :-1].log_softmax(-1), tokens[:, 1:])


def _cross_entropy(logits: Tensor, tokens: Tensor) -> Tensor:
    return -cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")


def _logsumexp(logits: Tensor, tokens: Tensor) -> Tensor:
    return _pick(logits, tokens.roll(-1, 1))[:, :-1] - logits.logsumexp(-1)[:, :-1]


def _batch(
    seed: int, batch: int, steps: int, vocabulary: int, scale: float = 1.0
) -> dict[str, object]:
    return {
        "logits": scale * normal(seed, batch, steps, vocabulary),
        "tokens": integers(seed + 1, vocabulary, batch, steps),
    }


WEIGHTS = torch.tensor([[[1.0, 2.0, 1.0], [1.0, 1.0, 6.0], [5.0, 1.0, 2.0]]]).double()

EXERCISE = ExerciseSpec(
    number="9.2",
    title="Log-probabilities of tokens",
    targets=("token_log_probs",),
    points=2,
    minutes=10,
    difficulty=1,
    section="How probable a text is",
    statement="""
The one number that every algorithm of the remaining chapters asks a language model for: how probable was this token,
given what stood before it? The logits after position t speak about the token at t + 1, so T positions score T − 1
tokens. All of it is differentiable: the gradient of these numbers *is* the score function ∇ log π.
""",
    hints=(
        "Draw the logits of four positions above the tokens they predict. Which logits have no "
        "token, which token has "
        "no logits?",
        "Logits without the last position, tokens without the first: both have T − 1 columns. Normalize over the "
        "vocabulary, in the logarithm, then look up one entry in each column.",
        "torch.log_softmax(..., dim=-1) of the shortened logits; .gather(-1, shortened tokens with a "
        "last dimension of "
        "1); remove that dimension.",
    ),
    checks=(
        Case(
            "hand value",
            {"logits": WEIGHTS.log(), "tokens": torch.tensor([[0, 1, 2]])},
            "weights 1, 2, 1 and then token 1: log of 2/4; weights 1, 1, 6 and then token 2: log of 6/8",
            expected=torch.tensor([[0.5, 0.75]], dtype=torch.float64).log(),
        ),
        Case(
            "random logits",
            _batch(0, 3, 5, 4),
            "three texts of five tokens, with the gradient into the logits",
            oracle=oracle,
            gradients=("logits",),
        ),
        Law(
            probes.probabilities_of_all_texts_add_up_to_one, "exp of the sums, over all texts, is 1"
        ),
        Law(probes.a_constant_added_at_a_position_changes_nothing, "only differences count"),
        Case(
            "huge logits",
            _batch(10, 2, 4, 5, 1e4),
            "logits of ±10,000",
            oracle=oracle,
        ),
        Case(
            "single precision",
            {"logits": torch.zeros(1, 3, 4), "tokens": torch.tensor([[0, 3, 1]])},
            "float32 in, float32 out",
            expected=torch.full((1, 2), 0.25).log(),
        ),
        Case(
            "other logits",
            _batch(20, 2, 7, 3),
            "two texts of seven tokens",
            oracle=oracle,
            gradients=("logits",),
            hidden=True,
        ),
        Case("other huge logits", _batch(30, 3, 3, 6, 3e4), "±30,000", oracle=oracle, hidden=True),
    ),
    mistakes=(
        Mistake(
            "no shift",
            _no_shift,
            "Each position was asked about its own token, which it has just read. It predicts the next one.",
        ),
        Mistake(
            "no shift, last column dropped",
            _own_token,
            "The shapes fit, but logits[:, t] still meets tokens[:, t]. Drop the last logits and the first token.",
        ),
        Mistake(
            "shifted the wrong way",
            _backwards,
            "Logits after position t + 1 were asked about the token at t, which they have read.",
        ),
        Mistake(
            "raw logits",
            _raw,
            "A logit is a log-probability only after the logarithm of the sum of all exponentials is taken away.",
        ),
        Mistake(
            "detached",
            _detached,
            "No gradient flows into the logits: nothing can be learned from these numbers.",
        ),
        Mistake(
            "probabilities",
            _probability,
            "Those are probabilities. Their logarithms were asked for; take log_softmax, not softmax.",
        ),
        Mistake(
            "logarithm of softmax",
            _underflow,
            "softmax rounds small probabilities to 0, and log 0 is −∞. log_softmax does both in one step.",
        ),
        Mistake(
            "losses",
            _negated,
            "A log-probability is never positive. Is there a minus sign from cross-entropy?",
        ),
        Mistake(
            "normalized over time",
            _over_time,
            "Probabilities of the words at one position add up to 1: normalize over the last dimension.",
        ),
    ),
    variants={"cross entropy": _cross_entropy, "logsumexp": _logsumexp},
)
