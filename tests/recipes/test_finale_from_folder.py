"""A GPT-2 of some millions of weights from a folder, as one brings it: loaded, trained, cut, gone on with, reported."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import rlcourse

ROOT = Path(__file__).resolve().parents[2]
rlcourse.overlay(ROOT / "solutions")

from rlcourse.recipes import finale_run  # noqa: E402
from rlcourse.recipes.finale_models import load_policy  # noqa: E402
from rlcourse.support.gpt2 import GPT2, GPT2Config  # noqa: E402
from rlcourse.support.gpt2_weights import save_gpt2  # noqa: E402
from rlcourse.support.processes import Processes  # noqa: E402
from rlcourse.support.seeding import make_generator  # noqa: E402
from rlcourse.support.tokenizer import load_tokenizer  # noqa: E402

SIZE = GPT2Config(vocab_size=4096, n_positions=96, n_embd=192, n_layer=5, n_head=6)
SETTINGS = ["--batch=8", "--minibatch=4", "--room=8", "--steps=2", "--micro-tokens=60"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With more rows than the vocabulary has tokens, old names and the masks that old files hold."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("gpt2")
    save_gpt2(GPT2(SIZE, make_generator(0)), folder)
    weights = load_file(folder / "model.safetensors")
    assert 2e6 < sum(x.numel() for x in weights.values()) < 5e6
    bare = {name.removeprefix("transformer."): x for name, x in weights.items()}
    masks = {f"h.{n}.attn.bias": torch.ones(1, 1, 96, 96).tril() for n in range(SIZE.n_layer)}
    save_file(bare | masks, folder / "model.safetensors")
    load_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def run(base, folder, *more):
    chosen = [f"--base={base}", f"--folder={folder}", "--device=cpu", *SETTINGS, *more]
    return finale_run.main(chosen)


@pytest.mark.slow
def test_from_a_folder_to_a_report_with_a_cut_between(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RLCOURSE_PROGRESS", "0")
    run(folder, tmp_path / "straight", "--no-report")
    with monkeypatch.context() as patch:
        patch.setattr(Processes, "any_of", lambda *_: True)
        run(folder, tmp_path / "cut")
    assert not (tmp_path / "cut" / "report.html").exists(), "a run that was cut is not through"
    run(folder, tmp_path / "cut", "--resume")
    straight, cut = (tmp_path / name / "progress.csv" for name in ("straight", "cut"))
    assert cut.read_bytes() == straight.read_bytes() and cut.read_text("utf-8").count("\n") == 3
    assert "the report is" in capsys.readouterr().out
    report = json.loads((tmp_path / "cut" / "report.json").read_text("utf-8"))
    assert report["settings"]["base"] == str(folder) and len(report["log"]) == 2
    assert report["log"][0]["kl"] == pytest.approx(0, abs=1e-4)
    assert report["after"]["kl"] > 0
    saved = torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)["state"]["trained"]
    begun = load_policy(str(folder))[0].state_dict()
    assert not torch.equal(saved["actor.wte.weight"], begun["wte.weight"])


def test_a_folder_of_another_kind_of_model_ends_with_one_line(folder, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', "utf-8")
    with pytest.raises(SystemExit, match="finale: .* describes no GPT-2: model_type 'llama'"):
        run(tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()
