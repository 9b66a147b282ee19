"""The recipes of chapter 10: comparisons, the reward model, the linear reader, and what is asked of them."""

from types import SimpleNamespace

import pytest
import torch

from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.preferences import Comparisons, RewardModelConfig
from rlcourse.support.ratings import Snippet, load_snippets, split_snippets
from rlcourse.support.seeding import make_generator, no_global_rng
from rlcourse.support.tokenizer import END_ID, VOCAB_SIZE

RECIPES = ("comparisons", "linear_reader", "reward_model", "reward_report")


@pytest.fixture(scope="module")
def rm(recipe):
    """All that the recipes of chapter 10 define, in one place."""
    return SimpleNamespace(**{k: v for name in RECIPES for k, v in vars(recipe(name)).items()})


@pytest.fixture(scope="module")
def film():
    return split_snippets(load_snippets("film"))


def tiny_model(seed=0):
    size = GPT2Config(VOCAB_SIZE, n_positions=90, n_embd=8, n_layer=1, n_head=2)
    return GPT2(size, make_generator(seed))


def snippets(*texts_and_ratings):
    return [Snippet("film", str(i), tuple(r), t) for i, (t, r) in enumerate(texts_and_ratings)]


def test_duels_of_means_follow_the_means(rm):
    rated = snippets(("a", [1, 3]), ("b", [0, 0]), ("c", [2, 2]))
    duels = rm.duels_of_means(rated, 500, make_generator(0))
    assert bool((duels.first != duels.second).all())
    means = torch.tensor([2.0, 0.0, 2.0])
    gap = means[duels.first] - means[duels.second]
    assert torch.equal(duels.outcome, (gap.sign() / 2 + 0.5).double())
    chosen, rejected = duels.chosen_rejected()
    assert bool((means[chosen] > means[rejected]).all())
    assert len(chosen) == int((gap != 0).sum())


def test_duels_of_raters_have_the_shares_of_rater_pairs(rm):
    rated = snippets(("a", [1, 3, -2]), ("b", [0, 1, 1]))
    duels = rm.duels_of_raters(rated, 40_000, make_generator(1))
    score = torch.where(duels.first == 0, duels.outcome, 1 - duels.outcome).mean()
    by_hand = (1 + 0.5 + 0.5 + 3 + 0) / 9  # 1 beats 0 and ties twice, 3 beats all, -2 none
    assert float(score) == pytest.approx(by_hand, abs=0.01)
    shares = rm.grade_shares(rated)
    assert float(rm.win_shares(shares, shares)[0, 1]) == pytest.approx(by_hand, abs=1e-6)


def test_win_shares_add_up_to_one(rm, film):
    shares = rm.grade_shares(film.val[:50])
    wins = rm.win_shares(shares, shares)
    torch.testing.assert_close(wins + wins.T, torch.ones(50, 50))


def test_expected_loss_is_the_mean_over_rater_pairs(rm):
    rated = snippets(("a", [1, 3]), ("b", [0, 1]), ("c", [-1, -1]))
    scores = torch.tensor([0.3, -0.4, 0.9], requires_grad=True)
    total, softplus = 0.0, torch.nn.functional.softplus
    for i, j in ((0, 1), (0, 2), (1, 2)):
        for a in rated[i].ratings:
            for b in rated[j].ratings:
                share = 0.5 if a == b else float(a > b)
                lead = scores[i] - scores[j]
                each = share * softplus(-lead) + (1 - share) * softplus(lead)
                total = total + each / (len(rated[i].ratings) * len(rated[j].ratings))
    found = rm.expected_loss(scores, rm.grade_shares(rated))
    torch.testing.assert_close(found, total / 3)


def test_the_human_ceiling(rm, film):
    """FINALE: one rater against the rest .830 on the film test part."""
    for seed in range(3):
        found = rm.human_ceiling(film.test, 20_000, make_generator(seed))
        assert 0.81 < found.one_rater < 0.85
        assert 0.12 < found.ties < 0.17
        assert 0.88 < found.half < 0.93
    sure = snippets(("a", [2, 2, 2, 2]), ("b", [-1, -1, -1, -1]))
    assert rm.human_ceiling(sure, 50, make_generator(0)).one_rater == 1.0


