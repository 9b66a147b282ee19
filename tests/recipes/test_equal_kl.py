"""DPO, RLOO, GRPO and PPO on the small GPT-2: each does what its paper says, and the shipped runs are theirs."""

import hashlib
import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from rlcourse.support.generation import Generation
from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.seeding import make_generator, no_global_rng
from rlcourse.support.tokenizer import VOCAB_SIZE
from rlcourse.support.training_run import TrainingRun

ROOT = Path(__file__).resolve().parents[2]
SIZE = GPT2Config(VOCAB_SIZE, 60, n_embd=8, n_layer=1, n_head=2)
RECIPES = ("instruct_gpt_stages", "instruct_gpt", "equal_kl_config", "equal_kl_runs", "equal_kl")


@pytest.fixture(scope="module")
def ek(recipe):
    found = SimpleNamespace(**{k: v for name in RECIPES for k, v in vars(recipe(name)).items()})
    found.module = recipe("equal_kl")
    return found


@pytest.fixture(scope="module")
def models(ek):
    readers = [ek.RewardModel(SIZE, make_generator(seed)).eval() for seed in (1, 2)]
    return ek.Models(GPT2(SIZE, make_generator(0)).eval(), *readers, report={})


@pytest.fixture(scope="module")
def small(ek):
    return ek.EqualKLConfig(updates=2, responses=8, minibatch=8, epochs=1, learning_rate=1e-2)


def weights(model):
    return torch.cat([x.flatten() for x in model.state_dict().values()])


@pytest.mark.parametrize("method", ["dpo", "rloo", "grpo", "ppo"])
def test_every_method_begins_at_the_reference_and_leaves_it_alone(ek, models, small, method):
    before = weights(models.reference).clone()
    run = TrainingRun(None, small)
    with no_global_rng():
        policy = ek.train(models, replace(small, method=method), run, quiet=True)
    assert torch.equal(weights(models.reference), before)
    assert not torch.equal(weights(policy), before) and not policy.training
    first = run.rows[0]
    if method == "dpo":
        assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)
    else:
        assert abs(first["kl"]) < 1e-4 and first["approx_kl"] < 1e-6
    again = ek.train(models, replace(small, method=method), quiet=True)
    assert torch.equal(weights(again), weights(policy))


def test_ppo_is_that_of_chapter_11(ek, models, small):
    config = replace(small, method="ppo", beta=0.3)
    expected = ek.fine_tune(models, config.instruct_gpt, quiet=True)
    assert torch.equal(weights(ek.train(models, config, quiet=True)), weights(expected))
    settings = config.instruct_gpt
    assert settings.rlhf.kl_coef == 0.3 and settings.trained == ()
    assert (settings.updates, settings.prompts, settings.seed) == (2, 8, 0)


def batch_of(ek, models, config):
    """Responses of different length to two prompts, with made-up scores and a reference that is another model."""
    prompts = ek.prompts_of("rm")[:2].repeat_interleave(config.size, dim=0)
    other = GPT2(SIZE, make_generator(9)).eval()
    found = ek.write(models.reference, prompts, make_generator(3))
    lengths = torch.tensor([24, 3, 9, 14, 1, 20, 6, 11]).minimum(found.mask.sum(dim=1).long())
    assert len(set(lengths.tolist())) > 5
    mask = (torch.arange(24) < lengths[:, None]).float()
    found = Generation(found.tokens, found.log_probs * mask, mask)
    with torch.no_grad():
        ref = ek.response_log_probs(other, found.tokens, found.mask, 1.0)
    return ek.Answers(found, torch.randn(8, generator=make_generator(4)), ref)


def moved_by(ek, models, batch, config):
    """Minus the gradient of one step, by a step of length 1 without momentum."""
    policy = ek.copy.deepcopy(models.reference).requires_grad_(True)
    optimizer = torch.optim.SGD(policy.parameters(), lr=1.0)
    ek.group_step(policy, batch, config, optimizer, make_generator(5))
    return weights(models.reference) - weights(policy)


def gradient(ek, models, batch, loss_of):
    policy = ek.copy.deepcopy(models.reference).requires_grad_(True)
    found = batch.found
    log_probs = ek.response_log_probs(policy, found.tokens, found.mask, 1.0)
    loss_of(log_probs).backward()
    return torch.cat([p.grad.flatten() for p in policy.parameters()])


