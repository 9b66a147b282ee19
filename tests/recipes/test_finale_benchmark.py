"""The finale's benchmark works from its first minute: on a CPU today, so that a GPU finds it ready."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "finale"


def load(name):
    sys.path[:0] = [str(FOLDER)]
    try:
        spec = importlib.util.spec_from_file_location(f"finale_{name}", FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


@pytest.fixture(scope="module")
def run():
    return load("run")


@pytest.fixture(scope="module")
def on_gpu():
    return load("on_gpu")


@pytest.fixture(scope="module")
def wheels():
    return load("wheels")


def worker(rate, tokens=80, **more):
    """What a worker prints, less its first update."""
    found = {"seconds": [8 / rate] * 3, "tokens": [tokens] * 3, "peak_gigabytes": 2.0}
    return found | {"program": "some", **more}


def table_of(run, ours, theirs, device, smoke=False):
    found = {"rlcourse": run.summary(ours, 8)}
    if theirs:
        found["trl"] = run.summary(theirs, 8)
    return run.compare(found, {"device": device, "smoke": smoke})


def test_the_ratio_is_ours_over_theirs_in_medians(run):
    ours = [worker(rate, decode=0.6, mfu=0.5) for rate in (100.0, 600.0, 500.0)]
    theirs = [worker(rate) for rate in (100.0, 90.0, 1000.0)]
    table = table_of(run, ours, theirs, "cuda")
    assert table["ratio"] == pytest.approx(5.0)
    assert table["programs"]["rlcourse"]["samples_per_second"] == pytest.approx(500.0)
    assert table["programs"]["trl"]["tokens_per_response"] == 10
    reached = {name: row["reached"] for name, row in table["goals"].items()}
    assert reached == {"samples_per_second": False, "ratio": True, "decode": True, "mfu": True}
    said = "\n".join(run.lines({"device": "some GPU", "date": "today"} | table))
    assert "ratio 5.00" in said and "samples_per_second ≥ 533.0: not reached" in said


def test_without_trl_no_ratio_is_made_up_and_a_cpu_reaches_no_goal(run):
    alone = table_of(run, [worker(10.0, decode=0.6, mfu=0.5)], None, "cuda")
    assert "ratio" not in alone and "ratio" not in alone["goals"]
    assert "ratio not measured" in run.lines({"device": "x", "date": "y"} | alone)
    assert "goals" not in table_of(run, [worker(1e6)], [worker(1.0)], "cpu")
    assert "goals" not in table_of(run, [worker(1e6)], [worker(1.0)], "cuda", smoke=True)


def test_a_machine_without_a_gpu_is_told_what_it_can_do(run, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        run.main([])
    assert "--device cpu --smoke" in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked", [["--rounds=0"], ["--updates=1"], ["--batch=12"], ["--micro-rows=3"]]
)
def test_sizes_that_do_not_fit_are_refused(run, asked):
    with pytest.raises(SystemExit):
        run.sizes(run.options(["--device=cpu", "--smoke", *asked]))


def test_what_was_asked_for_replaces_the_preset(run):
    chosen = run.sizes(run.options(["--device=cpu", "--smoke", "--room=12"]))
    assert chosen["room"] == 12 and chosen["batch"] == 16 and chosen["device"] == "cpu"


def test_a_python_without_trl_is_no_peer(run, capsys):
    here = importlib.util.find_spec("trl") is not None
    found = run.find_trl(run.options(["--device=cpu", "--smoke"]))
    assert (found is not None) == here
    if not here:
        assert "1.12.0 is wanted" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_whole_benchmark_on_a_cpu(tmp_path):
    """With TRL where this Python, or benchmarks/rlhf, has it; without it else."""
    command = [sys.executable, str(FOLDER / "run.py"), "--device=cpu", "--smoke"]
    beside = ROOT / "_build" / "trl-1.12.0" / "bin" / "python"
    command += [f"--trl-python={beside}"] if beside.exists() else []
    done = subprocess.run(
        [*command, f"--json={tmp_path / 'out.json'}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "out.json").read_text("utf-8"))
    ours = table["programs"]["rlcourse"]
    assert 0 < ours["decode"] < 1 and 0 < ours["mfu"] < 1 and ours["peak_gigabytes"] > 0.1
    assert 1 <= ours["tokens_per_response"] <= 8 and len(ours["rounds"]) == 1
    assert ("ratio" in table) == ("trl" in table["programs"])
    if beside.exists():
        assert "trl" in table["programs"], done.stdout


def test_make_gpu_says_so_where_there_is_none(on_gpu, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("nothing should run"))
    assert on_gpu.main([]) == 0
    assert "There is no GPU here" in capsys.readouterr().out


@pytest.mark.parametrize("failing", [None, 0, 1])
def test_make_gpu_tests_then_measures_and_a_failure_counts(on_gpu, monkeypatch, failing):
    commands = []

    def pretend(command, **_):
        commands.append(command)
        status = 3 if failing == len(commands) - 1 else 0
        return subprocess.CompletedProcess(command, status)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "pretended")
    monkeypatch.setattr(on_gpu.subprocess, "run", pretend)
    assert on_gpu.main(["--json", "x.json"]) == (0 if failing is None else 3)
    assert "pytest" in commands[0] and len(commands) == (1 if failing == 0 else 2)
    assert any("test_finale_gpu.py" in word for word in commands[0])
    assert failing == 0 or commands[1][1:] == [str(FOLDER / "run.py"), "--json", "x.json"]


def test_make_knows_the_target():
    text = (ROOT / "Makefile").read_text("utf-8")
    assert "\ngpu: setup  ##" in text and "benchmarks/finale/on_gpu.py" in text


def test_the_wheels_are_pinned_as_the_course_pins_them(wheels):
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    )
    for name, version in wheels.WHEELS.items():
        assert pinned.get(name, version) == version, name
    assert wheels.WHEELS["trl"] == load("task").TRL
    assert not set(wheels.WHEELS) & set(wheels.EXPECTED)


def test_wheels_come_without_what_they_need(wheels, tmp_path):
    fetched = wheels.download(tmp_path, "3.12")
    assert "--no-deps" in fetched and "trl==1.12.0" in fetched and "3.12" in fetched
    with pytest.raises(SystemExit, match="lacks datasets, dill"):
        wheels.install(tmp_path, tmp_path / "site")
    for name, version in wheels.WHEELS.items():
        (tmp_path / f"{name.replace('-', '_')}-{version}-py3-none-any.whl").touch()
    put = wheels.install(tmp_path, tmp_path / "site")
    assert {"--no-index", "--no-deps"} <= set(put) and len(
        [w for w in put if w.endswith("whl")]
    ) == 6


def test_what_a_gpu_machine_lacks_is_named(wheels, monkeypatch):
    monkeypatch.setattr(wheels, "find_spec", lambda name: None if name == "pyarrow" else object())
    assert wheels.missing() == ["pyarrow"]
