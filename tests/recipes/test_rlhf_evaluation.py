"""How a fine-tuned policy is judged, and the report of it."""

import itertools
import json
import math
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
import torch

from rlcourse.support.generation import Generation
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.seeding import make_generator, no_global_rng
from rlcourse.support.tokenizer import END_ID, VOCAB_SIZE, encode

RECIPES = ("review_writer", "reward_model", "rlhf_report", "rlhf_evaluation")


@pytest.fixture(scope="module")
def ev(recipe):
    return SimpleNamespace(**{k: v for name in RECIPES for k, v in vars(recipe(name)).items()})


def tiny(seed=0, vocabulary=VOCAB_SIZE, spread=1.0):
    model = GPT2(GPT2Config(vocabulary, 60, n_embd=8, n_layer=1, n_head=2), make_generator(seed))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(spread)
    return model.eval()


def tiny_reader(ev, seed):
    size = GPT2Config(VOCAB_SIZE, 60, n_embd=8, n_layer=1, n_head=2)
    return ev.RewardModel(size, make_generator(seed)).eval()


@pytest.fixture(scope="module")
def prompts(ev):
    return ev.film_prompts(ev.film_part("test"), 24)


@pytest.fixture(scope="module")
def evaluator(ev, prompts):
    return ev.Evaluator(tiny(), tiny_reader(ev, 1), prompts, tiny_reader(ev, 2))


def test_a_text_gets_one_end_token_and_only_if_it_has_none(ev):
    e = END_ID
    tokens = torch.tensor([[e, 5, 6, e], [e, 5, 6, 7], [e, 5, e, e]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0]]).float()
    longer, counted = ev.with_end(tokens, mask)
    read = [row[keep > 0].tolist() for row, keep in zip(longer, counted, strict=True)]
    assert read == [[e, 5, 6, e], [e, 5, 6, 7, e], [e, 5, e]]
    assert torch.equal(mask, torch.tensor([[1.0] * 4, [1.0] * 4, [1, 1, 0, 0]]))


def test_a_response_has_the_score_of_its_text(ev, prompts):
    """Cut off or not, the reward model reads what ``score_texts`` would give it."""
    reader, found = tiny_reader(ev, 3), ev.write(ev.load_base(), prompts, make_generator(0))
    ended = ev.ended(found, END_ID)
    scores = ev.score_responses(reader, found)
    for row, (tokens, mask) in enumerate(zip(found.tokens, found.mask, strict=True)):
        kept = tokens[: found.prompt_length + int(mask.sum())].tolist()
        alone = torch.tensor([kept if ended[row] else [*kept, END_ID]])
        with torch.no_grad():
            expected = reader(alone, torch.ones_like(alone))
        torch.testing.assert_close(scores[row : row + 1], expected, atol=1e-5, rtol=1e-4)
    assert 0 < int(ended.sum()) < len(ended), "this test wants responses of both kinds"


def every_response(policy, prompt, room, vocabulary):
    """All responses to one prompt, each once, with its probability."""
    rows = set()
    for words in itertools.product(range(vocabulary), repeat=room):
        stop = words.index(END_ID) + 1 if END_ID in words else room
        rows.add(words[:stop])
    rows = sorted(rows)
    tokens = torch.tensor([[*prompt, *row, *[END_ID] * (room - len(row))] for row in rows])
    mask = torch.tensor([[1.0] * len(row) + [0.0] * (room - len(row)) for row in rows])
    with torch.no_grad():
        every = torch.log_softmax(policy(tokens), dim=-1)[:, len(prompt) - 1 : -1]
    log_probs = every.gather(2, tokens[:, len(prompt) :, None])[..., 0] * mask
    return Generation(tokens, log_probs, mask)


def test_the_kl_of_responses_averages_to_the_kl_of_the_policies(ev):
    """The oracle lists all responses and knows nothing of tokens."""
    policy, reference = tiny(0, 4, 12.0), tiny(1, 4, 4.0)
    prompt = (0, 2)
    found, other = (every_response(m, prompt, 3, 4) for m in (policy, reference))
    ours, theirs = found.log_probs.sum(dim=1).double(), other.log_probs.sum(dim=1).double()
    assert float(ours.exp().sum()) == pytest.approx(1.0, abs=1e-5)
    expected = float((ours.exp() * (ours - theirs)).sum())
    kls = ev.response_kls(policy, reference, found)
    assert float((ours.exp() * kls.double()).sum()) == pytest.approx(expected, rel=1e-4)
    back = float((theirs.exp() * (theirs - ours)).sum())
    assert abs(expected - back) > 0.1 * expected, "the direction must matter here"
    assert float(ev.response_kls(policy, policy, found).abs().max()) == 0.0


def test_the_reference_sets_the_scale(evaluator):
    found = evaluator.evaluate(evaluator.reference)
    for name in ("score", "judge"):
        scores = torch.tensor(found.values(name))
        assert float(scores.mean()) == pytest.approx(0.0, abs=1e-4)
        assert float(scores.std()) == pytest.approx(1.0, abs=1e-4)
    assert found.mean("kl") == 0.0


