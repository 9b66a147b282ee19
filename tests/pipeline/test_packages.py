"""Wheel and source archive, as anybody may download them, hold nothing of the author's side."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from autograder.pipeline.course import REPOSITORY
from autograder.pipeline.secrets import find_secrets

BUILD = """
from setuptools import build_meta
build_meta.build_wheel("dist")
build_meta.build_sdist("dist")
"""


@pytest.mark.slow
def test_packages_hold_no_secret(tmp_path: Path) -> None:
    """Built from the files that git knows, in a folder of their own."""
    clone = tmp_path / "clone"
    names = subprocess.check_output(["git", "ls-files"], cwd=REPOSITORY, text=True).splitlines()
    for name in names:
        if (REPOSITORY / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, clone / name)
    subprocess.run([sys.executable, "-c", BUILD], cwd=clone, check=True, capture_output=True)
    (wheel,), (sdist,) = (clone / "dist").glob("*.whl"), (clone / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "wheel")
    with tarfile.open(sdist) as tar:
        tar.extractall(tmp_path / "sdist", filter="data")
    (inner,) = (tmp_path / "sdist").iterdir()
    for folder in (tmp_path / "wheel", inner):
        assert (folder / "rlcourse" / "policy_gradient.py").exists()
        assert list(find_secrets(folder, REPOSITORY)) == []
