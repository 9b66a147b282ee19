"""The set-up script: what it chooses, and what it says when it cannot go on."""

import ast
import os
import shutil
import stat
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from autograder import bootstrap
from autograder.bootstrap import SetupError

ROOT = Path(bootstrap.__file__).resolve().parent.parent
SCRIPT = ROOT / "autograder" / "bootstrap.py"


def fake(versions):
    """A machine that has these interpreters and no others."""
    return versions.get


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_script_is_syntax_an_old_python_reads():
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))


def test_the_script_needs_nothing_but_the_standard_library():
    tree = ast.parse(SCRIPT.read_text())
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_the_versions_are_those_of_pyproject():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    above = (bootstrap.NEWEST[0], bootstrap.NEWEST[1] + 1)
    expected = f">={bootstrap.text(bootstrap.OLDEST)},<{bootstrap.text(above)}"
    assert project["requires-python"] == expected


def test_the_running_python_is_taken_when_it_will_do():
    assert bootstrap.choose_python(None, fake({sys.executable: (3, 12)})) == sys.executable


@pytest.mark.parametrize("own", [(3, 6), (3, 10), (3, 15), None])
def test_another_python_is_found_when_it_will_not(own):
    machine = fake({sys.executable: own, "python3.10": (3, 10), "python3.11": (3, 11)})
    assert bootstrap.choose_python(None, machine) == "python3.11"


def test_a_wrong_python_is_named_with_the_way_out():
    with pytest.raises(SetupError) as error:
        bootstrap.choose_python(None, fake({sys.executable: (3, 9), "python3.13": None}))
    message = str(error.value)
    assert f"{sys.executable} is 3.9" in message
    assert "3.11 to 3.14" in message
    assert "make setup PYTHON=" in message
    assert "\n" not in message


def test_the_python_asked_for_is_not_silently_replaced():
    with pytest.raises(SetupError, match=r"oldpython is 3\.8"):
        bootstrap.choose_python("oldpython", fake({"oldpython": (3, 8), sys.executable: (3, 12)}))
    with pytest.raises(SetupError, match="nopython does not run"):
        bootstrap.choose_python("nopython", fake({sys.executable: (3, 12)}))


def test_version_of_asks_the_interpreter(tmp_path):
    assert bootstrap.version_of(sys.executable) == sys.version_info[:2]
    assert bootstrap.version_of(str(tmp_path / "missing")) is None
    shim = executable(tmp_path / "shim", "#!/bin/sh\necho no such version >&2\nexit 127\n")
    assert bootstrap.version_of(str(shim)) is None


def test_too_little_disk_is_refused_with_figures(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(9, 8, int(1.5 * 2**30)))
    bootstrap.check_disk(tmp_path, 1.4)
    with pytest.raises(SetupError, match=r"1\.5 GiB free, this needs 4 GiB.*make setup VENV="):
        bootstrap.check_disk(tmp_path)


PIP_SAYS = {
    "no network": """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(
'<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new
connection: [Errno -3] Temporary failure in name resolution')': /simple/torch/
ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: none)
ERROR: No matching distribution found for torch==2.13.0""",
    "the disk is full": """\
Installing collected packages: torch
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device""",
    "pip finds no build for this machine: No matching distribution found for torch==2.13.0": """\
ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: 2.2.2)
ERROR: No matching distribution found for torch==2.13.0""",
}


@pytest.mark.parametrize("cause", PIP_SAYS)
def test_the_cause_of_a_failed_pip_is_told_in_one_line(cause):
    assert bootstrap.diagnose(PIP_SAYS[cause]).startswith(cause)
    assert "\n" not in bootstrap.diagnose(PIP_SAYS[cause])


@pytest.mark.parametrize(
    "sign",
    [
        "Temporary failure in name resolution",
        "[Errno -2] Name or service not known",
        "[Errno 101] Network is unreachable",
        "[Errno 113] No route to host",
        "[Errno 111] Connection refused",
        "[Errno 11001] getaddrinfo failed",
        "nodename nor servname provided, or not known",
        "HTTPSConnectionPool(host='x', port=443): Read timed out.",
        "ProxyError('Cannot connect to proxy.', OSError())",
        "ConnectTimeoutError(<connection>, 'Connection timed out.')",
    ],
)
def test_every_way_to_have_no_network_is_known(sign):
    output = f"WARNING: Retrying after {sign}\nERROR: No matching distribution found for torch"
    assert bootstrap.diagnose(output).startswith("no network")