def test_distinct_counts_pairs_of_text_and_no_end(ev):
    e = END_ID
    tokens = torch.tensor([[9, 5, 6, e], [9, 5, 6, 5], [9, 7, e, e]])
    mask = torch.tensor([[1.0, 1, 1], [1, 1, 1], [1, 1, 0]])
    found = Generation(tokens, torch.zeros(3, 3), mask)
    assert ev.distinct_pairs(found, ends=False) == pytest.approx(2 / 3)  # (5, 6), (5, 6), (6, 5)
    short = Generation(tokens[2:], torch.zeros(1, 3), mask[2:])
    assert ev.distinct_pairs(short, ends=False) == 0.0


def test_equal_scores_set_no_scale(ev):
    for scores in (torch.ones(5), torch.tensor([1.0]), torch.tensor([1.0, math.nan])):
        with pytest.raises(ValueError, match="two different finite scores"):
            ev.scale_of(scores)


def test_the_same_policy_gets_the_same_evaluation_and_keeps_its_mode(evaluator):
    policy = tiny(5, spread=3.0).train()
    with no_global_rng():
        one, two = evaluator.evaluate(policy), evaluator.evaluate(policy)
    assert one == two or str(one) == str(two)
    assert policy.training
    assert one.mean("kl") > 0.01


def test_judges_are_not_mixed_up(ev, evaluator, prompts):
    found = evaluator.write(policy := tiny(6, spread=3.0))
    evaluation = evaluator.evaluate(policy)
    for name, seed in (("score", 1), ("judge", 2)):
        reader = tiny_reader(ev, seed)
        scale = ev.scale_of(ev.score_responses(reader, evaluator.write(evaluator.reference)))
        expected = scale(ev.score_responses(reader, found)).tolist()
        assert evaluation.values(name) == pytest.approx(expected, abs=1e-5)


def test_responses_are_told_from_their_prompts(ev, evaluator):
    policy = tiny(7, spread=2.0)
    found, evaluation = evaluator.write(policy), evaluator.evaluate(policy)
    for row, response in enumerate(evaluation.responses):
        assert response.prompt + response.text == ev.decode(found.tokens[row])
        assert encode([response.prompt])[0]
        assert response.length == int(found.mask[row].sum())
    share = sum(r.ended for r in evaluation.responses) / len(evaluation.responses)
    assert (
        evaluation.mean("ended")
        == share
        == pytest.approx(float(ev.ended(found, END_ID).float().mean()))
    )


def test_the_ridge_judge_knows_praise_from_blame(ev):
    good, bad = ev.ridge_judge().score(["A moving, wonderful film.", "A dull, stupid mess."])
    assert good > 1.0 > -0.5 > bad


def test_vader_is_optional(ev, evaluator, monkeypatch, tmp_path):
    monkeypatch.setitem(ev.load_vader.__wrapped__.__globals__, "find_spec", lambda name: None)
    ev.load_vader.cache_clear()
    try:
        found = evaluator.evaluate(evaluator.reference)
    finally:
        ev.load_vader.cache_clear()
    assert math.isnan(found.mean("vader"))
    report = ev.RunReport({"a": {"b": 1}}, {"x": 0.5}, [ROW], found, found)
    html, text = (path.read_text("utf-8") for path in ev.write_report(report, tmp_path))
    assert "not measured" in html
    assert json.loads(text)["before"]["vader"] is None


def test_vader_hears_praise(ev):
    pytest.importorskip("vaderSentiment")
    ev.load_vader.cache_clear()
    good, bad = ev.load_vader()(["A moving, wonderful film.", "A horrible, stupid mess."])
    assert good > 0.3 > -0.3 > bad


ROW = {
    "steps": 64.0,
    **dict.fromkeys(
        (
            "score",
            "kl",
            "kl_coef",
            "entropy",
            "approx_kl",
            "clip_fraction",
            "explained_variance",
            "response_length",
        ),
        0.5,
    ),
}


class Outside(HTMLParser):
    """Collects what a page asks others for."""

    def __init__(self):
        super().__init__()
        self.found, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        asked = ("src", "href", "xlink:href")
        self.found += [v for k, v in attrs if k in asked and not v.startswith("#")]


def test_the_report_stands_alone_and_escapes_what_a_model_wrote(ev, evaluator, tmp_path):
    bad = "<script>alert(1)</script> & <img src=x>"
    before = evaluator.evaluate(evaluator.reference)
    rude = ev.Response("A film", bad, True, 3, 1.0, 9.0, -1.0, 0.1, 0.2)
    after = ev.Evaluation((rude, *before.responses[1:]), 0.5)
    rows = [ROW, ROW | {"steps": 128.0, "score": 0.7, "explained_variance": math.nan}]
    report = ev.RunReport({"note": bad, "ppo": {"x": 1}}, {"accuracy": 0.7}, rows, before, after)
    page, text = (path.read_text("utf-8") for path in ev.write_report(report, tmp_path))
    parser = Outside()
    parser.feed(page)
    assert parser.found == []
    assert "script" not in parser.tags and "img" not in parser.tags and "link" not in parser.tags
    assert page.count("&lt;script&gt;") >= 3  # samples, what is liked best, settings
    assert parser.tags.count("svg") == 2 and "url(http" not in page
    names = re.findall(r' id="([^"]+)"', page)
    shared = {n for n in names if names.count(n) > 1}
    assert not {n for n in shared if f"url(#{n})" in page}, "two figures share a clip path"
    table = json.loads(text)
    assert table["log"][1]["explained_variance"] is None
    assert table["responses"]["after"][0]["text"] == bad
    assert table["after"]["score"] == pytest.approx(after.mean("score"))