def test_rloo_follows_the_score_less_the_price_against_the_others(ek, models, small):
    config = replace(small, method="rloo", beta=0.7, max_grad_norm=1e9)
    batch = batch_of(ek, models, config)
    drawn, ref = batch.found.log_probs, batch.ref_log_probs
    paid = (batch.scores - 0.7 * (drawn.sum(1) - ref.sum(1))).tolist()
    groups = paid[:4], paid[4:]
    leads = [x - (sum(group) - x) / 3 for group in groups for x in group]
    expected = gradient(
        ek,
        models,
        batch,
        lambda new: -(torch.tensor(leads) * new.sum(dim=1)).mean() / ek.ROOM,
    )
    torch.testing.assert_close(moved_by(ek, models, batch, config), expected, atol=2e-6, rtol=1e-3)


def test_grpo_divides_and_has_the_price_in_its_loss(ek, models, small):
    config = replace(small, method="grpo", beta=0.7, max_grad_norm=1e9)
    batch = batch_of(ek, models, config)
    groups = batch.scores.reshape(2, 4)
    spread = groups.std(dim=1, keepdim=True, correction=0)
    leads = ((groups - groups.mean(dim=1, keepdim=True)) / spread).flatten()
    lengths = batch.found.mask.sum(dim=1)

    def loss_of(new):
        gain = (leads * new.sum(dim=1) / lengths).mean()
        ratios = new.sum(dim=1) - batch.ref_log_probs.sum(dim=1)
        return -gain + 0.7 / ek.ROOM * (ratios.detach() * new.sum(dim=1)).mean()

    expected = gradient(ek, models, batch, loss_of)
    torch.testing.assert_close(moved_by(ek, models, batch, config), expected, atol=2e-6, rtol=1e-3)


def test_a_group_answers_one_prompt(ek, models, small, monkeypatch):
    asked = []
    real = ek.write

    def look(policy, prompts, generator):
        asked.append(prompts)
        return real(policy, prompts, generator)

    monkeypatch.setattr(ek.module, "write", look)
    ek.train(models, small, quiet=True)
    for prompts in asked:
        groups = prompts.reshape(2, 4, -1)
        assert (groups == groups[:, :1]).all() and not torch.equal(groups[0], groups[1])
    assert not torch.equal(asked[0], asked[1])


def test_comparisons_follow_the_scores_and_stay_within_a_prompt(ek, models, small):
    pairs = ek.compare(models, replace(small, updates=200), make_generator(6))
    assert len(pairs.chosen) == 200 * 8 // 2
    answers, width = pairs.answers, pairs.answers.found.prompt_length
    prompts = answers.found.tokens[:, :width]
    assert torch.equal(prompts[pairs.chosen], prompts[pairs.rejected])
    lead = answers.scores[pairs.chosen] - answers.scores[pairs.rejected]
    far = lead.abs() > 0.3
    expected = lead.abs().sigmoid()[far].mean()
    assert float((lead > 0).float()[far].mean()) == pytest.approx(float(expected), abs=0.06)
    both = torch.cat([pairs.chosen, pairs.rejected]).sort().values
    assert both.tolist() == list(range(len(answers.scores)))


def test_dpo_learns_to_prefer_what_was_preferred(ek, models, small):
    config = replace(small, method="dpo", updates=20, epochs=2)
    policy = ek.train(models, config, quiet=True)
    pairs = ek.compare(models, config, ek.generators(config.instruct_gpt)["ppo"])
    found = pairs.answers.found
    with torch.no_grad():
        new = ek.response_log_probs(policy, found.tokens, found.mask, 1.0).sum(dim=1)
    gains = new - pairs.answers.ref_log_probs.sum(dim=1)
    assert (gains[pairs.chosen] > gains[pairs.rejected]).float().mean() > 0.7


def test_the_same_number_of_responses_is_scored_for_everyone(ek, models, small, monkeypatch):
    counts = []
    real = ek.ScaledReward.forward

    def count(self, tokens, mask):
        counts.append(len(tokens))
        return real(self, tokens, mask)

    monkeypatch.setattr(ek.ScaledReward, "forward", count)
    for method in ek.METHODS:
        counts.clear()
        ek.train(models, replace(small, method=method), quiet=True)
        assert sum(counts) == 2 * 8, method


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "reinforce"}, "no method 'reinforce'"),
        ({"beta": -0.1}, "beta"),
        ({"method": "dpo", "beta": 0.0}, "for DPO positive"),
        ({"size": 1}, "size and minibatch at least 2"),
        ({"updates": 0}, "updates and epochs"),
        ({"responses": 62}, "size and minibatch must divide"),
        ({"minibatch": 48}, "must divide responses"),
        ({"responses": 60, "minibatch": 5}, "even"),
    ],
)
def test_settings_that_make_no_sense_are_refused(ek, changes, said):
    with pytest.raises(ValueError, match=said):
        ek.EqualKLConfig(**changes)


