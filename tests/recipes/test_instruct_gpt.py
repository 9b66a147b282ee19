"""The recipe of chapter 11: stages that are kept, PPO that resumes exactly, a command that says what is wrong."""

import json
import math
import os
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from rlcourse.support.gpt2 import GPT2, GPT2Config
from rlcourse.support.progress import format_diagnostics
from rlcourse.support.rlhf_config import RLHFConfig
from rlcourse.support.seeding import make_generator, no_global_rng
from rlcourse.support.tokenizer import END_ID, VOCAB_SIZE
from rlcourse.support.training_run import TrainingRun

SHOWN = "score kl kl_coef entropy approx_kl clip_fraction explained_variance response_length"
CI_SECONDS = 40


@pytest.fixture(scope="module")
def ig(recipe):
    names = ("instruct_gpt_config", "instruct_gpt_stages", "instruct_gpt")
    modules = [recipe(name) for name in names]
    found = SimpleNamespace(**{k: v for m in modules for k, v in vars(m).items()})
    found.stages, found.main_module = modules[1:]
    return found


SIZE = GPT2Config(VOCAB_SIZE, 60, n_embd=8, n_layer=1, n_head=2)


@pytest.fixture
def models(ig):
    readers = [ig.RewardModel(SIZE, make_generator(seed)).eval() for seed in (1, 2)]
    return ig.Models(GPT2(SIZE, make_generator(0)).eval(), *readers, report={})


@pytest.fixture
def config(ig):
    return ig.InstructGPTConfig(
        updates=4,
        prompts=8,
        save_every=2,
        scale_prompts=16,
        evaluated=8,
        rlhf=RLHFConfig(minibatch_size=4, max_new_tokens=6, learning_rate=1e-2),
    )


def rows_of(texts):
    """The texts of a batch without their padding."""
    pairs = zip(texts.tokens, texts.mask, strict=True)
    return [tuple(row[mask > 0].tolist()) for row, mask in pairs]


def weights(model):
    return torch.cat([x.flatten() for x in model.state_dict().values()])


def test_ppo_starts_at_the_reference_and_leaves_it_alone(ig, models, config):
    before = [weights(m).clone() for m in (models.reference, models.reward_model)]
    run = TrainingRun(None, config)
    with no_global_rng():
        policy = ig.fine_tune(models, config, run, quiet=True)
    for old, model in zip(before, (models.reference, models.reward_model), strict=True):
        assert torch.equal(old, weights(model))
    assert abs(run.rows[0]["kl"]) < 1e-4 < abs(run.rows[-1]["kl"])
    assert not torch.equal(weights(policy), before[0])
    assert [row["steps"] for row in run.rows] == [8, 16, 24, 32]
    rates = [row["learning_rate"] for row in run.rows]
    assert rates == pytest.approx([1e-2, 7.5e-3, 5e-3, 2.5e-3])


def test_the_critic_starts_as_the_reward_model(ig, models, config, monkeypatch):
    seen, rates = [], []

    def look(actor, critic, reference, reward_model, prompts, settings, optimizer, *rest):
        seen.append((weights(critic).clone(), critic, reward_model.model, prompts))
        rates.append(optimizer.param_groups[0]["lr"])
        rest = (settings, optimizer, *rest)
        return real(actor, critic, reference, reward_model, prompts, *rest)

    real = ig.main_module.rlhf_step
    monkeypatch.setattr(ig.main_module, "rlhf_step", look)
    ig.fine_tune(models, config, quiet=True)
    assert torch.equal(seen[0][0], weights(models.reward_model))
    assert seen[0][1] is not seen[0][2]
    assert not torch.equal(seen[0][3], seen[1][3]), "each update should draw other prompts"
    rows = {tuple(row) for row in seen[0][3].tolist()}
    assert len(rows) > 4
    assert rates == pytest.approx([1e-2, 7.5e-3, 5e-3, 2.5e-3])


