"""``SplitExecute`` within nbgrader: a gradebook that holds just our verdicts."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from autograder.sandbox.assignment import REPOSITORY
from autograder.sandbox.execute import outputs_of, read_files
from autograder.sandbox.results import PartResult, Verdict

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # nbgrader and SQLAlchemy among themselves
]
SUBMISSIONS = {
    "complete": ("solutions", "", 18.0),
    "stub": ("rlcourse", "", 0.0),
    "crash": ("solutions", "\nimport os\ndef discounted_returns(*_): os._exit(0)\n", 15.0),
}


@pytest.mark.slow
def test_a_gradebook_through_nbgrader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.chdir(tmp_path)
    source = REPOSITORY / "autograder" / "source" / "ch02"
    shutil.copytree(source, tmp_path / "source" / "ch02")
    config = Config()
    config.CourseDirectory.root = str(tmp_path)
    config.CourseDirectory.db_url = f"sqlite:///{tmp_path}/gradebook.db"
    config.Autograde.exclude_overwriting = {"ch02": ["policy_gradient.py"]}
    config.Autograde.autograde_preprocessors = [
        "autograder.sandbox.execute.SplitExecute",
        "nbgrader.preprocessors.SaveAutoGrades",
    ]
    api = NbGraderAPI(config=config)
    assert api.generate_assignment("ch02")["success"]
    for student, (folder, more, score) in SUBMISSIONS.items():
        submitted = tmp_path / "submitted" / student / "ch02"
        shutil.copytree(tmp_path / "release" / "ch02", submitted)
        module = (REPOSITORY / folder / "policy_gradient.py").read_text("utf-8") + more
        (submitted / "policy_gradient.py").write_text(module, "utf-8")
        answer = api.autograde("ch02", student)
        assert answer["success"], answer
        with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
            assert gradebook.find_submission("ch02", student).score == score


@pytest.mark.parametrize("verdict", list(Verdict))
def test_nbgrader_reads_our_verdict_from_the_outputs(verdict: Verdict) -> None:
    part = PartResult("p", verdict, 2.0 if verdict is Verdict.PASS else 0.0, 2.0, "", "printed\n")
    kinds = [output.output_type for output in outputs_of(part)]
    assert ("error" in kinds) is (verdict is not Verdict.PASS)
    assert not any(output.get("name") == "stderr" for output in outputs_of(part))


def test_partial_points_are_a_number() -> None:
    part = PartResult("p", Verdict.PASS, 0.5, 2.0)
    assert outputs_of(part)[0].data["text/plain"] == "0.5"


def test_links_and_pipes_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("x")
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "data.csv").write_text("1")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert read_files(tmp_path) == {"real.py": b"x", "folder/data.csv": b"1"}
