"""Exercise 9.5: supervised fine-tuning."""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers, normal
from rlcourse.checks.probes import language_policy as probes


def oracle(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """Token by token, with plain floats."""
    losses = []
    for b, t in mask.nonzero().tolist():
        if t > 0:
            row = logits[b, t - 1].tolist()
            top = max(row)
            normalizer = top + math.log(sum(math.exp(x - top) for x in row))
            losses.append(normalizer - row[int(tokens[b, t])])
    return torch.tensor(math.fsum(losses) / max(len(losses), 1), dtype=logits.dtype)


def _found(logits: Tensor, tokens: Tensor) -> Tensor:
    every = logits[:, :-1].log_softmax(-1)
    return every.gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)


def _right(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -_mean(_found(logits, tokens), mask[:, 1:])


def _with_prompt(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """Everything up to the last token of the response, the prompt too."""
    whole = mask.flip(1).cummax(dim=1).values.flip(1)
    return -_mean(_found(logits, tokens), whole[:, 1:])


def _per_sequence(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    found, kept = _found(logits, tokens), mask[:, 1:]
    return -((found * kept).sum(1) / kept.sum(1).clamp(min=1)).mean()


def _summed(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -(_found(logits, tokens) * mask[:, 1:]).sum(1).mean()


def _mask_not_shifted(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -_mean(_found(logits, tokens), mask[:, :-1])


def _sign(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -_right(logits, tokens, mask)


def _all_below(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    return -(_found(logits, tokens) * mask[:, 1:]).mean()


def _no_shift(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    every = logits.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return -_mean(every, mask)


def _nan(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    kept = mask[:, 1:]
    return -(_found(logits, tokens) * kept).sum() / kept.sum()


def _labels(logits: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
    """Another right way: labels of −100 outside of the response, as most libraries do."""
    labels = tokens.masked_fill(mask == 0, -100)[:, 1:]
    total = cross_entropy(logits[:, :-1].transpose(1, 2), labels, reduction="sum")
    return total / (labels != -100).sum().clamp(min=1)


def _batch(
    seed: int, rows: list[list[int]], vocabulary: int, scale: float = 1.0
) -> dict[str, object]:
    mask = torch.tensor(rows, dtype=torch.float64)
    return {
        "logits": scale * normal(seed, *mask.shape, vocabulary),
        "tokens": integers(seed + 1, vocabulary, *mask.shape),
        "mask": mask,
    }


RAGGED = [[0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 0, 0], [0, 1, 1, 0, 0, 0]]
WEIGHTS = torch.tensor(
    [[[9.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 6.0], [5.0, 1.0, 2.0]]]
).double()

EXERCISE = ExerciseSpec(
    number="9.5",
    title="The loss of supervised fine-tuning",
    targets=("sft_loss",),
    points=2,
    minutes=10,
    difficulty=1,
    section="Supervised fine-tuning",
    statement="""
Somebody has written good responses to some prompts. Make them likely: minus the mean log-probability of the response
tokens. The prompt is read, not imitated, so it is not in the loss. Every response token of the batch has the same
weight, whether its response is long or short. You have both parts already.
""",
    hints=(
        "It is minus a mean over what counts, of how probable each token is. Which two functions of yours are these?",
        "token_log_probs has T − 1 columns, for the tokens from the second on. Which columns of the "
        "mask belong to them?",
        "minus masked_mean of (token_log_probs of everything, the mask without its first column).",
    ),
    checks=(
        Case(
            "hand value",
            {
                "logits": WEIGHTS.log(),
                "tokens": torch.tensor([[0, 0, 1, 2]]),
                "mask": torch.tensor([[0.0, 0.0, 1.0, 1.0]], dtype=torch.float64),
            },
            "a prompt of two tokens; then probabilities of 2/4 and 6/8",
            expected=torch.tensor(-(math.log(0.5) + math.log(0.75)) / 2, dtype=torch.float64),
        ),
        Case(
            "ragged responses",
            _batch(0, RAGGED, 4),
            "four, one and two response tokens, with the gradient into the logits",
            oracle=oracle,
            gradients=("logits",),
        ),
        Case(
            "no response",
            _batch(10, [[0, 0, 0]], 3),
            "a batch of prompts alone has a loss of 0, not NaN",
            oracle=oracle,
        ),
        Case(
            "the first token",
            _batch(20, [[1, 1, 1], [1, 0, 0]], 3),
            "nothing predicts the first token, even if the mask has a 1 there",
            oracle=oracle,
        ),
        Law(probes.logits_at_the_prompt_do_not_matter, "the prompt is not imitated"),
        Law(probes.even_logits_lose_the_logarithm_of_the_vocabulary, "knowing nothing"),
        Case("huge logits", _batch(30, RAGGED, 4, 1e4), "logits of ±10,000", oracle=oracle),
        Case(
            "other responses",
            _batch(40, [[0, 1, 1, 1, 0], [0, 0, 0, 0, 1]], 5),
            "other lengths",
            oracle=oracle,
            gradients=("logits",),
            hidden=True,
        ),
        Case("again no response", _batch(50, [[0, 0], [1, 0]], 3), "0", oracle=oracle, hidden=True),
        Case(
            "other huge logits",
            _batch(60, [[0, 0, 1, 1], [0, 1, 0, 0]], 3, 3e4),
            "±30,000",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the prompt in the loss",
            _with_prompt,
            "The user's words are being imitated too. Only tokens with a 1 in the mask count.",
        ),
        Mistake(
            "a mean for each response first",
            _per_sequence,
            "Tokens of short responses weigh more here. One mean over all response tokens of the batch.",
        ),
        Mistake(
            "a sum for each response",
            _summed,
            "Log-probabilities are summed over a response; long ones would dominate. Divide by the number of tokens.",
        ),
        Mistake(
            "mask not shifted",
            _mask_not_shifted,
            "Column t of the log-probabilities is about the token at t + 1: drop the first column of "
            "the mask, not the last.",
        ),
        Mistake("sign", _sign, "This is minimized, so likely responses must give a small loss."),
        Mistake(
            "padding counted below the line",
            _all_below,
            "Divide by the number of response tokens, not by all.",
        ),
        Mistake("no shift", _no_shift, "Each position was asked about the token it has just read."),
        Mistake("0 divided by 0", _nan, "A batch without response tokens has a loss of 0."),
    ),
    variants={"labels": _labels, "in one piece": _right},
    uses=("token_log_probs", "masked_mean"),
)
