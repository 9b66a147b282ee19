"""The finale on a CPU: each fast path equals a plain one, and a run survives what happens to runs."""

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import torch

import rlcourse

ROOT = Path(__file__).resolve().parents[2]
rlcourse.overlay(ROOT / "solutions")

from rlcourse.instruct_gpt import kl_shaped_rewards, response_advantages  # noqa: E402
from rlcourse.language_policy import token_log_probs  # noqa: E402
from rlcourse.recipes import finale_run  # noqa: E402
from rlcourse.recipes.fast_writing import FastWriter, draw, write_fast  # noqa: E402
from rlcourse.recipes.finale_batch import FinaleConfig  # noqa: E402
from rlcourse.recipes.finale_models import fast_copy, load_policy, new_critic, refuse_small  # noqa: E402
from rlcourse.recipes.finale_texts import film_texts  # noqa: E402
from rlcourse.recipes.ppo_gpt2 import Finale  # noqa: E402
from rlcourse.recipes.review_writer import film_part, film_prompts, load_base  # noqa: E402
from rlcourse.support import processes  # noqa: E402
from rlcourse.support.gpt2_weights import save_gpt2  # noqa: E402
from rlcourse.support.processes import Processes  # noqa: E402
from rlcourse.support.seeding import make_generator  # noqa: E402
from rlcourse.support.tokenizer import load_tokenizer, train_tokenizer  # noqa: E402

SMALL = FinaleConfig(steps=2, batch=8, minibatch=4, room=6, epochs=2, checkpoint_every=1)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def prompts():
    return film_prompts(film_part("val"), 6)


@pytest.fixture(scope="module")
def uniforms():
    return torch.rand(6, 12, generator=make_generator(1))


def test_the_fast_model_computes_what_the_plain_one_does(prompts):
    plain = load_base()
    with torch.no_grad():
        torch.testing.assert_close(fast_copy(plain)(prompts), plain(prompts))


def test_log_probs_noted_while_writing_are_those_of_a_full_pass(prompts, uniforms):
    model = fast_copy(load_base())
    found = write_fast(model, prompts, uniforms, eos_id=0, temperature=0.8)
    with torch.no_grad():
        logits = load_base()(found.tokens) / 0.8
    again = token_log_probs(logits, found.tokens)[:, found.prompt_length - 1 :]
    assert found.mask.sum() > 30
    torch.testing.assert_close(found.log_probs, again * found.mask, atol=1e-5, rtol=1e-5)


def test_behind_the_end_nothing_is_written(prompts):
    ends = torch.zeros(
        6, 5
    )  # a uniform number of 0 draws the first token that is possible: the end
    found = write_fast(fast_copy(load_base()), prompts, ends, eos_id=0)
    assert (found.responses == 0).all()
    assert found.mask.tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0]] * 6


def test_draws_follow_the_probabilities():
    log_probs = torch.tensor([[0.2, 0.5, 0.3]]).log()
    uniforms = torch.tensor([0.0, 0.19, 0.21, 0.69, 0.71, 0.999])
    found = draw(log_probs.expand(6, -1), uniforms)
    assert found.tolist() == [0, 0, 1, 1, 2, 2]


def test_what_is_paid_adds_up():
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    ratios = torch.tensor([[1.0, 2.0, 9.0], [0.5, 0.5, 0.5]])
    rewards = kl_shaped_rewards(torch.tensor([4.0, -1.0]), ratios, torch.zeros(2, 3), mask, 0.5)
    assert rewards.tolist() == [[-0.5, 3.0, 0.0], [-0.25, -0.25, -1.25]]


def test_nothing_is_bootstrapped_past_the_end():
    mask = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    values = torch.tensor([[1.0, 2.0, 50.0, 50.0], [1.0, 1.0, 1.0, 1.0]])
    _, returns = response_advantages(torch.zeros(2, 4), values, mask, 1.0, 1.0)
    assert returns.abs().max() < 1e-6


def test_a_writer_that_has_written_before_writes_the_same(prompts, uniforms):
    model = fast_copy(load_base())
    writer = FastWriter(model, 0)
    first = writer.write(prompts, uniforms)
    kept = first.log_probs.clone()
    again = writer.write(prompts.flip(0), uniforms.flip(0))
    assert torch.equal(again.tokens, first.tokens.flip(0)) and writer.sizes == 1
    assert torch.equal(first.log_probs, kept), "what was handed out must not change any more"
    writer.write(prompts[:3], uniforms[:3])
    assert writer.sizes == 2
    longer = writer.write(prompts[:3], uniforms[:3, :2])
    assert torch.equal(longer.tokens, first.tokens[:3, : prompts.shape[1] + 2])


