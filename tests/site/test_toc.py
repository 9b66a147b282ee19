"""The table of contents, the picture of the course and the table of chapters say the same."""

import importlib.util
import sys
from pathlib import Path

import pytest
import yaml

from autograder.site.toc import check_toc, table_of_contents, write_toc
from rlcourse.chapters import CHAPTERS

ROOT = Path(__file__).resolve().parents[2]


def book_in(folder, *pages):
    for page in pages:
        (folder / page).parent.mkdir(exist_ok=True)
        (folder / page).write_text("# x\n")
    return folder


def chapters_of(folder):
    return yaml.safe_load(table_of_contents(folder))["parts"][0]["chapters"]


def test_the_committed_table_of_contents_is_up_to_date():
    check_toc(ROOT / "book")


def test_exercises_and_solutions_stand_below_their_chapter(tmp_path):
    page = CHAPTERS[0].page
    book_in(tmp_path, f"{page}.md")
    assert chapters_of(tmp_path) == [{"file": page}]
    book_in(tmp_path, f"exercises/{page}.md", f"solutions/{page}.md")
    sections = [{"file": f"exercises/{page}"}, {"file": f"solutions/{page}"}]
    assert chapters_of(tmp_path) == [{"file": page, "sections": sections}]


def test_an_old_table_of_contents_is_refused(tmp_path):
    book_in(tmp_path, f"{CHAPTERS[0].page}.md")
    with pytest.raises(ValueError, match="--toc"):
        check_toc(tmp_path)
    write_toc(tmp_path)
    check_toc(tmp_path)
    book_in(tmp_path, f"exercises/{CHAPTERS[0].page}.md")
    with pytest.raises(ValueError, match="out of date"):
        check_toc(tmp_path)


def test_every_chapter_is_a_stop_of_the_picture():
    pytest.importorskip("sphinx")
    folder = str(ROOT / "book" / "_ext")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("course_path", f"{folder}/course_path.py")
        picture = importlib.util.module_from_spec(spec)
        sys.modules["course_path"] = picture
        spec.loader.exec_module(picture)
    finally:
        sys.path.remove(folder)
    numbers = [stop.number for stop in picture.STOPS]
    assert {chapter.number for chapter in CHAPTERS} <= set(numbers)
    assert picture.drawing(wide=True).count('class="ready"') == len(CHAPTERS)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda each: each.module)
def test_a_page_bears_the_title_of_its_chapter(chapter):
    page = ROOT / "book" / f"{chapter.page}.md"
    if not page.is_file():
        pytest.skip("not written yet")
    assert f"\n# {chapter.title}\n" in page.read_text("utf-8")
