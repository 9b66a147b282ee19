"""The human ratings: complete, unharmed, and split without a leak."""

import hashlib
import random
import re
from collections import Counter
from importlib.resources import files

import pytest

from rlcourse.support.ratings import SOURCES, Snippet, load_snippets, split_snippets

PARTS = ("rm", "judge", "val", "test")


def plain(snippet):
    return " ".join(re.findall(r"\w+", snippet.text.lower()))


def made_up(number):
    return [Snippet("film", str(i), (1, 2), f"text {i}") for i in range(number)]


def test_all_snippets_are_there():
    counts = Counter(snippet.source for snippet in load_snippets())
    assert counts == {"film": 10_605, "product": 3_708, "news": 5_190, "tweet": 4_200}
    assert tuple(counts) == SOURCES


def test_ratings_are_those_of_fifteen_people_or_more():
    snippets = load_snippets()
    assert min(len(snippet.ratings) for snippet in snippets) == 15
    assert sum(len(snippet.ratings) for snippet in snippets) == 536_520
    assert {r for snippet in snippets for r in snippet.ratings} == set(range(-4, 5))


def test_known_snippets():
    first = load_snippets("film")[0]
    assert first.ratings == (3, 2, 2, 2, 0, 4, 3, 1, 2, 2, 4, 3, 3, 1, 2)
    assert first.mean == pytest.approx(2.26666666667)  # as the table of means says
    assert first.text.startswith("The Rock is destined")
    assert load_snippets("product")[1].text.startswith("repost from january 13, 2004")
    assert load_snippets("tweet")[2].text.startswith("We were 17 deep last night & the love")


def test_the_file_is_the_one_that_is_documented():
    folder = files("rlcourse").joinpath("data")
    card = folder.joinpath("README.md").read_text("utf-8")
    for name in ("human_ratings.tsv.xz", "film_gpt.safetensors"):
        packed = folder.joinpath(name).read_bytes()
        assert hashlib.sha256(packed).hexdigest() in card
        assert len(packed) <= 1.1e6


@pytest.mark.parametrize("source", [*SOURCES, None])
def test_no_text_is_in_two_parts(source):
    parts = split_snippets(load_snippets(source))
    texts = [{plain(snippet) for snippet in getattr(parts, name)} for name in PARTS]
    assert len(set().union(*texts)) == sum(map(len, texts))
    assert sum(len(getattr(parts, name)) for name in PARTS) == len(load_snippets(source))


def test_sizes_of_the_parts():
    parts = split_snippets(load_snippets("film"))
    sizes = [len(getattr(parts, name)) for name in PARTS]
    assert sizes[2:] == [500, 1000]
    assert abs(sizes[0] - sizes[1]) <= 2


def test_the_split_does_not_depend_on_the_order():
    snippets = list(load_snippets("tweet"))
    shuffled = random.Random(0).sample(snippets, len(snippets))
    assert set(split_snippets(snippets).test) == set(split_snippets(shuffled).test)


def test_texts_that_differ_only_in_looks_stay_together():
    twins = [Snippet("film", "a", (0,), "Good film!"), Snippet("film", "b", (4,), "good  FILM")]
    parts = split_snippets([*made_up(30), *twins], test=10, val=5)
    homes = [name for name in PARTS for s in getattr(parts, name) if s.number in "ab"]
    assert len(homes) == 2 and len(set(homes)) == 1


def test_parts_are_alike():
    parts = split_snippets(load_snippets("film"))
    means = [sum(s.mean for s in getattr(parts, n)) / len(getattr(parts, n)) for n in PARTS]
    assert max(means) - min(means) < 0.35  # the deviation of one rating is 1.8


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="no source 'books'"):
        load_snippets("books")
    with pytest.raises(ValueError, match="cannot give"):
        split_snippets(made_up(100))
