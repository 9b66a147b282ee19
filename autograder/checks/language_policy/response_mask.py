"""Exercise 9.1: which tokens the policy chose."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, integers
from rlcourse.checks.probes import language_policy as probes

Mask = Callable[[Tensor, Tensor, int, int], Tensor]


def walk(
    keep_end: bool = True,
    stop_at_end: bool = True,
    offset: int = 0,
    prompt_ends: bool = False,
    pads: str = "apart from the end",
) -> Mask:
    """Token by token, as a person would do it; most mistakes get one decision wrong."""

    def counts(token: int, ended: bool, eos_id: int, pad_id: int) -> bool:
        if pads == "never" and token == pad_id:
            return False
        if pads == "apart from the end" and token == pad_id != eos_id:
            return False
        return not ended and (keep_end or token != eos_id)

    def response_mask(tokens: Tensor, prompt_lengths: Tensor, eos_id: int, pad_id: int) -> Tensor:
        found = torch.zeros(tokens.shape)
        for b, row in enumerate(tokens.tolist()):
            start = int(prompt_lengths[b]) + offset
            ended = prompt_ends and eos_id in row[:start]
            for t in range(max(start, 0), len(row)):
                found[b, t] = float(counts(row[t], ended, eos_id, pad_id))
                ended = ended or (stop_at_end and row[t] == eos_id)
        return found

    return response_mask


oracle = walk()


def _whole(tokens: Tensor, prompt_lengths: Tensor, eos_id: int, pad_id: int) -> Tensor:
    """Forgets that prompts are not chosen."""
    return walk()(tokens, torch.zeros_like(prompt_lengths), eos_id, pad_id)


def _by_length(tokens: Tensor, prompt_lengths: Tensor, eos_id: int, pad_id: int) -> Tensor:
    """Another right way: find where each response stops."""
    columns = torch.arange(tokens.shape[1])
    behind = columns >= prompt_lengths[:, None]
    far = tokens.shape[1]
    end = torch.where(behind & (tokens == eos_id), columns, far).amin(dim=1, keepdim=True)
    stops = behind & (columns <= end)
    return (stops & ((tokens != pad_id) | (tokens == eos_id))).to(torch.float32)


def _products(tokens: Tensor, prompt_lengths: Tensor, eos_id: int, pad_id: int) -> Tensor:
    """Another right way: a running product of "not ended yet", one column late."""
    behind = torch.arange(tokens.shape[1])[None] >= prompt_lengths[:, None]
    is_end = behind & (tokens == eos_id)
    alive = torch.ones(tokens.shape)
    alive[:, 1:] = (~is_end[:, :-1]).float().cumprod(dim=1)
    pad = (tokens == pad_id) & (tokens != eos_id)
    return alive * behind.float() * (~pad).float()


def _rows(seed: int, eos_id: int, pad_id: int) -> dict[str, object]:
    """Eight rows of nine tokens out of five, with every kind of end somewhere."""
    tokens = integers(seed, 5, 8, 9)
    lengths = 1 + integers(seed + 1, 4, 8)
    tokens[0, 4:] = 4  # a row that never ends
    tokens[1, 5:] = pad_id
    return {"tokens": tokens, "prompt_lengths": lengths, "eos_id": eos_id, "pad_id": pad_id}


def _ints(*rows: list[int]) -> Tensor:
    return torch.tensor(rows)


EXERCISE = ExerciseSpec(
    number="9.1",
    title="Which tokens the policy chose",
    targets=("response_mask",),
    points=2,
    minutes=15,
    difficulty=2,
    section="Where a response begins and ends",
    statement="""
