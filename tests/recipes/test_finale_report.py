"""The report of a run of the finale: complete, self-contained, and its figures are those of the run."""

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import rlcourse

ROOT = Path(__file__).resolve().parents[2]
rlcourse.overlay(ROOT / "solutions")

from rlcourse.recipes.finale_batch import FinaleConfig  # noqa: E402
from rlcourse.recipes.finale_evaluation import evaluate, token_kls  # noqa: E402
from rlcourse.recipes.finale_models import FastCritic, Trained, fast_copy  # noqa: E402
from rlcourse.recipes.finale_report import CURVES, SPEEDS, as_html, make_report, write_report  # noqa: E402
from rlcourse.recipes.finale_run import main, run_finale  # noqa: E402
from rlcourse.recipes.finale_speed import speed_of, summary  # noqa: E402
from rlcourse.recipes.finale_texts import Judges  # noqa: E402
from rlcourse.recipes.review_writer import film_part, film_prompts, load_base, write  # noqa: E402
from rlcourse.recipes.reward_model import load_reward_model  # noqa: E402
from rlcourse.recipes.rlhf_evaluation import response_kls  # noqa: E402
from rlcourse.support.processes import Processes  # noqa: E402
from rlcourse.support.roofline import Device, limits_of, training_operations  # noqa: E402
from rlcourse.support.seeding import make_generator  # noqa: E402

SMALL = FinaleConfig(steps=2, batch=8, minibatch=4, room=8, learning_rate=3e-3)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def ran():
    torch.set_num_threads(1)
    return run_finale(SMALL, device="cpu", quiet=True)


@pytest.fixture(scope="module")
def report(ran):
    return make_report(*ran)


def test_the_reference_is_its_own_measure_and_the_policy_has_moved(report):
    before, after = report.before.summary(), report.after.summary()
    assert before["kl"] == pytest.approx(0, abs=1e-6) and after["kl"] > 0.05
    assert [r.prompt for r in report.before.responses] == [r.prompt for r in report.after.responses]
    assert [r.text for r in report.before.responses] != [r.text for r in report.after.responses]


def test_the_judge_of_the_log_is_another_model_than_the_one_that_pays(ran):
    finale, rows = ran
    texts = ["A wonderful, moving film.", "A dull and stupid mess."]
    found = finale.judges.scores(texts)
    assert not torch.allclose(found["score"], found["judge"], atol=0.05)
    raw = Judges(CPU, ["one text", "another one"]).models["judge"]
    own = load_reward_model("judge")
    assert all(torch.equal(a, b) for a, b in zip(raw.parameters(), own.parameters(), strict=True))
    batch = finale.collect(5)
    texts = finale.vocabulary.texts(batch.tokens)
    torch.testing.assert_close(batch.judged, finale.judges.scores(texts)["judge"])
    assert {"score", "judge", "kl", "distinct", "length", "ended"} <= set(rows[0])


def test_scores_of_the_reference_are_around_0_with_deviation_1(ran):
    finale, _ = ran
    found = evaluate(finale, finale.reference)
    for name in ("score", "judge"):
        scores = torch.tensor(found.values(name))
        assert abs(scores.mean()) < 0.4 and 0.7 < scores.std() < 1.4


def test_divergences_are_those_of_the_plain_model():
    plain, prompts = load_base(), film_prompts(film_part("val"), 5)
    found = write(plain, prompts, make_generator(0))
    other = load_base()
    with torch.no_grad():
        other.transformer.wte.weight.mul_(1.05)
    fast = [fast_copy(model) for model in (plain, other)]
    with torch.no_grad():
        each = token_kls(*fast, found.tokens, found.mask.shape[1])
    right = response_kls(plain, other, found)
    assert right.min() > 0.01
    torch.testing.assert_close((each * found.mask).sum(dim=1), right, rtol=1e-3, atol=1e-4)