def test_ptx_goes_on_predicting_what_people_wrote(ig, models, config, monkeypatch):
    texts = ig.pretraining_texts()
    assert texts.tokens.shape == texts.mask.shape and texts.mask.sum(dim=1).min() > 5
    seen = []

    def look(*arguments):
        seen.append(arguments[-1])
        return rlhf_step(*arguments)

    rlhf_step = ig.main_module.rlhf_step
    monkeypatch.setattr(ig.main_module, "rlhf_step", look)
    plain = ig.fine_tune(models, config, quiet=True)
    assert seen == [None] * 4
    mixed = replace(config, rlhf=replace(config.rlhf, ptx_coef=30.0))
    policy = ig.fine_tune(models, mixed, quiet=True)
    known = set(rows_of(texts))
    assert all(set(rows_of(batch)) <= known for batch in seen[4:])
    assert len({rows_of(batch)[0] for batch in seen[4:]}) == 4  # others each time
    held_out = ig.demonstrations(ig.film_part("val")[:100])
    losses = [ig.demonstrated_loss(m, held_out) for m in (models.reference, plain, policy)]
    assert losses[2] < losses[0] - 0.3 and losses[2] < losses[1] - 0.3


def test_a_run_that_was_cut_goes_on_exactly(ig, models, config, monkeypatch, tmp_path):
    whole = TrainingRun(None, config)
    expected = ig.fine_tune(models, config, whole, quiet=True)
    real, calls = ig.main_module.rlhf_step, []

    def cut(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(ig.main_module, "rlhf_step", cut)
    with pytest.raises(KeyboardInterrupt):
        ig.fine_tune(models, config, TrainingRun(tmp_path, config), quiet=True)
    monkeypatch.setattr(ig.main_module, "rlhf_step", real)
    again = TrainingRun(tmp_path, config, resume=True)
    found = ig.fine_tune(models, config, again, quiet=True)
    assert again.rows == whole.rows
    assert torch.equal(weights(found), weights(expected))
    finished = TrainingRun(tmp_path, config, resume=True)
    assert torch.equal(weights(ig.fine_tune(models, config, finished, quiet=True)), weights(found))
    assert finished.rows == whole.rows


def test_the_reward_has_mean_0_and_deviation_1_for_the_reference(ig, models, config):
    config = replace(config, scale_prompts=2_000)  # a few early ends make most of the deviation
    reward = ig.scaled_reward(models, config)
    prompts = ig.prompts_of("rm")[:2_000]
    found = ig.write(models.reference, prompts, make_generator(5))
    whole = torch.cat([torch.ones_like(prompts).float(), found.mask], dim=1)
    with torch.no_grad():
        scores = reward(found.tokens, whole)
    assert abs(float(scores.mean())) < 0.25 and 0.5 < float(scores.std()) < 2.0
    cut = torch.tensor([[END_ID, 5, 6, 7]])
    ended = torch.tensor([[END_ID, 5, 6, 7, END_ID]])
    one, two = (reward(x, torch.ones_like(x).float()) for x in (cut, ended))
    torch.testing.assert_close(one, two)


def test_the_bar_shows_what_matters_first(ig, models, config):
    run = TrainingRun(None, config)
    ig.fine_tune(models, replace(config, updates=1), run, quiet=True)
    line = format_diagnostics({k: v for k, v in run.rows[0].items() if k != "steps"})
    assert [part.split("=")[0] for part in line.split()][:8] == SHOWN.split()


def train_tiny(ig, monkeypatch, counts):
    def reference(config, generator):
        counts.append("sft")
        return GPT2(SIZE, generator), {"sft_loss": 1.0}

    def reader(name, config, generator, quiet=None):
        counts.append(name)
        return ig.RewardModel(SIZE, generator), {f"{name}_accuracy": 0.5}

    monkeypatch.setattr(ig.stages, "SIZE", SIZE)
    monkeypatch.setattr(ig.stages, "train_reference", reference)
    monkeypatch.setattr(ig.stages, "train_reader", reader)


def test_stages_are_kept_and_not_run_again(ig, config, monkeypatch, tmp_path):
    counts = []
    train_tiny(ig, monkeypatch, counts)
    first = ig.prepare(config, tmp_path)
    assert counts == ["sft", "reward_model", "judge"]
    (tmp_path / "judge.safetensors").unlink()
    second = ig.prepare(config, tmp_path)
    assert counts[3:] == ["judge"]
    for name in ("reference", "reward_model", "judge"):
        one, two = getattr(first, name), getattr(second, name)
        assert torch.equal(weights(one), weights(two)) and not two.training
    assert first.report == second.report
    assert not torch.equal(weights(first.reward_model), weights(first.judge))
    with pytest.raises(ValueError, match="made with other settings.*another folder"):
        ig.prepare(replace(config, seed=1), tmp_path)
    kept = replace(config, rlhf=replace(config.rlhf, kl_coef=0.0))
    ig.prepare(kept, tmp_path)  # the price of a nat changes no stage before PPO
    assert len(counts) == 4


def test_the_command_writes_everything(ig, config, monkeypatch, tmp_path, capsys):
    train_tiny(ig, monkeypatch, [])
    monkeypatch.setattr(ig.main_module, "preset", lambda *arguments: config)
    ig.main_module.main(["--out", str(tmp_path)])
    files = ("config.json", "progress.csv", "checkpoint.pt", "report.html", "report.json")
    assert all((tmp_path / name).is_file() for name in files)
    assert (tmp_path / "policy" / "model.safetensors").is_file()
    assert "report.html" in capsys.readouterr().out
    table = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert {"loss_on_people_before", "loss_on_people_after"} <= table["stages"].keys()
    assert len(table["log"]) == config.updates and len(table["responses"]["after"]) == 8
    with pytest.raises(SystemExit, match="already holds a run"):
        ig.main_module.main(["--out", str(tmp_path)])
    ig.main_module.main(["--out", str(tmp_path), "--resume"])
    again = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert again["after"] == table["after"] and again["log"] == table["log"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", "-1"], "seed must not be negative"),
        (["--kl-coef", "-0.5"], "kl_coef must not be negative"),
        (["--kl-coef", "nan"], "kl_coef must not be negative"),
        (["--ptx-coef", "-1"], "ptx_coef must not be negative"),
    ],
)
def test_bad_input_ends_with_one_line(ig, arguments, said, tmp_path):
    with pytest.raises(SystemExit, match=said):
        ig.main_module.main([*arguments, "--out", str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()


def test_an_unknown_preset_is_refused(ig, capsys):
    with pytest.raises(SystemExit):
        ig.main_module.main(["--preset", "huge"])
    assert "invalid choice" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no preset 'huge'; there are default, ci"):
        ig.preset("huge")


@pytest.mark.parametrize(
    "changes",
    [
        {"updates": 0},
        {"prompts": 0},
        {"snippets": 0},
        {"evaluated": 1},
        {"scale_prompts": 1},
        {"trained": ("policy",)},
    ],
)
def test_a_setting_outside_its_range_is_refused(ig, changes):
    with pytest.raises(ValueError, match=next(iter(changes)).replace("trained", "to train")):
        ig.InstructGPTConfig(**changes)


def test_empty_chapters_are_replaced_only_where_the_solutions_are(ig, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(ig.main_module.os, "execve", lambda *a: calls.append(a))
    monkeypatch.delenv(ig.OVERLAY, raising=False)
    ig.run_on_solutions(NotImplementedError("Exercise 9.1"), ["--seed", "3"])
    assert calls[0][1][-2:] == ["--seed", "3"]
    assert os.path.samefile(calls[0][2][ig.OVERLAY], os.path.join(os.getcwd(), "solutions"))
    monkeypatch.setenv(ig.OVERLAY, str(tmp_path))
    with pytest.raises(SystemExit, match="Exercise 9.1"):
        ig.run_on_solutions(NotImplementedError("Exercise 9.1"), [])
    assert len(calls) == 1


@pytest.fixture(scope="module")
def shipped():
    from autograder.data.instruct_gpt_runs import DATA

    assert DATA.stat().st_size < 300_000
    return json.loads(DATA.read_text("utf-8"))


def test_the_shipped_runs_reach_every_figure(shipped):
    from autograder.data.instruct_gpt_acceptance import figures, missing_runs

    assert missing_runs(shipped) == []
    missed = [str(figure) for figure in figures(shipped) if not figure.passed]
    assert missed == []


def test_a_missed_figure_is_noticed(shipped):
    from autograder.data.instruct_gpt_acceptance import figures, missing_runs

    for name, value in (("score", 0.1), ("kl", 2.0), ("distinct", 0.5), ("vader", None)):
        worse = json.loads(json.dumps(shipped))
        run = next(r for r in worse["runs"] if r["kl_coef"] == 0.2)
        run["policy"]["summary"][name] = value
        assert [f.name for f in figures(worse) if not f.passed] == [
            f"seed {run['seed']}, beta 0.2: {name}"
        ]
    del worse["runs"][0]
    assert len(missing_runs(worse)) == 1


def test_summaries_are_those_of_the_shipped_responses(shipped):
    found = [run["policy"] for run in shipped["runs"]] + shipped["references"]
    for evaluation in found:
        columns = evaluation["responses"]
        assert len(columns["text"]) == len(shipped["prompts"]) == 192
        for name in ("score", "judge", "ridge", "kl", "ended", "length"):
            mean = sum(columns[name]) / len(columns[name])
            assert evaluation["summary"][name] == pytest.approx(mean, abs=2e-3, rel=2e-3)


def test_the_shipped_runs_are_those_of_the_preset(ig, shipped):
    """A changed setting makes the shipped runs stale."""
    from dataclasses import asdict

    from autograder.data.instruct_gpt_runs import config_of, tidy

    first = shipped["runs"][0]
    settings = tidy(asdict(config_of(first["seed"], first["kl_coef"])))
    assert json.loads(json.dumps(settings)) == shipped["settings"]
    assert shipped["ci"]["settings"] == json.loads(json.dumps(tidy(asdict(ig.preset("ci")))))


@pytest.mark.slow
def test_the_ci_variant_does_again_what_it_did(ig, shipped):
    """Floating point differs between machines, and sampling multiplies that: near at first, alike in the end."""
    start, config = time.process_time(), ig.preset("ci")
    run = TrainingRun(None, config)
    found = ig.run_all(config, run, quiet=True)
    used, old = time.process_time() - start, shipped["ci"]
    assert used <= 1.5 * CI_SECONDS, "a busy machine gets half as much again"
    for name, value in old["stages"].items():
        assert found.models.report[name] == pytest.approx(value, abs=0.02, rel=0.02)
    first = {name: column[0] for name, column in old["log"].items()}
    for name in ("entropy", "response_length"):
        assert run.rows[0][name] == pytest.approx(first[name], rel=0.1)
    assert abs(run.rows[0]["kl"]) < 1e-3
    after = found.after.summary()
    assert after["ended"] == pytest.approx(old["after"]["ended"], abs=0.15)
    assert after["kl"] == pytest.approx(old["after"]["kl"], rel=0.6)
    assert after["score"] == pytest.approx(old["after"]["score"], abs=0.5)
    assert math.isclose(found.before.mean("score"), 0.0, abs_tol=1e-4)


def test_the_stored_runs_can_be_asked(recipe, shipped):
    found = recipe("instruct_gpt_runs").load_runs()
    assert found.kl_coefs == (0.2, 0.1, 0.0) and found.seeds == (0, 1, 2)
    run = found.run(1, 0.1)
    stored = next(r for r in shipped["runs"] if (r["seed"], r["kl_coef"]) == (1, 0.1))
    assert run.log == stored["log"] and run.policy.summary == stored["policy"]["summary"]
    reference = next(r for r in shipped["references"] if r["seed"] == 1)
    gain = stored["policy"]["summary"]["ridge"] - reference["summary"]["ridge"]
    assert run.gain("ridge") == pytest.approx(gain)
    assert float(run.policy.column("kl").mean()) == pytest.approx(
        run.policy.summary["kl"], rel=1e-3
    )
    with pytest.raises(ValueError, match="no run with seed 7"):
        found.run(7, 0.1)


def test_runs_with_texts_of_people_stand_beside_those_without(recipe):
    found = recipe("instruct_gpt_runs").load_runs()
    settings = {(run.ptx_coef, run.kl_coef, run.seed) for run in found.ptx}
    prices = {0.0: (0.4, 0.2, 0.1), 0.3: (0.2, 0.1, 0.05)}
    assert settings == {(g, b, s) for g, bs in prices.items() for b in bs for s in found.seeds}
    for run in found.ptx:
        reference = found.run(run.seed, 0.1).reference.summary
        assert run.before["kl"] == 0.0 and run.before["score"] == pytest.approx(
            reference["score"], abs=1e-4
        )
        if not run.ptx_coef and run.kl_coef in found.kl_coefs:
            same = found.run(run.seed, run.kl_coef).policy.summary
            assert all(run.after[name] == same[name] for name in run.after if name in same)