A row holds a prompt, a response, perhaps an end token, perhaps padding. Only the response consists of actions: mark
it, up to and **with** the end token, which is the action of stopping. Mind the prompt, which may hold an end token of
its own (GPT-2's texts begin with one), and the case in which padding and end are the same token.
""",
    hints=(
        "Ask three questions of each token: is it behind the prompt? Has an end token come before it, behind the "
        "prompt? Is it padding?",
        "Column t is behind the prompt if t >= prompt_lengths[b]. A cumulative sum along the row "
        "counts the end tokens "
        "up to and with each column; take away the column itself to know about those before.",
        "Compare torch.arange(T) with prompt_lengths[:, None]; ends = behind the prompt and equal to eos_id; "
        "ended before = ends.cumsum(1) - ends > 0; combine with &, ~ and turn into floats.",
    ),
    checks=(
        Case(
            "hand value",
            {
                "tokens": _ints(
                    [7, 8, 3, 4, 1, 0, 0], [7, 8, 9, 3, 1, 5, 1], [7, 3, 4, 5, 6, 3, 4]
                ),
                "prompt_lengths": torch.tensor([2, 3, 1]),
                "eos_id": 1,
                "pad_id": 0,
            },
            "a row with padding, one with something behind its end, one that never ends",
            expected=torch.tensor(
                [
                    [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0],
                    [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0],
                    [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
                ]
            ),
        ),
        Case(
            "padding is the end token",
            {
                "tokens": _ints([0, 5, 3, 0, 0, 0], [0, 5, 3, 4, 2, 0], [0, 0, 3, 4, 2, 5]),
                "prompt_lengths": torch.tensor([2, 2, 2]),
                "eos_id": 0,
                "pad_id": 0,
            },
            "the first 0 behind the prompt is the end and counts; a 0 in the prompt ends nothing",
            expected=torch.tensor(
                [
                    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0],
                    [0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
                    [0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
                ]
            ),
        ),
        Case(
            "cut short and padded",
            {
                "tokens": _ints([5, 3, 4, 0, 0], [5, 3, 4, 2, 4]),
                "prompt_lengths": torch.tensor([1, 1]),
                "eos_id": 1,
                "pad_id": 0,
            },
            "a response without an end token, shorter than its neighbour: its padding does not count",
            expected=torch.tensor([[0.0, 1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0, 1.0]]),
        ),
        Case("many rows", _rows(0, 1, 0), "eight rows of five kinds of token", oracle=oracle),
        Case(
            "many rows, one token for both", _rows(10, 2, 2), "end and padding alike", oracle=oracle
        ),
        Law(probes.what_stands_behind_the_end_does_not_matter, "behind the end there is nothing"),
        Law(probes.a_longer_prompt_takes_from_the_front, "prompts of different length"),
        Case(
            "nothing but a prompt",
            {
                "tokens": _ints([4, 1, 3]),
                "prompt_lengths": torch.tensor([3]),
                "eos_id": 1,
                "pad_id": 0,
            },
            "no response, no ones",
            expected=torch.zeros(1, 3),
        ),
        Case("other rows", _rows(20, 3, 0), "other tokens", oracle=oracle, hidden=True),
        Case(
            "other rows, one token for both", _rows(30, 0, 0), "alike", oracle=oracle, hidden=True
        ),
        Case(
            "the end at once",
            {
                "tokens": _ints([6, 1, 1, 1], [1, 1, 6, 1]),
                "prompt_lengths": torch.tensor([1, 2]),
                "eos_id": 1,
                "pad_id": 5,
            },
            "an empty response is one end token",
            expected=torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]),
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the end token left out",
            walk(keep_end=False),
            "Stopping is an action: without the end token in the mask nothing ever teaches the "
            "policy to stop, or not to.",
        ),
        Mistake(
            "tokens behind the end counted",
            walk(stop_at_end=False),
            "What stands behind the first end token was not written by the policy. Count the ends "
            "before each column.",
        ),
        Mistake(
            "the prompt counted",
            _whole,
            "The policy did not choose the prompt. Begin at prompt_lengths.",
        ),
        Mistake(
            "padding taken for the end, and the end for padding",
            walk(pads="never"),
            "Where pad_id equals eos_id, removing all padding removes the end token too. The first one is the end.",
        ),
        Mistake(
            "an end token in the prompt ends the row",
            walk(prompt_ends=True),
            "Texts of GPT-2 begin with the end token. Only one behind the prompt ends the response.",
        ),
        Mistake(
            "padding counted",
            walk(pads="always"),
            "A response that was cut short has no end token, but padding behind it. That does not count.",
        ),
        Mistake(
            "one token late",
            walk(offset=1),
            "Column t is the token t itself: the response begins in column prompt_lengths[b].",
        ),
        Mistake(
            "one token early",
            walk(offset=-1),
            "The last token of the prompt is marked. The shift between logits and tokens belongs to "
            "another function.",
        ),
    ),
    variants={"by length": _by_length, "running product": _products, "loops": walk()},
)
