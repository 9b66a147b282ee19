"""The student distribution: what a student may hold of the course, as a folder and as a zip archive.

It is put together from a list of what goes in, never by leaving things out: stubs, support, the
student's side of the checks, data, narrative pages, the released assignments, the environment's files.
Solutions, the author's side of the checks and the grader are not on that list; ``secrets.py`` looks
for their lines in the finished folder all the same.
"""

import shutil
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from autograder.pipeline.course import Course
from autograder.pipeline.secrets import assert_free_of_secrets
from rlcourse.chapters import CHAPTERS, Chapter

ENVIRONMENT = (
    "pyproject.toml",
    "constraints.txt",
    "environment.yml",
    "LICENSE",
    "LICENSE-TEXT",
    "LICENSE-DATA",
)
ENDINGS = (
    ".py",
    ".json",
    ".md",
    ".txt",
    ".toml",
    ".yml",
    ".csv",
    ".npz",
    ".png",
    ".svg",
    ".bib",
    ".safetensors",
    ".typed",
)
README = """\
# Reinforcement learning for language models: your copy

1. Make an environment (Python 3.11 or newer), once:
   `python3 -m venv .venv`, then `.venv/bin/pip install -c constraints.txt -e ".[lab]"`.
   With conda instead: `conda env create -f environment.yml`.
2. Start JupyterLab here: `.venv/bin/jupyter lab`. Read the pages in `book/`; they are notebooks
   (right-click, *Open With*, *Notebook*).
3. Each chapter has a folder in `assignments/`: a notebook with the exercises, and the module you write.
4. See how you do, as often as you like: `rlcourse check 2.3`. Stuck? `rlcourse hint 2.3`.
5. Hand in with `rlcourse submit 2`; it tells you where the archive is.

Released chapters: {chapters}
"""


def build_distribution(course: Course, released: list[Chapter]) -> tuple[Path, Path]:
    """Write the distribution anew; return the folder and the archive beside it.

    Raises:
        SecretFound: if a line of a solution or of the author's checks got into it; nothing is left then.
    """
    folder = course.build / "rlcourse-student"
    archive = course.build / "rlcourse-student.zip"
    shutil.rmtree(folder, ignore_errors=True)
    archive.unlink(missing_ok=True)
    for source, name in _content(course, released):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    names = ", ".join(f"{chapter.assignment} ({chapter.title})" for chapter in released)
    (folder / "README.md").write_text(README.format(chapters=names or "none yet"), "utf-8")
    try:
        assert_free_of_secrets(folder, course.repository)
    except Exception:
        shutil.rmtree(folder)
        raise
    write_archive(archive, folder)
    return folder, archive


def _content(course: Course, released: list[Chapter]) -> Iterator[tuple[Path, str]]:
    """Pairs of a file and its name in the distribution."""
    repository = course.repository
    for file in _files(repository / "rlcourse"):
        yield file, str(file.relative_to(repository))
    pages = [f"book/{page}.md" for page in ("index", "notation")]
    pages += [f"book/{chapter.page}.md" for chapter in CHAPTERS]
    pages += [f"book/exercises/{chapter.page}.md" for chapter in CHAPTERS]
    for name in (*ENVIRONMENT, *pages):
        if (repository / name).exists():
            yield repository / name, name
    for file in _files(repository / "book" / "_static"):
        yield file, str(file.relative_to(repository))
    for chapter in released:
        for name in (f"{chapter.module}.ipynb", f"{chapter.module}.py"):
            yield course.release(chapter) / name, f"assignments/{chapter.assignment}/{name}"


def _files(folder: Path) -> Iterable[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(p for p in found if p.suffix in ENDINGS and "__pycache__" not in p.parts)


def write_archive(archive: Path, folder: Path) -> None:
    """A zip archive of a folder; the same bytes for the same files."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, path.read_bytes())
