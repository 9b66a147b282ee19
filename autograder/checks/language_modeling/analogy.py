"""Exercise 1.2: analogies."""

import math

import torch
from torch import Tensor

from autograder.checks.spec import Case, ExerciseSpec, Law, Mistake, normal
from rlcourse.checks.probes import language_modeling as probes


def oracle(embeddings: Tensor, a: int, b: int, c: int) -> int:
    """Word by word, with plain floats."""
    rows = embeddings.tolist()
    wanted = [y - x + z for x, y, z in zip(rows[a], rows[b], rows[c], strict=True)]

    def cosine(row: list[float]) -> float:
        product = sum(x * y for x, y in zip(row, wanted, strict=True))
        length = math.hypot(*row) * math.hypot(*wanted)
        return product / length if length else 0.0

    return max((w for w in range(len(rows)) if w not in (a, b, c)), key=lambda w: cosine(rows[w]))


def _solve(similarity: Tensor, *excluded: int) -> int:
    found = similarity.clone()
    found[list(excluded)] = -torch.inf
    return int(found.argmax())


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)


def _wanted(embeddings: Tensor, a: int, b: int, c: int) -> Tensor:
    return embeddings[b] - embeddings[a] + embeddings[c]


def _only_c_excluded(embeddings: Tensor, a: int, b: int, c: int) -> int:
    return _solve(_unit(embeddings) @ _wanted(embeddings, a, b, c), c)


def _nan(embeddings: Tensor, a: int, b: int, c: int) -> int:
    wanted = _wanted(embeddings, a, b, c)
    return _solve(embeddings @ wanted / (embeddings.norm(dim=1) * wanted.norm()), a, b, c)


def _distance(embeddings: Tensor, a: int, b: int, c: int) -> int:
    return _solve(-(embeddings - _wanted(embeddings, a, b, c)).norm(dim=1), a, b, c)


def _sorted(embeddings: Tensor, a: int, b: int, c: int) -> int:
    order = (_unit(embeddings) @ _wanted(embeddings, a, b, c)).argsort(descending=True)
    answer: int = next(w for w in order.tolist() if w not in (a, b, c))
    return answer


def _in_place(embeddings: Tensor, a: int, b: int, c: int) -> int:
    wanted = _wanted(embeddings, a, b, c)
    embeddings[[a, b, c]] = 0.0
    return _solve(_unit(embeddings) @ wanted, a, b, c)


