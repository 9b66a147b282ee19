"""pyproject.toml, environment.yml, constraints.txt and the imports in the code say the same."""

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder.pins import portable

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
EXTRAS = PROJECT["optional-dependencies"]


def requirements(*extras):
    """The course's requirements, with those of the extras; none refers to the course itself."""
    lines = PROJECT["dependencies"] + [line for extra in extras for line in EXTRAS[extra]]
    return [Requirement(line) for line in lines]


def pins():
    """Version of every package in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


ALL = requirements(*(extra for extra in EXTRAS if extra != "dev"))


def test_dev_is_every_other_extra():
    (own,) = map(Requirement, EXTRAS["dev"])
    assert own.name == PROJECT["name"]
    assert own.extras == set(EXTRAS) - {"dev"}


def test_conda_installs_what_pyproject_names():
    pip = next(entry["pip"] for entry in CONDA if isinstance(entry, dict))
    options = [line for line in pip if line.startswith("-")]
    assert options == ["-c constraints.txt", "-e ."]
    named = {str(Requirement(line)) for line in pip if line not in options}
    assert named == {str(requirement) for requirement in ALL}


def test_conda_installs_a_python_that_pyproject_allows():
    (python,) = (e for e in CONDA if isinstance(e, str) and e.startswith("python"))
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(PROJECT["requires-python"])


def test_pins_hold_on_any_machine():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if not line.startswith("#")]
    assert portable("\n".join(pinned)) == pinned
    for mark in ("+", "@", "file:", "://", " /"):
        assert not [line for line in pinned if mark in line]


@pytest.mark.parametrize("line", ["a @ file:///tmp/a.whl", "-e git+ssh", "a", "a>=1", "/tmp/a.whl"])
def test_a_pin_of_one_machine_is_refused(line):
    if line.startswith("-e "):
        assert portable(line) == []
    else:
        with pytest.raises(ValueError, match="install one instead"):
            portable(f"numpy==2.4.6\n{line}\n")


def test_a_local_build_is_pinned_by_its_release():
    assert portable("torch==2.13.0+cpu\nrlcourse==0.1.0\n") == ["torch==2.13.0"]


def test_no_registry_is_named():
    """Where packages come from is for the machine to say."""
    files = ["pyproject.toml", "constraints.txt", "environment.yml", "Makefile", ".ci/run"]
    for name in [*files, "autograder/bootstrap.py", "README.md", "CONTRIBUTING.md"]:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://\S*(pypi|pythonhosted|pytorch|anaconda|npmjs)", text), name
        assert "/work/" not in text and "/opt/" not in text, name


def test_the_pins_satisfy_pyproject_and_one_another():
    pinned = pins()
    missing = []
    for name in pinned:
        for line in [] if name == "torch" else metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                missing += unmet(requirement, pinned)
    for requirement in ALL:
        missing += unmet(requirement, pinned)
    assert not missing


def unmet(requirement, pinned):
    version = pinned.get(canonicalize_name(requirement.name))
    if version is None or not requirement.specifier.contains(Version(version), prereleases=True):
        return [f"{requirement}, pinned: {version}"]
    return []


def test_this_environment_is_the_pinned_one():
    """Otherwise the tests prove nothing about what others will install."""
    # Only what is installed here: setuptools puts copies of its own on the path once it is imported.
    folder = metadata.distributions(path=[sysconfig.get_paths()["purelib"]])
    here = [(canonicalize_name(d.name), d.version.split("+")[0]) for d in folder]
    pinned = set(pins().items())
    installed = {(name, version) for name, version in here if name != "rlcourse"}
    assert not pinned - installed, "run `make setup`"
    assert not installed - pinned, "run `make constraints` if these are meant"


def third_party(folder):
    """Distributions that the modules below a folder import: {distribution: a file}."""
    owners, found = metadata.packages_distributions(), {}
    own = {"rlcourse", "autograder", "tests"} | {p.stem for p in (ROOT / "book").rglob("*.py")}
    command = ["git", "ls-files", "-co", "--exclude-standard", f"{folder}/*.py"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    # Attacks are submissions, not code of the course: what they import is part of the attack.
    files = [name for name in listed.splitlines() if "/attacks/" not in name]
    for path in filter(Path.exists, map(ROOT.joinpath, files)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names - own:
                found[canonicalize_name(owners.get(top, [top])[0])] = str(path)
    return found


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("rlcourse", ["lab"]),
        ("solutions", []),
        ("book", ["book", "lab"]),
        ("autograder", ["lab", "book", "grader", "test"]),
        ("tests", ["lab", "book", "grader", "test"]),
    ],
)
def test_what_the_code_imports_is_named(folder, extras):
    named = {canonicalize_name(requirement.name) for requirement in requirements(*extras)}
    unnamed = {name: path for name, path in third_party(folder).items() if name not in named}
    assert not unnamed, f"add to pyproject.toml and environment.yml: {unnamed}"
