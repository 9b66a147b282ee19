"""The small language models of chapter 1: who sees what, what is counted, and that they learn."""

from types import SimpleNamespace

import pytest
import torch

from rlcourse.support.ratings import Snippet
from rlcourse.support.seeding import make_generator, no_global_rng

RECIPES = (
    "film_gpt",
    "language_models",
    "senses",
    "text_tasks",
    "tiny_transformer",
    "word_reader",
    "word_vectors",
    "words",
)


@pytest.fixture(scope="module")
def lm(recipe):
    """All that the recipes of chapter 1 define, in one place."""
    return SimpleNamespace(**{k: v for name in RECIPES for k, v in vars(recipe(name)).items()})


def small_model(lm, seed=0, size=16):
    config = lm.TransformerConfig(vocab_size=20, size=size, heads=2, blocks=2, longest=12)
    return lm.TinyTransformer(config, make_generator(seed))


def some_tokens(seed, *shape):
    return torch.randint(8, 20, shape, generator=make_generator(seed))


def test_words_and_back(lm):
    words = lm.split_words("It's GOOD, isn’t it? 12 times!")
    assert words == ["it's", "good", ",", "isn't", "it", "?", "12", "times", "!"]
    vocabulary = lm.Vocabulary([["a", "b", "a", "."]], minimum=2)
    assert vocabulary.encode(["a", "b"]) == [8, lm.RARE]
    assert vocabulary.decode([lm.START, 8, lm.RARE, lm.END, lm.PAD]) == "a <rare>"
    assert lm.pad([[1, 9], [1]]).tolist() == [[1, 9], [1, lm.PAD]]


def test_who_looks_at_whom(lm):
    tokens = torch.tensor([[lm.START, 9, 10, lm.PAD]])
    assert lm.both_sides(tokens)[0, 0].tolist() == [True, True, True, False]
    assert lm.left_only(tokens)[0, 1].tolist() == [True, True, False, False]
    prefix = lm.source_then_left(tokens, torch.tensor([2]))[0]
    assert prefix[0].tolist() == [True, True, False, False]
    assert prefix[2].tolist() == [True, True, True, False]


@torch.no_grad()
def test_a_causal_model_does_not_see_what_comes(lm):
    model, tokens = small_model(lm), some_tokens(0, 2, 8)
    changed = tokens.clone()
    changed[:, 5:] = some_tokens(1, 2, 3)
    one, other = (model(t, lm.left_only(t)) for t in (tokens, changed))
    torch.testing.assert_close(one[:, :5], other[:, :5])
    assert not torch.allclose(one[:, 5:], other[:, 5:])
    both = (model(t, lm.both_sides(t)) for t in (tokens, changed))
    assert not torch.allclose(*(hidden[:, 0] for hidden in both))


@torch.no_grad()
def test_padding_changes_nothing(lm):
    model, text = small_model(lm), [lm.START, 9, 12, 15]
    alone, padded = lm.pad([text]), lm.pad([text, [lm.START, *[8] * 9]])
    for visible in (lm.both_sides, lm.left_only):
        hidden = model(padded, visible(padded))[:1, :4]
        torch.testing.assert_close(hidden, model(alone, visible(alone)))
    torch.testing.assert_close(
        lm.mean_log_likelihoods(model, [text, [lm.START, *[8] * 9]])[0],
        -lm.causal_loss(model, [text]),
    )


def test_rare_words_are_not_predicted(lm):
    model = small_model(lm)
    with torch.no_grad():
        assert lm.causal_loss(model, [[lm.START, lm.RARE, lm.RARE]]) == 0
        with_rare = lm.text_to_text_loss(model, [([9], [lm.RARE, 10])])
        model.words.weight[lm.RARE] += 5.0
        assert lm.text_to_text_loss(model, [([9], [10])]) != with_rare


def test_weights_come_from_the_generator_alone(lm):
    models = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            models.append(small_model(lm))
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)


def test_no_global_randomness_and_the_same_seed_twice(lm):
    texts = [[lm.START, *row, lm.END] for row in some_tokens(2, 20, 6).tolist()]
    runs = []
    with no_global_rng():
        for _ in range(2):
            model = small_model(lm)
            losses = lm.train_masked(
                model, texts, lm.TrainingConfig(steps=3, batch=4), make_generator(0)
            )
            losses += lm.train_causal(
                model, texts, lm.TrainingConfig(steps=3, batch=4), make_generator(1)
            )
            runs.append(losses)
    assert runs[0] == runs[1]