def test_one_rater_is_never_among_the_others(rm):
    """Two raters who always disagree: whoever guesses is always wrong about the rest."""
    rated = snippets(("a", [3, -3]), ("b", [-3, 3]), ("c", [3, -3]), ("d", [-3, 3]))
    found = rm.human_ceiling(rated, 4000, make_generator(2))
    assert found.one_rater < 0.3


def test_batches_hold_each_row_once_and_like_lengths(rm):
    lengths = torch.randint(4, 60, (1000,), generator=make_generator(3))
    batches = list(rm.length_buckets(lengths, 32, make_generator(4)))
    assert sorted(torch.cat(batches).tolist()) == list(range(1000))
    spread = torch.stack([(lengths[b].max() - lengths[b].min()).float() for b in batches]).mean()
    assert spread < 12
    again = list(rm.length_buckets(lengths, 32, make_generator(5)))
    assert not torch.equal(batches[0], again[0])


def test_scores_do_not_depend_on_padding_or_company(rm):
    model = rm.new_reward_model(tiny_model(), 0.0, make_generator(0)).eval()
    rows = rm.token_rows(["A fine film.", "Dull and long and loud and late."], 90)
    from rlcourse.support.masking import pad_left, pad_right

    found = []
    for pad in (pad_right, pad_left):
        mask = pad([[1] * len(row) for row in rows], 0)
        found.append(model(pad(rows, END_ID), mask))
    alone = [model(torch.tensor([row]), torch.ones(1, len(row))) for row in rows]
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[0], torch.cat(alone), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        rm.score_texts(model, ["Dull and long and loud and late.", "A fine film."], batch=1),
        found[0].detach().flip(0), atol=1e-5, rtol=1e-4,
    )  # fmt: skip


def test_the_head_begins_small(rm):
    heads = [rm.RewardModel(GPT2Config(50, 8, 255, 1, 5), make_generator(s)).head for s in range(5)]
    weights = torch.cat([head.weight.detach().flatten() for head in heads])
    assert float(weights.std()) == pytest.approx(1 / 16, rel=0.1)
    assert not any(bool(head.bias.any()) for head in heads)


@pytest.mark.parametrize("labels", ["raters", "means"])
def test_training_learns_and_is_reproducible(rm, film, labels):
    some = film.rm[:128]
    config = rm.RewardTrainingConfig(epochs=6, batch=32, learning_rate=1e-2, labels=labels)
    with no_global_rng():
        model, losses = rm.train_on_ratings(tiny_model(), some, config, make_generator(0), True)
    assert len(losses) == 6 * 4 and losses[0] == pytest.approx(0.7, abs=0.1)
    assert rm.pair_accuracy(rm.score_texts(model, [s.text for s in some]), some) > 0.6
    again, other = (
        rm.train_on_ratings(tiny_model(), some, config, make_generator(s), True)[1] for s in (0, 1)
    )
    assert again == losses and other != losses


def test_bad_settings_are_refused(rm):
    with pytest.raises(ValueError, match="labels"):
        rm.RewardTrainingConfig(labels="stars")
    with pytest.raises(ValueError, match="batch"):
        rm.RewardTrainingConfig(batch=1)
    with pytest.raises(ValueError, match="no reward model"):
        rm.load_reward_model("other")
    with pytest.raises(ValueError, match="keeps 0"):
        rm.select_best(torch.zeros(3), {}, 0.01)


def test_the_parts_share_no_text_with_each_other(film):
    seen = [{" ".join(s.text.lower().split()) for s in part} for part in
            (film.rm, film.judge, film.val, film.test)]  # fmt: skip
    assert not any(a & b for i, a in enumerate(seen) for b in seen[:i])


def test_the_curve_of_the_linear_reader(rm, film):
    config = rm.LinearReaderConfig()
    for draw in (rm.duels_of_raters, rm.duels_of_means):
        points = rm.accuracy_curve(film.rm, film.test, (100, 1000, 10_000), draw, config, (5,))
        few, some, many = (p.accuracies[0] for p in points)
        assert 0.52 < few < 0.59 < some < 0.66 < many < 0.73


def test_all_pairs_are_better_than_pair_by_pair(rm, film):
    config = rm.LinearReaderConfig(batch=64)
    for seed in (1, 2):
        ways = rm.compare_ways(film.rm, film.test, config, make_generator(seed))
        assert ways.all_pairs > ways.pair_by_pair + 0.003
        assert 0.69 < ways.all_pairs < 0.74