def test_a_writer_sees_weights_that_changed(prompts, uniforms):
    model = fast_copy(load_base())
    writer = FastWriter(model, 0)
    writer.write(prompts, uniforms)
    with torch.no_grad():
        model.wte.weight.mul_(1.1)
    torch.testing.assert_close(
        writer.write(prompts, uniforms).log_probs,
        write_fast(model, prompts, uniforms, 0).log_probs,
    )


def test_too_long_a_response_is_refused_before_anything_is_written(prompts):
    with pytest.raises(ValueError, match="this model reads"):
        write_fast(fast_copy(load_base()), prompts, torch.rand(6, 10_000), 0)


@pytest.fixture(scope="module")
def finale():
    torch.set_num_threads(1)
    return Finale(SMALL, "cpu")


def test_before_the_first_update_kl_is_0_and_every_ratio_1(finale):
    batch = finale.collect(0)
    assert torch.allclose(batch.old_log_probs, batch.ref_log_probs * batch.mask, atol=1e-4)
    again, _ = finale.trained(batch.tokens, SMALL.room)
    assert torch.allclose(again * batch.mask, batch.old_log_probs, atol=1e-4)


def _gradients(finale, micro_tokens, batch=None):
    finale.micro_tokens, finale.seen = micro_tokens, []
    batch = batch or finale.collect(0)
    kept = {name: x.clone() for name, x in finale.trained.state_dict().items()}
    finale.update(batch, torch.arange(8))
    found = {
        name: p.grad.clone() for name, p in finale.trained.named_parameters() if p.grad is not None
    }
    finale.trained.load_state_dict(kept)
    return found, len(finale.seen)


def test_microbatches_give_the_gradient_of_the_whole(finale):
    whole, parts = _gradients(finale, 10_000)
    cut, more = _gradients(finale, 24)
    assert parts == 1 and more > 3
    for name, gradient in whole.items():
        torch.testing.assert_close(cut[name], gradient, atol=1e-6, rtol=1e-4)


def test_a_run_that_went_on_equals_one_that_was_not_cut(tmp_path, monkeypatch):
    _, straight = finale_run.run_finale(SMALL, device="cpu", quiet=True)
    stops = iter([True, False])
    monkeypatch.setattr(Processes, "any_of", lambda *_: next(stops))
    _, first = finale_run.run_finale(SMALL, tmp_path / "run", device="cpu", quiet=True)
    assert len(first) == 1
    _, both = finale_run.run_finale(SMALL, tmp_path / "run", resume=True, device="cpu", quiet=True)
    assert both == straight


def test_memory_that_runs_out_halves_the_microbatch(finale, monkeypatch, capsys):
    batch, right, calls = finale.collect(0), finale.loss, []
    whole, _ = _gradients(finale, 10_000, batch)

    def tight(trained, part):
        calls.append(part["tokens"].numel())
        if len(calls) in (2, 5):  # not at once, so that there is something to forget
            raise torch.OutOfMemoryError("pretended")
        return right(trained, part)

    monkeypatch.setattr(finale, "loss", tight)
    halved, seen = _gradients(finale, 44, batch)
    assert finale.micro_tokens == 11 and "22 tokens instead of 44" in capsys.readouterr().out
    assert seen == 8, "what was seen before memory ran out must not count"
    for name, gradient in whole.items():
        torch.testing.assert_close(halved[name], gradient, atol=1e-6, rtol=1e-4)


def test_where_not_even_one_response_fits_memory_is_out(finale):
    def never():
        raise torch.OutOfMemoryError("pretended")

    finale.micro_tokens = 64
    with pytest.raises(torch.OutOfMemoryError):
        finale.or_halve(never)
    assert finale.micro_tokens == 16


def _unchanged(finale, before):
    return all(torch.equal(before[n], x) for n, x in finale.trained.state_dict().items())


def test_a_loss_that_is_no_number_stops_with_the_step_and_changes_nothing(monkeypatch):
    finale = Finale(SMALL, "cpu")
    before = {name: x.clone() for name, x in finale.trained.state_dict().items()}
    right = finale.finished
    rotten = lambda *parts: replace(right(*parts), returns=torch.full((8, 6), torch.nan))  # noqa: E731
    monkeypatch.setattr(finale, "finished", rotten)
    with pytest.raises(FloatingPointError, match="step 1: the loss is nan"):
        finale_run.one_step(finale, 0)
    assert _unchanged(finale, before)