def test_an_unknown_cause_is_not_guessed():
    assert bootstrap.diagnose("ERROR: metadata-generation-failed") is None


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A course folder with a fake interpreter: it answers for venv and pip, and notes the calls."""
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text("pip==26.3\nsetuptools==84.2.1\ntorch==2.13.0\n")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.delenv("RLCOURSE_TORCH_INDEX", raising=False)
    script = f"""#!/bin/sh
echo "$@" >> {tmp_path}/calls
case "$*" in
  *version_info*) echo 3 11 ;;
  *"-m venv"*) for last; do :; done
    mkdir -p "$last/bin"; cp "$0" "$last/bin/python"
    echo "#!$last/bin/python" > "$last/bin/pip"; touch "$last/pyvenv.cfg" ;;
  *install*"$FAIL_ON"*) if [ -n "$FAIL_ON" ]; then echo "$FAIL_SAYING"; exit 1; fi ;;
esac
"""
    return executable(tmp_path / "python", script)


def calls(machine, what):
    log = machine.parent / "calls"
    return [line for line in log.read_text().splitlines() if what in line] if log.exists() else []


def set_up(machine):
    return bootstrap.main(["--python", str(machine), "--venv", str(machine.parent / "venv")])


def test_torch_comes_first_and_everything_is_pinned(machine, monkeypatch):
    monkeypatch.setenv("RLCOURSE_TORCH_INDEX", "file:///an/index")
    assert set_up(machine) == 0
    own, torch, rest = calls(machine, "install")
    assert own.endswith("pip==26.3 setuptools==84.2.1")
    assert torch.endswith("torch==2.13.0 --index-url file:///an/index")
    assert rest.endswith("-e .[dev]")
    assert "--index-url" not in rest
    pins = f"-c {machine.parent}/constraints.txt"
    assert all(pins in call for call in (own, torch, rest))


def test_a_finished_set_up_installs_nothing_again(machine):
    assert set_up(machine) == 0
    (machine.parent / "calls").unlink()
    assert set_up(machine) == 0
    assert not calls(machine, "install")
    assert not calls(machine, "-m venv")


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_a_changed_requirement_installs_again_in_the_same_environment(machine, file):
    assert set_up(machine) == 0
    with (machine.parent / file).open("a") as changed:
        changed.write("# one more\n")
    assert set_up(machine) == 0
    assert len(calls(machine, "install")) == 6
    assert len(calls(machine, "-m venv")) == 1


def test_a_failed_set_up_says_why_and_goes_on_where_it_stopped(machine, monkeypatch, capsys):
    monkeypatch.setenv("FAIL_ON", "-e .")
    monkeypatch.setenv("FAIL_SAYING", PIP_SAYS["no network"])
    assert set_up(machine) == 1
    message = capsys.readouterr().err
    assert message.startswith("set-up stopped: no network")
    assert message.count("\n") == 1
    assert "name resolution" in (machine.parent / "venv" / bootstrap.LOG).read_text()
    assert not (machine.parent / "venv" / bootstrap.STAMP).exists()
    monkeypatch.delenv("FAIL_ON")
    assert set_up(machine) == 0
    assert len(calls(machine, "-m venv")) == 1


def test_an_environment_that_was_moved_is_made_again(machine):
    assert set_up(machine) == 0
    pip = machine.parent / "venv" / "bin" / "pip"
    pip.write_text("#!/elsewhere/venv/bin/python\n")
    (machine.parent / "venv" / bootstrap.STAMP).unlink()
    assert set_up(machine) == 0
    assert len(calls(machine, "-m venv")) == 2


def test_a_folder_that_is_no_environment_is_not_deleted(machine, capsys):
    precious = machine.parent / "venv" / "thesis.tex"
    precious.parent.mkdir()
    precious.write_text("years of work")
    assert set_up(machine) == 1
    assert "move it away" in capsys.readouterr().err
    assert precious.read_text() == "years of work"


def test_python_without_venv_is_explained(tmp_path):
    says = "The virtual environment was not created because ensurepip is not available."
    body = f'#!/bin/sh\ncase "$*" in *venv*) echo "{says}"; exit 1;; *) echo 3 12;; esac\n'
    python = executable(tmp_path / "python", body)
    with pytest.raises(SetupError, match=r"apt install python3\.12-venv"):
        bootstrap.create(tmp_path / "venv", str(python))


@pytest.mark.slow
def test_no_network_from_nothing_to_the_message(tmp_path):
    """The real pip, sent to a port where nobody listens."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    script = tmp_path / "autograder" / "bootstrap.py"
    script.parent.mkdir()
    shutil.copy(SCRIPT, script)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "RLCOURSE_"))}
    environment |= {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "1",
    }
    command = [sys.executable, str(script), "--venv", str(tmp_path / "venv")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("set-up stopped: no network")
    assert done.stderr.count("\n") == 1