def test_a_split_by_pair_leaks(rm, film):
    some = film.rm[:800]
    index = rm.known_terms(some, 1)
    table, unseen = rm.term_table(some, index), rm.term_table(film.test, index)
    data = table.comparisons(rm.duels_of_means(some, 20_000, make_generator(7)))
    model = rm.LinearReader(len(index))
    config = RewardModelConfig(epochs=2, batch=64, learning_rate=0.02)
    assert rm.train_with_a_leak(model, data, config, make_generator(8)) > 0.89
    assert rm.pair_accuracy(unseen.scores(model).detach(), film.test) < 0.68


def test_reliability_and_the_error_made_of_it(rm):
    generator = make_generator(9)
    probs = torch.rand(500, generator=generator).double()
    outcomes = (torch.rand(500, generator=generator) < probs**2).double()
    found = rm.reliability(probs, outcomes, 7)
    by_parts = sum(
        n * abs(s - t) for n, s, t in zip(found.sizes, found.seen, found.stated, strict=True)
    )
    assert sum(found.sizes) == 500
    from rlcourse.reward_model import calibration_error

    assert by_parts / 500 == pytest.approx(float(calibration_error(probs, outcomes, 7)))


def test_length_bias_is_found_where_it_is(rm, film):
    part = film.test
    means = torch.tensor([s.mean for s in part])
    words = torch.tensor([float(len(s.text.split())) for s in part])
    biased = rm.length_bias(means + 0.1 * words, part, 20_000, make_generator(0))
    noise = 0.5 * torch.randn(len(part), generator=make_generator(1))
    fair = rm.length_bias(means + noise, part, 20_000, make_generator(0))
    assert biased.left_over > 0.5 and biased.longer > 0.9
    assert abs(fair.left_over) < 0.1 and fair.longer == pytest.approx(0.5, abs=0.06)


def test_disagreement_of_judges(rm, film):
    part = film.test
    means = torch.tensor([s.mean for s in part])
    noise = torch.randn(len(part), generator=make_generator(1))
    same = rm.disagreement(means, means, part, 2000, make_generator(2))
    assert same.agree == 1.0 and same.right_together == 1.0
    found = rm.disagreement(means, noise, part, 4000, make_generator(2))
    assert found.agree == pytest.approx(0.5, abs=0.05) and found.first_right == 1.0


def test_who_picks_the_best_of_noise_picks_noise(rm):
    truth = torch.randn(2000, generator=make_generator(3))
    guess = truth + torch.randn(2000, generator=make_generator(4))
    found = rm.select_best(guess, {"truth": truth}, 0.01)
    assert found.chooser > 2.3 and found.others["truth"] < 0.85 * found.chooser


def test_comparisons_of_other_sizes_are_refused():
    tokens = torch.zeros(3, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match="tokens and mask"):
        Comparisons(tokens, torch.ones(3), torch.zeros(1).long(), torch.zeros(1).long())
    with pytest.raises(ValueError, match="chosen and rejected"):
        Comparisons(tokens, torch.ones(3, 2), torch.zeros(2).long(), torch.zeros(1).long())
    for wrong in ({"held_out": 0.0}, {"epochs": 0}, {"learning_rate": 0.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RewardModelConfig(**wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rm", "judge"])
def test_the_shipped_models_reach_what_their_card_says(rm, film, name):
    scores = rm.score_texts(rm.load_reward_model(name), [s.text for s in film.test])
    assert 0.68 < rm.pair_accuracy(scores, film.test) < 0.75


@pytest.mark.slow
def test_one_pass_over_the_ratings_is_on_its_way(rm, film):
    """One seed of the acceptance of the syllabus, at least .69.

    Measured with seeds 0, 1, 2: .7027, .7020, .7002, in 75 CPU seconds each, by ``python -m autograder.data.reward_gpt
    --seeds 3``.
    Here one pass instead of three, with a lower bar.
    """
    from rlcourse.recipes.review_writer import load_base

    config = rm.RewardTrainingConfig(epochs=1)
    model, losses = rm.train_on_ratings(load_base(), film.rm, config, make_generator(0), True)
    assert rm.pair_accuracy(rm.score_texts(model, [s.text for s in film.test]), film.test) > 0.57
    assert sum(losses[-10:]) < sum(losses[:10]) - 0.2