def test_a_gradient_that_is_no_number_changes_nothing_either(monkeypatch):
    finale = Finale(SMALL, "cpu")
    before = {name: x.clone() for name, x in finale.trained.state_dict().items()}
    finale.trained.actor.wte.weight.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(FloatingPointError, match="gradient is not finite"):
        finale.step(0)
    assert _unchanged(finale, before)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"micro_tokens": 20}, "do not hold one response"),
        ({"lam": 1.5}, "lam must lie"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        replace(FinaleConfig(), **change)


def test_a_folder_without_its_files_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks tokenizer.json, config.json"):
        load_policy(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="lacks tokenizer.json"):
        load_policy(str(tmp_path / "nowhere"))


def test_a_name_on_the_hub_without_a_network_says_what_to_do(monkeypatch):
    def offline(name, file):
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(FileNotFoundError, match=r"gpt2/tokenizer\.json .* Without a network"):
        load_policy("gpt2")


def test_a_name_on_the_hub_is_downloaded(tmp_path, monkeypatch):
    save_gpt2(load_base(), tmp_path)
    load_tokenizer().save(str(tmp_path / "tokenizer.json"))
    asked = []

    def download(name, file):
        asked.append((name, file))
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    model, _ = load_policy("somebody/gpt2-tiny")
    files = ["tokenizer.json", "config.json", "model.safetensors"]
    assert asked == [("somebody/gpt2-tiny", file) for file in files]
    assert model.config == load_base().config


def test_a_vocabulary_of_another_model_is_refused(tmp_path):
    save_gpt2(load_base(), tmp_path)
    train_tokenizer(["a film", "another film"], 300).save(str(tmp_path / "tokenizer.json"))
    assert load_policy(str(tmp_path))[1].end_id is not None  # smaller is fine: GPT-2 has spare rows
    foreign = train_tokenizer(["a film", "another film"], 300)
    foreign.add_tokens([f"word{number}" for number in range(2048)])
    foreign.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match="not of the same model"):
        load_policy(str(tmp_path))


def test_long_prompts_are_cut_from_several_snippets(finale):
    assert film_texts("val", 4) == [snippet.text for snippet in film_part("val")]
    rows = finale.vocabulary.prompts(film_texts("val", 64), 64)
    assert rows.shape[1] == 65 and len(rows) > 20
    with pytest.raises(ValueError, match="more than 900 tokens"):
        finale.vocabulary.prompts(film_texts("val", 4), 900)


def test_a_gpt2_from_a_folder(tmp_path):
    save_gpt2(load_base(), tmp_path)
    load_tokenizer().save(str(tmp_path / "tokenizer.json"))
    model, vocabulary = load_policy(str(tmp_path))
    rows = vocabulary.prompts(["This film is a masterpiece of its kind."], 4)
    assert vocabulary.end_id == 0 and rows.shape == (1, 5)
    with torch.no_grad():
        torch.testing.assert_close(model(rows), load_base()(rows))


def test_the_larger_shipped_model_gets_the_critic_of_the_smaller():
    model, vocabulary = load_policy("shipped-5M")
    rows = vocabulary.prompts(["This film is a masterpiece of its kind."], 4)
    with torch.no_grad():
        torch.testing.assert_close(model(rows), load_base("5M")(rows))
        values = new_critic("shipped-5M", model)(rows)
        torch.testing.assert_close(values, new_critic("shipped", model)(rows))
    assert float(values.std()) > 0.01, "a head of zeros knows nothing yet"


def test_too_small_a_gpu_is_refused(monkeypatch):
    little = type("Properties", (), {"total_memory": 10**9})()
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: little)
    with pytest.raises(ValueError, match=r"1\.0 GB"):
        refuse_small(torch.device("cuda"), 5 * 10**9)


