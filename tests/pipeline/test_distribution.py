"""What students get: everything they need, and nothing of the author's side."""

import shutil
import zipfile
from pathlib import Path

import pytest

from autograder.pipeline.course import REPOSITORY, Course
from autograder.pipeline.distribution import build_distribution
from autograder.pipeline.secrets import (
    SecretFound,
    assert_free_of_secrets,
    author_lines,
    find_secrets,
    plain,
    solution_lines,
)
from autograder.pipeline.workspace import lay_out
from rlcourse.chapters import CHAPTERS, Chapter, find_chapter


@pytest.fixture(scope="module")
def built(released: Course, chapter: Chapter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    course = Course(tmp_path_factory.mktemp("course") / "autograder")
    shutil.copytree(released.root, course.root)
    return build_distribution(course, [chapter])[0]


@pytest.fixture
def distribution(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "distribution")
    return tmp_path / "distribution"


NEEDED = [
    "README.md",
    "pyproject.toml",
    "constraints.txt",
    "environment.yml",
    "rlcourse/__init__.py",
    "rlcourse/policy_gradient.py",
    "rlcourse/support/rollouts.py",
    "rlcourse/checks/runner.py",
    "rlcourse/checks/probes/policy_gradient.py",
    "rlcourse/checks/data/policy_gradient.json",
    "assignments/ch02/policy_gradient.ipynb",
    "assignments/ch02/policy_gradient.py",
]


def test_everything_a_student_needs(distribution: Path) -> None:
    assert [name for name in NEEDED if not (distribution / name).is_file()] == []
    for chapter in CHAPTERS:
        if (REPOSITORY / "book" / f"{chapter.page}.md").exists():
            assert (distribution / "book" / f"{chapter.page}.md").is_file()


def test_nothing_of_the_authors_side(distribution: Path) -> None:
    assert list(find_secrets(distribution, REPOSITORY)) == []
    names = {path.relative_to(distribution).parts[0] for path in distribution.rglob("*")}
    assert not names & {"solutions", "autograder", "tests", ".git", "benchmarks"}


def test_no_line_of_a_solution_stands_in_the_distribution(distribution: Path) -> None:
    """Without the finder: every line of every region, in every file, as it is written."""
    lines, public = set(), set()
    for file in (REPOSITORY / "solutions").glob("*.py"):
        inside = False
        for line in file.read_text("utf-8").splitlines():
            if "### BEGIN SOLUTION" in line or "### END SOLUTION" in line:
                inside = "BEGIN" in line
            else:
                (lines if inside else public).add(line.strip())
    telling = {line for line in lines - public if len(line) >= 40}
    assert len(telling) >= 5
    texts = [path.read_bytes() for path in distribution.rglob("*") if path.is_file()]
    assert [line for line in telling if any(line.encode() in text for text in texts)] == []


def test_there_is_something_to_look_for() -> None:
    assert len(solution_lines(REPOSITORY)) > 15
    assert len(author_lines(REPOSITORY)) > 50


@pytest.mark.parametrize(
    "file", ["rlcourse/policy_gradient.py", "book/x.md", "assignments/ch02/x.ipynb"]
)
def test_a_planted_solution_is_found(file: str, distribution: Path) -> None:
    solution = (REPOSITORY / "solutions" / "policy_gradient.py").read_text()
    line = next(
        line
        for line in solution.splitlines()
        if plain(line) in solution_lines(REPOSITORY) and len(plain(line)) > 40
    )
    path = distribution / file
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() if path.exists() else ""
    path.write_text(f"{before}\n      {line.strip().replace('(', '( ')}   \n")
    with pytest.raises(SecretFound, match=rf"{Path(file).name}:\d+: a line of solutions/"):
        assert_free_of_secrets(distribution, REPOSITORY)


def test_planted_short_lines_of_one_answer_are_found(distribution: Path) -> None:
    found = solution_lines(REPOSITORY)
    region = next(s.region for s in found.values() if s.region.endswith(" 2.5"))
    short = [text for text, s in found.items() if s.region == region and len(text) < 36][:3]
    (distribution / "notes.py").write_text("\n".join(short))
    assert len(list(find_secrets(distribution, REPOSITORY))) == 3


def test_planted_checks_and_folders_are_found(distribution: Path) -> None:
    oracle = REPOSITORY / "autograder" / "checks" / "policy_gradient" / "bandit_gradient.py"
    shutil.copy(oracle, distribution / "rlcourse" / "support" / "helpers.py")
    assert any("helpers.py" in found for found in find_secrets(distribution, REPOSITORY))
    (distribution / "solutions").mkdir()
    (distribution / "solutions" / "x.py").write_text("")
    assert any("author's side" in found for found in find_secrets(distribution, REPOSITORY))


def test_a_hidden_test_in_a_notebook_is_found(distribution: Path) -> None:
    source = REPOSITORY / "autograder" / "source" / "ch02" / "policy_gradient.ipynb"
    shutil.copy(source, distribution / "assignments" / "ch02" / "policy_gradient.ipynb")
    assert any("a hidden test" in found for found in find_secrets(distribution, REPOSITORY))


def test_a_leak_leaves_no_distribution(course: Course, chapter: Chapter) -> None:
    source = course.source(chapter) / "policy_gradient.ipynb"
    shutil.copy(source, course.release(chapter) / "policy_gradient.ipynb")
    with pytest.raises(SecretFound):
        build_distribution(course, [chapter])
    assert not list(course.build.glob("*"))


def test_the_archive_is_the_folder_and_always_the_same(course: Course, chapter: Chapter) -> None:
    folder, archive = build_distribution(course, [chapter])
    first = archive.read_bytes()
    build_distribution(course, [chapter])
    assert archive.read_bytes() == first
    with zipfile.ZipFile(archive) as packed:
        packed_names = set(packed.namelist())
    files = {f"{folder.name}/{p.relative_to(folder)}" for p in folder.rglob("*") if p.is_file()}
    assert packed_names == files


def test_a_workspace_keeps_a_students_work(course: Course, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    assert len(lay_out(course, folder).written) > len(NEEDED)
    again = lay_out(course, folder)
    assert not again.written and not again.kept
    mine = folder / "assignments" / "ch02" / "policy_gradient.py"
    mine.write_text("my work")
    note = folder / "book" / "my notes.md"
    note.parent.mkdir(exist_ok=True)
    note.write_text("remember")
    (course.release(find_chapter("ch02")) / "policy_gradient.py").write_text("# a new stub\n")
    laid = lay_out(course, folder)
    assert laid.kept == ["assignments/ch02/policy_gradient.py"]
    assert mine.read_text() == "my work" and note.read_text() == "remember"


def test_a_workspace_follows_the_release_where_nothing_was_edited(
    course: Course, chapter: Chapter, tmp_path: Path
) -> None:
    lay_out(course, tmp_path / "w")
    stub = course.release(chapter) / "policy_gradient.py"
    stub.write_text(stub.read_text() + "\n# a second release\n")
    assert lay_out(course, tmp_path / "w").written == ["assignments/ch02/policy_gradient.py"]
    assert lay_out(course, tmp_path / "w").written == []