def test_masked_model_learns_what_stands_beside(lm):
    """Texts that count: a hidden number can be read off its neighbours on either side."""
    texts = [[lm.START, *range(first, first + 5), lm.END] for first in range(8, 15)]
    model = small_model(lm, size=32)
    config = lm.TrainingConfig(steps=300, batch=16, learning_rate=5e-3, mask_rate=0.3)
    losses = lm.train_masked(model, texts, config, make_generator(0))
    assert losses[0] > 2.0 and sum(losses[-20:]) / 20 < 0.8
    for place in (1, 3):
        tokens = torch.tensor([[lm.START, 10, 11, 12, 13, 14, lm.END]])
        hidden = int(tokens[0, place])
        tokens[0, place] = lm.MASK
        with torch.no_grad():
            states = model(tokens, lm.both_sides(tokens))
        assert model.logits(states[0, place]).argmax() == hidden


def test_nothing_to_guess_is_no_disaster(lm):
    texts = [[lm.START, 9, lm.END]]
    config = lm.TrainingConfig(steps=5, batch=1, mask_rate=0.01)
    losses = lm.train_masked(small_model(lm), texts, config, make_generator(0))
    assert losses == [0.0] * 5


def test_causal_model_learns_to_count(lm):
    texts = [[lm.START, *range(first, first + 5), lm.END] for first in range(8, 15)]
    model = small_model(lm)
    config = lm.TrainingConfig(steps=150, batch=16, learning_rate=1e-2)
    lm.train_causal(model, texts, config, make_generator(0))
    written = lm.continue_texts(model, [lm.START, 10], 2, 8, 0.0, None, make_generator(0))
    assert written == [[lm.START, 10, 11, 12, 13, 14, lm.END]] * 2


def test_text_to_text_model_obeys_its_prefix(lm):
    """Token 8 asks for the next number, 9 for the one before."""
    pairs = [([8, a], [a + 1]) for a in range(11, 19)]
    pairs += [([9, a], [a - 1]) for a in range(11, 19)]
    model = small_model(lm, size=32)
    config = lm.TrainingConfig(steps=300, batch=16, learning_rate=5e-3)
    lm.train_text_to_text(model, pairs, config, make_generator(0))
    assert lm.answer(model, [[8, 14], [9, 14]], 3) == [[15], [13]]


def test_pairs_of_neighbours_stay_inside_a_text(lm):
    texts, counts = [[0, 1, 2], [3, 4]], torch.ones(5)
    config = lm.SkipGramConfig(window=2, frequent=1.0)
    found = {tuple(p) for p in lm.context_pairs(texts, counts, config, make_generator(0)).tolist()}
    assert found <= {(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0), (3, 4), (4, 3)}
    assert {(0, 1), (3, 4), (4, 3)} <= found


def test_words_of_the_same_company_get_similar_vectors(lm):
    """Words 0 and 1 stand beside 2 and 3, words 4 and 5 beside 6 and 7."""
    draw = make_generator(0)
    texts = [
        [*(k * 4 + torch.randint(0, 2, (1,), generator=draw)).tolist(),
         *(k * 4 + 2 + torch.randint(0, 2, (1,), generator=draw)).tolist()]
        for k in (0, 1) for _ in range(400)
    ]  # fmt: skip
    config = lm.SkipGramConfig(size=8, epochs=8, batch=64, frequent=1.0)
    vectors = lm.train_skip_gram(texts, 8, config, make_generator(1))
    unit = torch.nn.functional.normalize(vectors)
    assert unit[0] @ unit[1] > unit[0] @ unit[4] + 0.5
    assert unit[4] @ unit[5] > unit[1] @ unit[5] + 0.5


def test_merging_replaces_half_of_two_words_and_nothing_else(lm):
    texts = [["a", "b", "c"]] * 500
    merged = lm.merge_words(texts, "a", "b", make_generator(0))
    assert all(text[2] == "c" for text in merged)
    for place, word in enumerate("ab"):
        share = sum(text[place] == "a/b" for text in merged) / 500
        assert 0.35 < share < 0.65
        assert {text[place] for text in merged} == {word, "a/b"}