MODULE = ("-m", "rlcourse.recipes.finale_run")
CUT = """
import sys
from rlcourse.recipes import finale_run
from rlcourse.support.processes import Processes

Processes.any_of = lambda *_: True  # as if SIGTERM had come during the first step
raise SystemExit(finale_run.main(sys.argv[1:]))
"""


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="no cuda:2 here, PyTorch sees 2 GPUs"):
        Finale(SMALL, "cuda:2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(SystemExit, match="finale: there is no cuda here"):
        finale_run.main(["--folder=nowhere", "--device=cuda"])
    assert not Path("nowhere").exists()
    with pytest.raises(SystemExit, match="finale: steps must be at least 1"):
        finale_run.main(["--folder=nowhere", "--steps=0"])


def test_the_gpu_that_was_asked_for_is_set(monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    processes.join(torch.device("cuda:3"))
    processes.join(torch.device("cuda"))
    processes.join(torch.device("cpu"))
    assert taken == [torch.device("cuda:3")]


def test_processes_that_see_different_checkpoints_are_refused(finale, monkeypatch):
    finale_run.refuse_strangers(finale, 3)
    monkeypatch.setattr(finale, "processes", Processes(0, 2))
    for other, fine in ((3, True), (0, False)):
        add = lambda _, x, other=other: x + torch.tensor([other, other * other]).double()  # noqa: E731
        monkeypatch.setattr(Processes, "add_up", add)
        if fine:
            finale_run.refuse_strangers(finale, 3)
        else:
            with pytest.raises(FileNotFoundError, match="a disk that they share"):
                finale_run.refuse_strangers(finale, 3)


def _start(*extra, processes=1, program=MODULE):
    environment = os.environ | {
        "RLCOURSE_OVERLAY": str(ROOT / "solutions"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "RLCOURSE_PROGRESS": "0",
    }
    launch = [sys.executable]
    if processes > 1:
        nodes = ("--standalone", f"--nproc-per-node={processes}")
        launch += ["-m", "torch.distributed.run", *nodes]
    settings = ["--batch=8", "--minibatch=4", "--room=6", "--device=cpu", "--no-report"]
    command = [*launch, *program, *settings, *extra]
    return subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE)


def _log(folder):
    text = (folder / "progress.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _finish(*arguments, **how):
    run = _start(*arguments, **how)
    _, errors = run.communicate(timeout=280)
    assert run.returncode == 0, errors


def _finish_in_two_parts(folder, *options):
    """Two processes are cut after the first step; two others go on."""
    script = folder.with_suffix(".py")
    script.write_text(CUT, encoding="utf-8")
    _finish(f"--folder={folder}", *options, processes=2, program=[str(script)])
    assert len(_log(folder)) == 1
    _finish(f"--folder={folder}", *options, "--resume", processes=2)


@pytest.mark.slow
def test_two_processes_that_were_cut_compute_what_one_does(tmp_path):
    _finish("--steps=2", f"--folder={tmp_path / '1'}")
    _finish_in_two_parts(tmp_path / "2", "--steps=2")
    one, two = _log(tmp_path / "1"), _log(tmp_path / "2")
    assert len(one) == len(two) == 2
    for a, b in zip(one, two, strict=True):
        for name, value in a.items():
            # one rare token makes up approx_kl: exp makes its rounding larger
            rel = 1e-5 if name == "approx_kl" else 2e-6
            assert float(b[name]) == pytest.approx(float(value), abs=2e-6, rel=rel), name


@pytest.mark.slow
def test_processes_with_a_part_of_the_weights_each_compute_what_one_does(tmp_path):
    """Also when they were cut; and what they save is whole: the weights of one process, under their own names."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = ["--steps=2", "--checkpoint-every=1", "--micro-tokens=30"]
    _finish(f"--folder={whole}", *options)
    _finish_in_two_parts(parts, *options, "--sharding=fsdp2")
    one, two = _log(whole), _log(parts)
    assert len(one) == len(two) == 2
    for a, b in zip(one, two, strict=True):
        for name, value in a.items():
            assert float(b[name]) == pytest.approx(float(value), abs=2e-5, rel=2e-5), name
    saved = [torch.load(f / "checkpoint.pt", weights_only=True)["state"] for f in (whole, parts)]
    for name, weights in saved[0]["trained"].items():
        if weights.numel():
            torch.testing.assert_close(saved[1]["trained"][name], weights, atol=1e-5, rtol=1e-4)
    assert saved[1]["optimizer"]["state"].keys() <= saved[1]["trained"].keys()


def test_sharding_without_other_processes_or_with_unequal_shares_is_refused():
    with pytest.raises(ValueError, match="needs several processes"):
        Finale(replace(SMALL, sharding="fsdp2"), "cpu")
    with pytest.raises(ValueError, match="minibatches of 3 must divide"):
        Finale(replace(SMALL, sharding="fsdp2", minibatch=3), "cpu")
    with pytest.raises(ValueError, match='"none" or "fsdp2"'):
        replace(SMALL, sharding="some")


@pytest.mark.slow
def test_sigterm_saves_and_ends_in_order(tmp_path):
    run = _start("--steps=500", f"--folder={tmp_path / 'run'}", "--checkpoint-every=400")
    log = tmp_path / "run" / "progress.csv"
    for _ in range(600):
        if log.exists() and log.stat().st_size > 200:
            break
        try:
            run.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            continue
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["state"]["step"] == len(_log(tmp_path / "run")) < 500
    assert json.loads((tmp_path / "run" / "config.json").read_text())["batch"] == 8


def test_each_process_takes_a_gpu_of_its_own(monkeypatch):
    taken = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    pretended = {"is_initialized": False, "init_process_group": None}
    pretended |= {"get_rank": 1, "get_world_size": 2}
    for name, value in pretended.items():
        monkeypatch.setattr(torch.distributed, name, lambda *_, value=value: value)
    assert processes.join(torch.device("cuda")) == Processes(1, 2)
    assert taken == [1]
    processes.join(torch.device("cpu"))
    assert taken == [1]