def _double(numbers: list[list[float]]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


GRID = _double([[1, 1], [3, 1], [1, 2], [3, 2], [0, 4], [9, 5], [-3, -2], [1, 0]])
"""Two columns by two rows: 0 is to 1 as 2 is to 3; then others, among them one that is very long."""
FAMILY = _double(
    [[5, 1, 0], [5, 2, 0.2], [5, 1, 3], [4, 3.5, 3], [1, 9, 0], [50, 1, 1], [0, -3, 2]]
)
"""The sum lies nearer to 2, one of the words asked with, than to 3."""
CLOSE = _double(
    [[1, 0, 0], [0, 1, 0], [1, 0.1, 0.1], [0.5, 1, 0.5], [1, 0.2, 0.9], [-1, 0, 1], [3, 3, 1]]
)
"""Word 2 lies near word 0, so that the sum lies nearest to word 1, which was asked with."""

EXERCISE = ExerciseSpec(
    number="1.2",
    title="Analogies",
    targets=("analogy",),
    points=2,
    minutes=10,
    difficulty=2,
    section="Words as directions",
    statement="""
*`a` is to `b` as `c` is to …?* Go from `c` the way that leads from `a` to `b`, and return the index of the word
whose vector points most nearly where you arrive. The three words you asked with do not count.
""",
    hints=(
        "From a to b is a difference of vectors. Where do you get if you add it to c? Which other word lies in that "
        "direction?",
        "wanted = E_b − E_a + E_c, of shape (D). Its cosine with every row: divide the dot products by "
        "both lengths, and "
        "mind rows of length 0. Then rule out a, b and c, and take the largest.",
        "torch.nn.functional.cosine_similarity(embeddings, wanted.unsqueeze(0), dim=1) gives (V); set "
        "its entries a, b, "
        "c to −∞; int(….argmax()).",
    ),
    checks=(
        Case(
            "hand value",
            {"embeddings": GRID, "a": 0, "b": 1, "c": 2},
            "words at the corners of a rectangle: (1, 1) is to (3, 1) as (1, 2) is to (3, 2)",
            expected=3,
        ),
        Case(
            "the other way round",
            {"embeddings": GRID, "a": 1, "b": 0, "c": 5},
            "(3, 1) is to (1, 1) as (9, 5) is to …: the direction is (7, 5)",
            oracle=oracle,
        ),
        Case(
            "near the words asked with",
            {"embeddings": FAMILY, "a": 0, "b": 1, "c": 2},
            "the nearest word of all is c itself, but c does not count",
            oracle=oracle,
        ),
        Case(
            "two words that are alike",
            {"embeddings": CLOSE, "a": 0, "b": 1, "c": 2},
            "the nearest word of all is b, but b does not count",
            oracle=oracle,
        ),
        Case(
            "thirty words",
            {"embeddings": normal(0, 30, 6), "a": 4, "b": 17, "c": 9},
            "thirty random words",
            oracle=oracle,
        ),
        Case(
            "a word without a vector",
            {"embeddings": torch.cat([GRID, torch.zeros(1, 2).double()]), "a": 0, "b": 1, "c": 2},
            "the last word's vector is zero: its cosine counts as 0, not as NaN",
            oracle=oracle,
        ),
        Law(probes.longer_vectors_are_no_better, "only the direction of a word counts"),
        Law(probes.the_answer_is_another_word, "never a, b or c"),
        Case(
            "single precision",
            {"embeddings": GRID.float(), "a": 2, "b": 3, "c": 0},
            "float32 vectors; a plain integer is returned",
            expected=1,
        ),
        Case(
            "other words",
            {"embeddings": normal(3, 40, 5), "a": 8, "b": 2, "c": 30},
            "forty random words",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "few numbers a word",
            {"embeddings": normal(12, 60, 3), "a": 11, "b": 5, "c": 59},
            "sixty words in three dimensions",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "short and long",
            {
                "embeddings": normal(6, 25, 4) * torch.linspace(0.01, 20, 25).double().unsqueeze(1),
                "a": 20,
                "b": 3,
                "c": 12,
            },
            "vectors of very different length, one of them asked with",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "another word without a vector",
            {"embeddings": torch.cat([torch.zeros(1, 2).double(), GRID]), "a": 1, "b": 2, "c": 3},
            "the first word's vector is zero",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "other words asked with",
            {"embeddings": FAMILY.flip(0), "a": 6, "b": 5, "c": 4},
            "the word nearest to the sum is one of the three",
            oracle=oracle,
            hidden=True,
        ),
        Case(
            "other words that are alike",
            {"embeddings": CLOSE.flip(0), "a": 6, "b": 5, "c": 4},
            "the word nearest to the sum is b",
            oracle=oracle,
            hidden=True,
        ),
    ),
    mistakes=(
        Mistake(
            "inputs not excluded",
            lambda embeddings, a, b, c: _solve(_unit(embeddings) @ _wanted(embeddings, a, b, c)),
            "The sum usually lies nearest to b or c themselves. Rule out all three words you asked with.",
        ),
        Mistake(
            "dot product instead of cosine",
            lambda embeddings, a, b, c: _solve(embeddings @ _wanted(embeddings, a, b, c), a, b, c),
            "A dot product prefers long vectors, that is frequent words. Divide by the lengths.",
        ),
        Mistake(
            "a and b swapped",
            lambda embeddings, a, b, c: _solve(
                _unit(embeddings) @ _wanted(embeddings, b, a, c), a, b, c
            ),
            "The way from a to b is E_b − E_a; this goes back.",
        ),
        Mistake(
            "distance instead of cosine",
            _distance,
            "Only the direction is compared: the nearest point is not always the nearest direction.",
        ),
        Mistake(
            "c left out of the sum",
            lambda embeddings, a, b, c: _solve(
                _unit(embeddings) @ (embeddings[b] - embeddings[a]), a, b, c
            ),
            "E_b − E_a says which way; from where do you start?",
        ),
        Mistake(
            "NaN for a vector of zeros",
            _nan,
            "0 divided by a length of 0 is NaN, and argmax takes NaN for the largest. cosine_similarity "
            "guards against it.",
        ),
        Mistake(
            "only c is excluded",
            _only_c_excluded,
            "Where c lies near a, the answer found is b again. All three words are ruled out.",
        ),
        Mistake(
            "embeddings changed in place",
            _in_place,
            "Rule words out in the similarities, not in the embeddings: the caller still needs those.",
        ),
    ),
    variants={
        "argsort": _sorted,
        "normalized": lambda embeddings, a, b, c: _solve(
            _unit(embeddings) @ _unit(_wanted(embeddings, a, b, c)), a, b, c
        ),
    },
)
