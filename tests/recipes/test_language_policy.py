"""The recipes of chapter 9: fine-tuning, the judge of words, exact estimates of the KL, exposure bias."""

import copy
from types import SimpleNamespace

import pytest
import torch

from rlcourse.support.generation import Generation
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.ratings import Snippet, load_snippets, split_snippets
from rlcourse.support.seeding import make_generator, no_global_rng
from rlcourse.support.tokenizer import END_ID, VOCAB_SIZE, decode, encode

RECIPES = ("exposure_bias", "kl_estimators", "review_writer", "sft", "word_judge")


@pytest.fixture(scope="module")
def lp(recipe):
    """All that the recipes of chapter 9 define, in one place."""
    return SimpleNamespace(**{k: v for name in RECIPES for k, v in vars(recipe(name)).items()})


def tiny_model(seed=0):
    size = GPT2Config(VOCAB_SIZE, n_positions=40, n_embd=8, n_layer=1, n_head=2)
    return GPT2(size, make_generator(seed))


def snippets(*texts_and_ratings):
    return [Snippet("film", str(i), (r,), t) for i, (t, r) in enumerate(texts_and_ratings)]


def test_demonstrations_are_cut_where_they_should_be(lp):
    rated = snippets(
        ("A warm, funny and clever film about people.", 3), ("Dull, long and loud all over.", -2)
    )
    data = lp.demonstrations(rated, at_least=1.0)
    (ids,) = encode([rated[0].text])
    assert data.tokens.tolist() == [[END_ID, *ids, END_ID]]
    assert data.prompt_lengths.tolist() == [lp.PROMPT]
    assert len(lp.demonstrations(rated).tokens) == 2
    mask = lp.masks_of(data)[0].bool()
    assert decode(data.tokens[0][: lp.PROMPT]) + decode(data.tokens[0][mask]) == rated[0].text
    assert data.tokens[0][mask][-1] == END_ID


def test_what_does_not_fit_is_no_demonstration(lp):
    rated = snippets(("word " * 40, 3), ("Hm", 3))
    assert len(lp.demonstrations([*rated, *snippets(("A good film with a heart.", 2))]).tokens) == 1


def test_demonstrations_leave_the_other_parts_alone(lp):
    trained = {tuple(row) for row in lp.demonstrations(lp.film_part("rm")).tokens.tolist()}
    for name in ("judge", "val", "test"):
        others = {tuple(row) for row in lp.demonstrations(lp.film_part(name)).tokens.tolist()}
        stripped = [{tuple(t for t in row if t) for row in part} for part in (trained, others)]
        assert not stripped[0] & stripped[1], name
    with pytest.raises(AttributeError):
        lp.film_part("train")


def test_prompts_are_the_beginnings(lp):
    part = split_snippets(load_snippets("film")).val
    prompts = lp.film_prompts(part, 20)
    assert prompts.shape == (20, lp.PROMPT) and bool((prompts[:, 0] == END_ID).all())
    assert part[0].text.startswith(decode(prompts[0]))


