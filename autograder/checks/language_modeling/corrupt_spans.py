"""Exercise 1.4: span corruption."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake
from rlcourse.checks.probes import language_modeling as probes

Spans = Sequence[tuple[int, int]]
Answer = tuple[Tensor, Tensor]


def _check(tokens: Tensor, spans: Spans, sentinels: Sequence[int]) -> None:
    ends = [0, *(end for _, end in spans)]
    ordered = all(before <= start < end for before, (start, end) in zip(ends, spans, strict=False))
    if not ordered or ends[-1] > len(tokens) or len(sentinels) <= len(spans):
        raise ValueError("bad spans")


def oracle(tokens: Tensor, spans: Spans, sentinels: Sequence[int]) -> Answer:
    """Token by token: is it inside a span, and is it the first one there?"""
    _check(tokens, spans, sentinels)
    source, target = [], []
    starts = {start: number for number, (start, _) in enumerate(spans)}
    inside = {place for start, end in spans for place in range(start, end)}
    for place, token in enumerate(tokens.tolist()):
        if place in starts:
            source.append(sentinels[starts[place]])
            target.append(sentinels[starts[place]])
        (target if place in inside else source).append(token)
    target.append(sentinels[len(spans)])
    return torch.tensor(source, dtype=torch.long), torch.tensor(target, dtype=torch.long)


def edited(
    change: Callable[
        [list[int], list[int], Tensor, Spans, Sequence[int]], tuple[list[int], list[int]]
    ],
) -> Callable[..., Answer]:
    """The right answer with one thing done wrong."""

    def corrupt_spans(tokens: Tensor, spans: Spans, sentinels: Sequence[int]) -> Answer:
        source, target = oracle(tokens, spans, sentinels)
        lists = change(source.tolist(), target.tolist(), tokens, spans, sentinels)
        return tuple(torch.tensor(part, dtype=torch.long) for part in lists)  # type: ignore[return-value]

    return corrupt_spans


def _same_sentinel(
    source: list[int], target: list[int], tokens: Tensor, spans: Spans, sentinels: Sequence[int]
) -> tuple[list[int], list[int]]:
    def first(part: list[int]) -> list[int]:
        return [sentinels[0] if token in sentinels else token for token in part]

    return first(source), first(target)


def _end_included(tokens: Tensor, spans: Spans, sentinels: Sequence[int]) -> Answer:
    _check(tokens, spans, sentinels)
    source, target, done = [], [], 0
    for (start, end), sentinel in zip(spans, sentinels, strict=False):
        source += [*tokens.tolist()[done:start], sentinel]
        target += [sentinel, *tokens.tolist()[start : end + 1]]
        done = end + 1
    source += tokens.tolist()[done:]
    return torch.tensor(source), torch.tensor([*target, sentinels[len(spans)]])


def _one_for_each_token(
    source: list[int], target: list[int], tokens: Tensor, spans: Spans, sentinels: Sequence[int]
) -> tuple[list[int], list[int]]:
    repeated = []
    lengths = {sentinels[i]: end - start for i, (start, end) in enumerate(spans)}
    for token in source:
        repeated += [token] * lengths.get(token, 1)
    return repeated, target


def _unchecked(tokens: Tensor, spans: Spans, sentinels: Sequence[int]) -> Answer:
    text, source, target, done = tokens.tolist(), [], [], 0
    marks = [*sentinels, *[sentinels[-1]] * len(spans)]
    for (start, end), sentinel in zip(spans, marks, strict=False):
        source += [*text[done:start], sentinel]
        target += [sentinel, *text[start:end]]
        done = end
    target.append(marks[len(spans)])
    return torch.tensor(source + text[done:]), torch.tensor(target)


def _slices(tokens: Tensor, spans: Spans, sentinels: Sequence[int]) -> Answer:
    """Pieces of tensors, joined."""
    _check(tokens, spans, sentinels)
    marks = tokens.new_tensor(list(sentinels))
    source, target, done = [], [], 0
    for number, (start, end) in enumerate(spans):
        source += [tokens[done:start], marks[number : number + 1]]
        target += [marks[number : number + 1], tokens[start:end]]
        done = end
    source.append(tokens[done:])
    target.append(marks[len(spans) : len(spans) + 1])
    return torch.cat(source), torch.cat(target)


def _backwards(tokens: Tensor, spans: Spans, sentinels: Sequence[int]) -> Answer:
    """From the last span to the first, so that earlier places stay where they are."""
    _check(tokens, spans, sentinels)
    source, target = tokens.tolist(), [sentinels[len(spans)]]
    for number in reversed(range(len(spans))):
        start, end = spans[number]
        target = [sentinels[number], *source[start:end], *target]
        source[start:end] = [sentinels[number]]
    return tokens.new_tensor(source), tokens.new_tensor(target)


def _inputs(
    tokens: list[int], spans: list[tuple[int, int]], sentinels: list[int]
) -> dict[str, object]:
    return {
        "tokens": torch.tensor(tokens, dtype=torch.long),
        "spans": tuple(spans),
        "sentinels": tuple(sentinels),
    }


TEXT = [7, 3, 9, 9, 4, 8, 1, 2, 6, 5]

EXERCISE = ExerciseSpec(
    number="1.4",
    title="Span corruption",
    targets=("corrupt_spans",),
    points=3,
    minutes=20,
    difficulty=2,
    section="Every task is text",
    statement="""