def stored(ek, *rows):
    runs = tuple(
        ek.StoredRun(seed, "rloo", beta, {"kl": kl, "judge": judge}, [], {})
        for seed, beta, kl, judge in rows
    )
    return ek.StoredRuns({}, 10, {0: {"judge": 0.0}, 1: {"judge": 0.0}}, runs)


def test_equal_kl_lies_between_two_runs_of_each_seed(ek):
    found = stored(ek, (0, 0.1, 9.0, 3.0), (0, 0.4, 4.0, 1.0), (1, 0.1, 16.0, 2.0))
    spread = found.at_kl("rloo", 6.25, "judge")
    assert (spread.least, spread.most) == pytest.approx((1.25, 2.0))
    assert spread.mean == pytest.approx(1.625)
    assert [run.beta for run in found.of("rloo", 0)] == [0.4, 0.1]
    assert stored(ek, (0, 0.1, 9.0, 3.0), (1, 0.1, 16.0, 2.0)).at_kl("rloo", 0.0, "judge").mean == 0
    with pytest.raises(ValueError, match="outside"):
        found.at_kl("rloo", 10.0, "judge")
    with pytest.raises(ValueError, match="no run by 'ppo'"):
        found.of("ppo")


@pytest.fixture(scope="module")
def shipped():
    from autograder.data.equal_kl_runs import DATA

    assert DATA.stat().st_size < 200_000
    return json.loads(DATA.read_text("utf-8"))


def test_the_shipped_runs_are_those_of_the_settings(ek, shipped):
    """A changed setting makes the shipped runs stale."""
    from autograder.data.equal_kl_runs import ci_configs, config_of, grid, tidy

    first = shipped["runs"][0]
    settings = asdict(config_of(first["seed"], first["method"], first["beta"]))
    assert json.loads(json.dumps(tidy(settings))) == shipped["settings"]
    own = [(run["seed"], run["method"], run["beta"]) for run in shipped["runs"]]
    assert own == grid()
    assert [run["method"] for run in shipped["ci"]] == [c.method for c in ci_configs()]


def test_every_method_reaches_the_kl_at_which_they_are_compared(ek, shipped):
    found = ek.load_runs()
    assert found.methods == ("dpo", "rloo", "grpo", "ppo") and found.seeds == (0, 1, 2)
    for method in found.methods:
        for measure in ek.MEASURES:
            assert math.isfinite(found.at_kl(method, 4.5, measure).mean)
    for reference in found.references.values():
        assert abs(reference["score"]) < 1e-3 and abs(reference["kl"]) < 1e-3


def test_the_card_names_the_bytes(shipped):
    from autograder.data.equal_kl_runs import DATA

    digest = hashlib.sha256(DATA.read_bytes()).hexdigest()
    assert digest in (DATA.parent / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_the_small_runs_do_again_what_they_did(ek, shipped):
    """Floating point differs between machines, and sampling multiplies that: near at first, alike in the end."""
    from autograder.data.equal_kl_runs import ci_runs

    for old, new in zip(shipped["ci"], ci_runs(), strict=True):
        assert new["method"] == old["method"]
        assert new["log"]["loss" if old["method"] == "dpo" else "entropy"][0] == pytest.approx(
            old["log"]["loss" if old["method"] == "dpo" else "entropy"][0], rel=0.1
        )
        for name, far in (("score", 0.5), ("judge", 0.5), ("ended", 0.2), ("distinct", 0.1)):
            assert new["summary"][name] == pytest.approx(old["summary"][name], abs=far), name
        assert new["summary"]["kl"] == pytest.approx(old["summary"]["kl"], rel=0.6, abs=0.3)


def test_generation_is_what_answers_hold(ek, models, small):
    prompts = ek.prompts_of("rm")[:4]
    reward = ek.scaled_reward(models, small.instruct_gpt)
    found = ek.answer(models.reference, models.reference, reward, prompts, make_generator(0))
    assert isinstance(found.found, Generation)
    torch.testing.assert_close(found.ref_log_probs, found.found.log_probs, atol=1e-4, rtol=1e-4)
    cut = found.found.mask.sum(dim=1) == ek.ROOM
    over = (found.found.responses == 0).any(dim=1)
    assert (found.scores[cut & ~over] <= -1.0).all()