def test_fine_tuning_learns_the_demonstrations(lp):
    data = lp.demonstrations(lp.film_part("rm")[:200], at_least=0.0)
    model = tiny_model()
    before = lp.demonstrated_loss(model, data)
    config = lp.SFTConfig(epochs=6, learning_rate=3e-2)
    with no_global_rng():
        losses = lp.train_sft(model, data, config, make_generator(0))
    assert len(losses) == 6 * -(-len(data.tokens) // config.batch)
    assert losses[0] == pytest.approx(before, abs=0.1)
    assert lp.demonstrated_loss(model, data) < before - 1.0


def test_the_same_seed_fine_tunes_the_same(lp):
    data = lp.demonstrations(lp.film_part("rm")[:80], at_least=0.0)
    made = []
    for seed in (1, 1, 2):
        model = tiny_model()
        lp.train_sft(model, data, lp.SFTConfig(epochs=1), make_generator(seed))
        made.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_the_mask_decides_what_is_learned(lp):
    data = lp.demonstrations(lp.film_part("rm")[:200], at_least=0.0)
    silent = copy.deepcopy(tiny_model())
    config = lp.SFTConfig(epochs=2, weight_decay=0.0)
    lp.train_sft(silent, data, config, make_generator(0), mask=torch.zeros(data.tokens.shape))
    for a, b in zip(silent.parameters(), tiny_model().parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_bad_settings_are_refused(lp):
    with pytest.raises(ValueError, match="at least 1"):
        lp.SFTConfig(epochs=0)
    with pytest.raises(ValueError, match="leave must lie"):
        lp.TopicWorld(leave=1.5)


def test_measures_of_what_was_written(lp):
    tokens = torch.tensor([[0, 5, 7, 8, 0, 0], [0, 5, 7, 8, 7, 8]])
    mask = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    found = Generation(tokens, torch.zeros(2, 4), mask)
    assert lp.ended(found) == 0.5
    assert lp.distinct_pairs(found) == pytest.approx(3 / 5)  # 7 8, 8 0, 7 8, 8 7, 7 8


def test_the_judge_of_words_agrees_with_people_on_texts_it_never_saw(lp):
    judge = lp.train_word_judge(lp.film_part("judge"))
    val = lp.film_part("val")
    given = torch.tensor([s.mean for s in val], dtype=torch.float64)
    guessed = judge.score([s.text for s in val])
    assert 0.5 < torch.corrcoef(torch.stack([guessed, given]))[0, 1] < 0.7
    good, bad = judge.score(["a wonderful and moving film", "a dull and stupid film"])
    assert good > bad + 1


def test_the_judge_of_words_solves_its_regression(lp):
    rated = snippets(*[("good film", 3), ("bad film", -3)] * 10)
    judge = lp.train_word_judge(rated, minimum=1, ridge=1e-6)
    assert judge.score(["good film", "bad film"]).tolist() == pytest.approx([3, -3], abs=1e-3)


@pytest.mark.parametrize("distance", [0.1, 0.5, 1.0, 2.0])
def test_which_estimate_is_right_as_a_value_and_which_as_a_gradient(lp, distance):
    k1, k2, k3 = (lp.judge(kind, distance) for kind in lp.KINDS)
    assert abs(k1.bias) < 1e-12 and abs(k3.bias) < 1e-12
    assert abs(k2.bias) > 1e-3 * k2.kl
    assert k1.gradient_error == pytest.approx(1.0)  # its expected gradient is 0
    assert k2.gradient_error < 1e-12
    assert k3.gradient_error > 0.02
    assert lp.other_direction(distance) < 1e-12


def test_near_k3_is_quiet_and_far_it_is_not(lp):
    for seed in range(3):
        near = {kind: lp.judge(kind, 0.1, seed).spread for kind in lp.KINDS}
        far = {kind: lp.judge(kind, 2.0, seed).spread for kind in lp.KINDS}
        assert near["k1"] > 5 * near["k3"] and far["k3"] > 2 * far["k1"]


def test_gradients_agree_with_sampling(lp):
    """The exact deviation of one response's gradient, against 4,000 that were drawn."""
    world, theta, reference = lp.policies(0.5)
    theta.requires_grad_(True)
    drawn = world.sample(theta, torch.zeros(4000).long(), make_generator(0))
    log_ratio = world.log_probs(theta)[0] - world.log_probs(reference)[0]
    rows = []
    for response in range(64):
        loss = log_ratio[response].square() / 2
        rows.append(torch.autograd.grad(loss, theta, retain_graph=True)[0].flatten())
    gradients = torch.stack(rows)[drawn]
    deviation = gradients.var(dim=0).sum().sqrt()
    (wanted,) = torch.autograd.grad(world.kl(theta, reference).mean(), theta)
    assert deviation / wanted.norm() == pytest.approx(lp.judge("k2", 0.5).gradient_spread, rel=0.05)


def test_what_each_penalty_does_to_a_policy(lp):
    ends = {kind: lp.pulled_back(kind, updates=100)[-1] for kind in lp.KINDS}
    start = lp.pulled_back("k1", updates=1)[0]
    assert ends["k1"] == pytest.approx(start, rel=1e-9)
    assert ends["k2"] < 0.2 * start and ends["k3"] < 0.2 * start


def test_places_are_those_of_sampled_texts(lp):
    world = lp.TopicWorld(topics=2, words=3, leave=0.2, length=6)
    chances, first = world.people(make_generator(0))
    torch.testing.assert_close(chances.sum(1), torch.ones(6).double())
    leaving = torch.stack([chances[i][torch.arange(6) // 3 != i // 3].sum() for i in range(6)])
    torch.testing.assert_close(leaving, torch.full((6,), 0.2).double())
    counts = lp.read_texts(chances, first, 20_000, world.length, make_generator(1))
    expected = lp.places(chances, first, world.length)[:-1].sum(dim=0)
    torch.testing.assert_close(counts.sum(dim=1) / 20_000, expected, rtol=0.03, atol=0.01)


def test_exposure_bias_grows_along_the_text(lp):
    people, itself = lp.mistakes_by_position(lp.TopicWorld(leave=0.001), texts=60, seeds=5)
    assert people[0] == pytest.approx(float(itself[0]))
    assert bool((itself[2:] > people[2:]).all())
    assert bool((itself.diff()[:10] > 0).all())
    assert itself[-1] > 1.3 * people[-1]


def test_an_imitator_that_has_read_everything_has_no_exposure_bias(lp):
    people, itself = lp.mistakes_by_position(lp.TopicWorld(words=3), texts=20_000, seeds=1)
    assert itself[-1] < 0.02 and itself[-1] == pytest.approx(float(people[-1]), abs=0.003)


@pytest.mark.slow
def test_fine_tuning_the_shipped_model_teaches_it_to_stop(lp):
    base, data = lp.load_base(), lp.demonstrations(lp.film_part("rm"), at_least=1.0)
    unseen = lp.demonstrations(lp.film_part("val"), at_least=1.0)
    judge, prompts = (
        lp.train_word_judge(lp.film_part("judge")),
        lp.film_prompts(lp.film_part("val"), 150),
    )
    policy = copy.deepcopy(base).train()
    lp.train_sft(policy, data, lp.SFTConfig(), make_generator(1))
    before, after = (lp.report_on(m.eval(), prompts, judge, seed=2) for m in (base, policy))
    assert lp.demonstrated_loss(policy, unseen) < lp.demonstrated_loss(base, unseen) - 0.02
    assert after.ended > max(0.6, before.ended + 0.3)
    assert after.rating > before.rating
    assert after.distinct > 0.7