Turn a text into a question and an answer, both of them text: cut spans out, put a **sentinel** of its own in the
place of each, and let the answer list what was cut out, behind the same sentinels. One last sentinel ends the
answer. Refuse spans that make no sense.
""",
    hints=(
        "Go through the spans from left to right and remember how far in the text you are. What belongs to the source "
        "before each span, and what to the target?",
        "For span (start, end) with sentinel s: source gets text[done:start] and s; target gets s and text[start:end]; "
        "then done = end. Behind the loop: the rest of the text, and one more sentinel.",
        "tokens.tolist() makes it lists; enumerate(spans) counts them; raise ValueError unless "
        "done <= start < end <= len(text) and there are more sentinels than spans; tokens.new_tensor(list) at the end.",
    ),
    checks=(
        Case(
            "hand value",
            _inputs([10, 11, 12, 13, 14, 15, 16, 17, 18], [(1, 3), (7, 8)], [90, 91, 92]),
            "nine tokens; the spans (1, 3) and (7, 8) are cut out",
            expected=(
                torch.tensor([10, 90, 13, 14, 15, 16, 91, 18]),
                torch.tensor([90, 11, 12, 91, 17, 92]),
            ),
        ),
        Case(
            "at both ends",
            _inputs(TEXT, [(0, 2), (4, 5), (8, 10)], [90, 91, 92, 93, 94]),
            "spans at the beginning and at the end of the text; one sentinel too many",
            oracle=oracle,
        ),
        Case(
            "side by side",
            _inputs(TEXT, [(2, 4), (4, 7)], [80, 70, 60]),
            "two spans that touch; sentinels that count down, as T5's do",
            oracle=oracle,
        ),
        Case("nothing cut out", _inputs([5, 6], [], [90]), "no span", oracle=oracle),
        Case(
            "everything cut out", _inputs([5, 6, 7], [(0, 3)], [90, 91]), "one span", oracle=oracle
        ),
        Law(probes.source_and_target_rebuild_the_text, "nothing is lost"),
        Law(probes.no_token_is_said_twice, "and nothing is said twice"),
        Case(
            "too few sentinels",
            _inputs(TEXT, [(1, 2), (3, 4)], [90, 91]),
            "two spans need three sentinels",
            raises=ValueError,
        ),
        Case(
            "an empty span",
            _inputs(TEXT, [(3, 3)], [90, 91]),
            "a span from 3 to 3 holds nothing",
            raises=ValueError,
        ),
        Case(
            "spans that overlap",
            _inputs(TEXT, [(1, 4), (3, 6)], [90, 91, 92]),
            "token 3 would be cut out twice",
            raises=ValueError,
        ),
        Case(
            "beyond the text",
            _inputs(TEXT, [(8, 11)], [90, 91]),
            "a span that ends behind the text",
            raises=ValueError,
        ),
        Case(
            "another text",
            _inputs([4, 4, 2, 1, 4, 2, 2, 9], [(2, 3), (5, 8)], [50, 51, 52, 53]),
            "tokens that occur several times",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "four spans",
            _inputs(list(range(20)), [(0, 1), (2, 6), (6, 7), (15, 19)], [70, 69, 68, 67, 66]),
            "twenty tokens, four spans",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "an empty text", _inputs([], [], [9, 8]), "no text, no span", oracle=oracle, hidden=True
        ),
        Case(
            "out of order",
            _inputs(TEXT, [(5, 6), (1, 2)], [90, 91, 92]),
            "the second span lies before the first",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "before the text",
            _inputs(TEXT, [(-2, 1)], [90, 91]),
            "a span that begins before the text",
            raises=ValueError,
            hidden=True,
        ),
        Case(
            "no sentinels",
            _inputs(TEXT, [], []),
            "even a text without spans needs the last sentinel",
            raises=ValueError,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "the same sentinel for every span",
            edited(_same_sentinel),
            "With one sentinel for all, nobody can tell which answer fills which gap. Take the next one for each span.",
        ),
        Mistake(
            "the last sentinel missing",
            edited(lambda source, target, *_: (source, target[:-1])),
            "The target ends with one sentinel more: it says that the last span is over.",
        ),
        Mistake(
            "one sentinel for each token",
            edited(_one_for_each_token),
            "A span becomes a single sentinel, however long it was: its length is part of the answer.",
        ),
        Mistake(
            "the end is included",
            _end_included,
            "A span (start, end) stops before end, like a slice of Python.",
        ),
        Mistake(
            "target without sentinels",
            edited(
                lambda source, target, tokens, spans, sentinels: (
                    source,
                    [token for token in target if token not in sentinels],
                )
            ),
            "In the target each span stands behind its sentinel.",
        ),
        Mistake(
            "the rest of the text is lost",
            edited(
                lambda source, target, tokens, spans, sentinels: (
                    source[: len(source) - (len(tokens) - (spans[-1][1] if spans else 0))],
                    target,
                )
            ),
            "What stands behind the last span belongs to the source.",
        ),
        Mistake(
            "source and target exchanged",
            edited(lambda source, target, *_: (target, source)),
            "The source is what the model reads; return it first.",
        ),
        Mistake(
            "bad spans accepted",
            _unchecked,
            "Spans that are empty, overlap, come out of order or leave the text must raise a ValueError, and "
            "so must too "
            "few sentinels: otherwise they quietly make wrong training data.",
        ),
    ),
    variants={"slices": _slices, "backwards": _backwards, "token by token": oracle},
)
