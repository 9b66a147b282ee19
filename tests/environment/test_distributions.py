"""Wheel and source distribution: all of the package, nothing of the author's side."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REGION = re.compile(r"### BEGIN SOLUTION (\S+)\n(.*?)### END SOLUTION", re.DOTALL)
TELLING = 25
"""Characters from which on a line of code gives something away."""
AUTHORS_SIDE = {"solutions", "autograder", "tests", "book", "benchmarks"}


def solution_lines():
    """Lines a student is to write, {line: exercise}.

    Short lines, comments and the head of a loop over a range tell nothing.
    """
    found = {}
    for path in sorted((ROOT / "solutions").glob("*.py")):
        for exercise, body in REGION.findall(path.read_text(encoding="utf-8")):
            for line in map(str.strip, body.splitlines()):
                if len(line) >= TELLING and not line.startswith(("#", "for _ in range(")):
                    found[line] = exercise
    return found


def leaks(files):
    """Each solution line found in ``{name: text}``, as ``exercise: name: line``.

    A whole line, also one inside a JSON string; a hint in prose may name a call.
    """
    lines = solution_lines()
    found = []
    for name, text in files.items():
        there = {line.strip(' ",') for line in text.replace("\\n", "\n").splitlines()}
        found += [f"{lines[line]}: {name}: {line}" for line in lines if line in there]
    return found


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what git would keep of the working tree."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    answer = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, answer.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def build(kind, checkout, output):
    """Build a ``wheel`` or ``sdist`` with the project's own backend; return the archive."""
    code = f"from setuptools import build_meta as b; print(b.build_{kind}({str(output)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr
    return output / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    with zipfile.ZipFile(build("wheel", checkout, tmp_path_factory.mktemp("wheel"))) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        return {name: archive.read(name).decode(errors="replace") for name in names}


@pytest.fixture(scope="module")
def sdist(checkout, tmp_path_factory):
    files = {}
    with tarfile.open(build("sdist", checkout, tmp_path_factory.mktemp("sdist"))) as archive:
        for member in archive.getmembers():
            if member.isfile():
                content = archive.extractfile(member).read().decode(errors="replace")
                files[member.name.partition("/")[2]] = content
    return files


def test_the_search_knows_every_exercise():
    numbers = {
        exercise
        for path in (ROOT / "solutions").glob("*.py")
        for exercise, _ in REGION.findall(path.read_text(encoding="utf-8"))
    }
    assert numbers
    assert set(solution_lines().values()) == numbers


def test_the_search_finds_a_leak():
    line, exercise = next(iter(solution_lines().items()))
    for text in (f"def f():\n    {line}\n", f'{{"a": "x\\n    {line}\\ny"}}', f'  "{line}",\n'):
        assert leaks({"a": text}) == [f"{exercise}: a: {line}"]


def test_the_wheel_holds_no_solution(wheel):
    assert not leaks(wheel)


def test_the_sdist_holds_no_solution(sdist):
    assert not leaks(sdist)


def test_neither_holds_the_authors_side(wheel, sdist):
    for files in (wheel, sdist):
        assert not {name.split("/")[0] for name in files} & AUTHORS_SIDE


def test_both_hold_the_whole_package(wheel, sdist, checkout):
    package = {
        path.relative_to(checkout).as_posix()
        for path in (checkout / "rlcourse").rglob("*")
        if path.suffix in (".py", ".json", ".typed")
    }
    assert "rlcourse/checks/cli.py" in package
    assert package <= set(wheel)
    assert package <= set(sdist)


def test_the_wheel_installs_the_command_and_the_licenses(wheel):
    names = {Path(name).name for name in wheel}
    assert {"LICENSE", "LICENSE-TEXT", "LICENSE-DATA"} <= names
    (entries,) = (text for name, text in wheel.items() if name.endswith("entry_points.txt"))
    assert "rlcourse = rlcourse.checks.cli:main" in entries
