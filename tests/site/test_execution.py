"""Which pages are executed again, and that Jupyter Book finds them done."""

import pytest
from jupyter_cache import get_cache

from autograder.site.dependencies import dependencies
from autograder.site.execution import (
    KEPT,
    PageError,
    executable_pages,
    execute_pages,
    executed_page,
    read_page,
)
from autograder.site.freshness import page_key

HEAD = "---\nkernelspec:\n  name: python3\n---\n\n# A page\n"
FILES = {
    "rlcourse/__init__.py": "import os\n__path__.insert(0, os.environ['RLCOURSE_OVERLAY'])",
    "rlcourse/chapter.py": "raise NotImplementedError",
    "rlcourse/recipes/__init__.py": "",
    "rlcourse/recipes/run.py": "from rlcourse.support import worlds\nanswer = worlds.size",
    "rlcourse/recipes/other.py": "x = 1",
    "rlcourse/support/__init__.py": "",
    "rlcourse/support/worlds.py": "size = 1",
    "rlcourse/data/words.txt": "a",
    "solutions/chapter.py": "import rlcourse.recipes.run as run",
    "constraints.txt": "torch==1",
}


def cell(code):
    return f"\n```{{code-cell}} python\n{code}\n```\n"


@pytest.fixture
def root(tmp_path):
    """A course of one chapter."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "book").mkdir()
    return tmp_path


def write_page(root, code, name="page"):
    page = root / "book" / f"{name}.md"
    page.write_text(HEAD + cell(code))
    return page


def test_what_a_page_stands_on_is_found_through_the_solution_and_not_through_the_stub(root):
    found = {
        str(file.relative_to(root)) for file in dependencies(["import rlcourse.chapter"], root)
    }
    unused = {"rlcourse/chapter.py", "rlcourse/recipes/other.py"}
    assert found == {name for name in FILES if name.endswith(".py")} - unused


def test_a_module_named_in_a_string_counts(root):
    found = dependencies(["import_module('rlcourse.recipes.other')"], root)
    assert root / "rlcourse/recipes/other.py" in found


CHANGES = [
    ("rlcourse/support/worlds.py", True),
    ("solutions/chapter.py", True),
    ("rlcourse/data/words.txt", True),
    ("constraints.txt", True),
    ("rlcourse/recipes/other.py", False),
    ("rlcourse/chapter.py", False),
]


@pytest.mark.parametrize(("name", "again"), CHANGES)
def test_a_page_is_executed_again_when_something_it_stands_on_has_changed(root, name, again):
    sources = ["from rlcourse.chapter import run"]
    before = page_key(sources, root)
    (root / name).write_text("changed = 2\n")
    assert (page_key(sources, root) != before) == again


@pytest.mark.slow
def test_a_page_is_executed_once_for_one_state_of_the_code(root):
    count = "open('runs', 'a').write('x')\nfrom rlcourse.chapter import run\nprint(run.answer)"
    page = write_page(root, count)
    first = executed_page(page, root)
    page.write_text(page.read_text() + "\nMore prose.\n")
    executed_page(page, root)
    assert (root / "book" / "runs").read_text() == "x"
    assert first.cells[-1].outputs[0].text == "1\n"
    (root / "rlcourse/support/worlds.py").write_text("size = 2\n")
    assert executed_page(page, root).cells[1].outputs[0].text == "2\n"
    assert (root / "book" / "runs").read_text() == "xx"


@pytest.mark.slow
def test_jupyter_book_finds_the_pages_executed(root):
    pages = [write_page(root, f"print({number})", f"page{number}") for number in range(2)]
    (root / "book" / "prose.md").write_text("# No cell\n")
    assert executable_pages(root / "book") == pages
    cache = get_cache(execute_pages(root, jobs=2))
    for number, page in enumerate(pages):
        _, found = cache.merge_match_into_notebook(read_page(page))
        assert found.cells[-1].outputs[0].text == f"{number}\n"


@pytest.mark.slow
def test_a_page_whose_caption_was_mended_is_found_without_executing_it_again(root):
    page = write_page(root, ":tags: [old]\nopen('runs', 'a').write('x')\nprint(1)")
    execute_pages(root, jobs=1)
    page.write_text(page.read_text().replace("[old]", "[mended]"))
    cache = get_cache(execute_pages(root, jobs=1))
    _, found = cache.merge_match_into_notebook(read_page(page))
    assert found.cells[-1].metadata.tags == ["mended"]
    assert (root / "book" / "runs").read_text() == "x"


@pytest.mark.slow
def test_a_page_that_fails_is_named_and_the_others_are_kept(root):
    good, bad = write_page(root, "print(1)", "good"), write_page(root, "1 / 0", "bad")
    with pytest.raises(PageError, match="ZeroDivisionError") as caught:
        execute_pages(root, jobs=2)
    assert str(bad) in str(caught.value) and str(good) not in str(caught.value)
    kept = [file.name for file in (root / "_build" / "executed").glob("*.ipynb")]
    assert len(kept) == 1 and kept[0].startswith("good-")


@pytest.mark.slow
def test_an_import_that_the_search_has_not_seen_stops_the_build(root):
    page = write_page(root, "__import__('rlcourse.recipes.' + 'other')")
    with pytest.raises(PageError, match=r"other\.py"):
        executed_page(page, root)
    assert not list((root / "_build" / "executed").glob("*.ipynb"))


@pytest.mark.slow
def test_only_the_latest_results_of_a_page_are_kept(root):
    for number in range(KEPT + 1):
        executed_page(write_page(root, f"print({number})"), root)
    assert len(list((root / "_build" / "executed").glob("page-*.ipynb"))) == KEPT