def test_occurrences_are_found_where_they_are(lm):
    texts = [[lm.START, 9, 10, lm.END], [lm.START, 11, lm.END], [lm.START, 10, 10, lm.END]]
    found = lm.find_occurrences(small_model(lm), texts, 10)
    assert found.places == [(0, 2), (2, 1)]
    assert found.hidden.shape == (2, 16) and found.guesses.shape == (2, 20)


def test_accuracy_of_centroids_leaves_the_vector_out(lm):
    senses = torch.tensor([False, True] * 10)
    apart = torch.randn(20, 4, generator=make_generator(0)) + 9.0 * senses.unsqueeze(1)
    assert lm.centroid_accuracy(apart, senses) == 1.0
    noise = torch.randn(400, 300, generator=make_generator(1))  # with itself inside: 100 %
    assert 0.35 < lm.centroid_accuracy(noise, torch.arange(400) % 2 == 0) < 0.65
    assert lm.two_dimensions(apart).shape == (20, 2)


def test_tasks_are_told_apart_by_their_prefix(lm):
    snippet = Snippet("news", "1", (-2, -2), "the mayor said that nothing at all would change")
    vocabulary = lm.Vocabulary(
        [[*lm.split_words(snippet.text), "rate", "source", "fill", "news", "bad", ":"]], minimum=1
    )
    pairs = lm.task_pairs(vocabulary, [snippet], make_generator(0))
    said = [(vocabulary.decode(a)[:4], vocabulary.decode(b)) for a, b in pairs]
    assert said[1:] == [*[("rate", "bad")] * 3, ("sour", "news")]
    source, target = lm.fill_pair(vocabulary, snippet, make_generator(1))
    kept = [w for w in [*source[2:], *target] if w >= 8]
    assert sorted(kept) == sorted(lm.read(vocabulary, "rate", snippet)[2:])


def test_a_reader_of_words_likes_what_people_liked(lm):
    snippets = [Snippet("film", str(i), (3,), "good fun") for i in range(20)]
    snippets += [Snippet("film", str(i), (-3,), "bad fun") for i in range(20)]
    reader = lm.WordReader(snippets, lm.Vocabulary([["good", "bad", "fun"]], minimum=1))
    scores = reader(["good", "fun", "bad", "unheard of"]).tolist()
    assert scores[0] > 1.5 and scores[2] < -1.5
    assert abs(scores[1]) < 0.2 and abs(scores[3]) < 0.2


@pytest.mark.parametrize("bad", [{"steps": 0}, {"learning_rate": 0.0}, {"mask_rate": 1.5}])
def test_bad_settings_are_refused(lm, bad):
    with pytest.raises(ValueError, match="must"):
        lm.TrainingConfig(**bad)
    with pytest.raises(ValueError, match="positive"):
        lm.SkipGramConfig(window=0)
    with pytest.raises(ValueError, match="do not divide"):
        lm.TransformerConfig(vocab_size=9, size=10, heads=4)


def test_the_film_model_never_reads_what_it_is_judged_on(lm):
    parts = lm.film_splits()
    texts = {s.text for s in lm.training_part(parts)}
    assert not texts & {s.text for s in (*parts.test, *parts.val)}


@pytest.mark.slow
def test_the_shipped_model_is_what_its_script_goes_on_to_make(lm):
    """A short run of the same code learns; the shipped long one has learned more, and not by heart."""
    parts = lm.film_splits()
    vocabulary = lm.film_vocabulary(parts)
    unread = [lm.review_tokens(vocabulary, s.text) for s in parts.val[:200]]
    seen = [lm.review_tokens(vocabulary, s.text) for s in parts.rm[:200]]
    started, losses = lm.train_film_gpt(lm.TrainingConfig(steps=60, batch=32, learning_rate=4e-3))
    shipped = lm.load_film_gpt()
    with torch.no_grad():
        short, long, known = (
            lm.causal_loss(model, rows).item()
            for model, rows in ((started, unread), (shipped, unread), (shipped, seen))
        )
    assert losses[0] > 7.5 and short < 5.8
    assert long < 4.8 < short
    assert known < long < known + 1.2
    assert all(
        a.shape == b.shape for a, b in zip(started.parameters(), shipped.parameters(), strict=True)
    )
