"""What the README and CONTRIBUTING promise exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
TEXT = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXT.values())


def targets():
    """Targets of the Makefile that say what they do."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))


def test_every_make_command_is_a_target():
    named = set(re.findall(r"`?make ([a-z]+(?:-[a-z]+)*)", ALL)) - {"and"}
    assert {"course", "test"} <= named
    assert named <= targets()


def test_every_variable_of_make_is_read():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    script = (ROOT / "autograder" / "bootstrap.py").read_text(encoding="utf-8")
    for name in set(re.findall(r"\b([A-Z_]{4,})=", ALL)):
        assert f"$({name})" in makefile or f'"{name}"' in script, name


def test_help_lists_every_target():
    done = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert set(re.findall(r"^  make ([a-z-]+) ", done.stdout, re.MULTILINE)) == targets()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert set(phony.split()) == targets()


def test_continuous_integration_runs_the_readmes_test_command():
    last = (ROOT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert last == "make test"
    assert f"\n{last} " in TEXT["README.md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT[page]):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_every_file_named_exists():
    names = re.findall(r"`([\w./-]+\.(?:py|md|toml|txt|yml))`", ALL)
    assert names
    for name in names:
        assert (ROOT / name).exists(), name


COMMANDS = {
    "rlcourse": [str(Path(sys.executable).with_name("rlcourse"))],
    "python -m autograder": [sys.executable, "-m", "autograder"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_named_is_one(command):
    named = set(re.findall(rf"{command} ([a-z][a-z|]+)", ALL))
    words = {word for group in named for word in group.split("|")}
    call = [*COMMANDS[command], "--help"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert words <= set(re.findall(r"[a-z]+", done.stdout))