def test_the_page_needs_no_other_file_and_shows_everything(report):
    page = as_html(report)
    assert not re.search(r"<script|<link|<img|src=|@import|url\((?!#)", page)
    outside = set(re.findall(r"https?://[^\"'<> ]+", page))
    names = (
        "w3.org",
        "matplotlib.org",
        "purl.org",
        "creativecommons.org",
    )  # in the drawings' metadata
    assert all(any(name in address for name in names) for address in outside), outside
    for said in (*CURVES.values(), *SPEEDS.values(), "held-out judge", "torch", "kl_coef"):
        assert said in unescape(page), said
    assert report.after.responses[0].text.strip()[:5] in page


def test_what_a_model_wrote_is_text_and_no_markup(report):
    evil = replace(report.after.responses[0], text="<script>alert(1)</script>", score=99.0)
    after = replace(report.after, responses=(evil, *report.after.responses[1:]))
    page = as_html(replace(report, after=after))
    assert "<script>" not in page and page.count("&lt;script&gt;") == 2


def test_the_same_figures_as_json(report, tmp_path):
    _, path = write_report(report, tmp_path)
    found = json.loads(path.read_text("utf-8"))
    assert found["log"] == report.rows and found["settings"]["learning_rate"] == 3e-3
    assert found["after"]["judge"] == pytest.approx(report.after.mean("judge"))
    assert len(found["responses"]["before"]) == len(report.before.responses)
    assert {"device", "date", "torch", "processes"} <= set(found["machine"])
    assert found["speed"]["samples_per_second"] > 0


def test_a_run_from_the_command_line_ends_with_a_report_and_a_checkpoint(tmp_path, capsys):
    folder = tmp_path / "run"
    options = ["--steps=1", "--batch=4", "--minibatch=4", "--room=4", "--device=cpu"]
    assert main([f"--folder={folder}", *options]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (folder / "checkpoint.pt").exists() and (folder / "report.json").exists()


def test_somebody_may_watch():
    seen = []
    run_finale(replace(SMALL, steps=1), device="cpu", quiet=True, watch=seen.append)
    assert len(seen) == 1 and "score" in seen[0]


def test_shares_of_the_roofline_by_hand(ran):
    finale, _ = ran
    batch = finale.collect(0)
    config, model = SMALL, finale.reference.config
    limits = Device("two numbers", bytes_per_second=1e9, flops_per_second=1e12)
    seconds = {"write": 2.0, "read": 1.0, "train": 5.0}
    kind = config, model, limits, torch.float32
    found = speed_of(batch, seconds, *kind, Processes())
    assert found["samples_per_second"] == 1.0 and found["train_share"] == 5 / 8
    assert found["tokens_per_second"] == pytest.approx(batch.mask.sum().item() / 2)
    lengths = batch.lengths + 5
    once = training_operations(model, lengths, batch.lengths)
    assert found["mfu"] == pytest.approx(config.epochs * once / 5e12)
    half = speed_of(batch, seconds, *kind, Processes(0, 2))
    assert half["mfu"] < 0.7 * found["mfu"], "a process has only its own rows to its credit"
    slower = speed_of(batch, seconds | {"write": 4.0}, *kind, Processes())
    assert slower["decode"] == pytest.approx(found["decode"] / 2)


def test_operations_of_training_are_those_that_torch_counts():
    plain = load_base()
    actor = fast_copy(plain)
    trained = Trained(actor, FastCritic(fast_copy(plain)))
    tokens = torch.randint(1, 2000, (4, 29), generator=make_generator(0))
    with FlopCounterMode(display=False) as counter:
        log_probs, values = trained(tokens, 24)
        (log_probs.sum() + values.sum()).backward()
    ours = training_operations(plain.config, torch.full((4,), 29), torch.full((4,), 24))
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.06)


def test_a_summary_leaves_the_first_step_out():
    rows = [{"seconds": 100.0}, {"seconds": 1.0}, {"seconds": 3.0}, {"seconds": 2.0}]
    assert summary(rows) == {"seconds": 2.0} and summary(rows[:1]) == {"seconds": 100.0}
    assert summary([]) == {}


def test_the_limits_of_this_processor_are_measured():
    found = limits_of(CPU)
    assert 1e8 < found.bytes_per_second < 1e13 and 1e8 < found.flops_per_second < 1e15
