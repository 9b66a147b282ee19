"""What a reader does: search, download, go through by keyboard, open the site from a folder."""

import io
import json
import zipfile

import pytest

from rlcourse.chapters import CHAPTERS

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PAGE = f"{CHAPTERS[0].page}.html"


@pytest.mark.parametrize("place", ["server", "folder"])
def test_search_finds_a_term_and_leads_to_it(open_page, address, site, place):
    start = address if place == "server" else site.as_uri() + "/"
    page = open_page(f"{start}search.html?q=trajectory")
    result = page.locator("#search-results li a").first
    result.wait_for(timeout=20_000)
    assert page.locator("#search-results li").count() > 1
    result.click()
    page.wait_for_load_state("load")
    assert "trajectory" in page.locator("main").inner_text().lower()
    assert not [url for url in page.asked if not url.startswith((start, "data:"))]


def test_the_search_field_answers_to_the_keyboard(open_page, address):
    page = open_page(f"{address}index.html")
    page.keyboard.press("Control+K")
    page.keyboard.type("glossary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=glossary*")


def test_there_is_one_search_field(open_page, address):
    page = open_page(f"{address}{PAGE}")
    assert page.locator("input[type=search]:visible").count() <= 1


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda each: each.module)
def test_downloads_of_a_chapter(open_page, address, chapter):
    page = open_page(f"{address}{chapter.page}.html")
    links = page.locator("a.download")
    names = {link.get_attribute("href").rpartition("/")[2] for link in links.all()}
    assert {f"{chapter.page}.ipynb", f"{chapter.assignment}.zip"} <= names
    fetched = {}
    for link in links.all():
        with page.expect_download() as download:
            link.click()
        with open(download.value.path(), "rb") as file:
            fetched[download.value.suggested_filename] = file.read()
    notebook = json.loads(fetched[f"{chapter.page}.ipynb"])
    assert [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not [cell for cell in notebook["cells"] if cell.get("outputs")]
    with zipfile.ZipFile(io.BytesIO(fetched[f"{chapter.assignment}.zip"])) as archive:
        folder = f"{chapter.assignment}/{chapter.module}"
        assert set(archive.namelist()) == {f"{folder}.ipynb", f"{folder}.py"}
        assert "NotImplementedError" in archive.read(f"{folder}.py").decode()
        assert b"check_hidden" not in archive.read(f"{folder}.ipynb")


def test_the_focus_is_always_seen(open_page, address):
    page = open_page(f"{address}{PAGE}", reduced_motion="reduce")
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        name, width, style = page.evaluate("""() => {
          const style = getComputedStyle(document.activeElement);
          return [document.activeElement.outerHTML.slice(0, 120), parseFloat(style.outlineWidth), style.outlineStyle];
        }""")
        seen.add(name)
        assert width >= 2 and style != "none", f"no focus ring on {name}"
    assert len(seen) > 20


def test_a_quiz_works_by_keyboard(open_page, address):
    page = open_page(f"{address}{PAGE}")
    if not page.locator(".quiz").count():
        pytest.skip("this page asks nothing")
    quiz = page.locator(".quiz").first
    wrong, right = quiz.locator(".quiz-wrong").first, quiz.locator(".quiz-right").first
    wrong.locator("summary").focus()
    page.keyboard.press("Enter")
    assert wrong.locator("p").first.is_visible() and "Not quite" in wrong.inner_text()
    right.locator("summary").focus()
    page.keyboard.press("Space")
    assert "Right." in right.inner_text()
    assert not wrong.evaluate("e => e.open"), "answers close each other"


def test_the_theme_can_be_changed(open_page, address):
    page = open_page(f"{address}index.html", reduced_motion="reduce")
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(colour)
    seen = set()
    for _ in range(3):  # light, dark, as the system
        page.locator(".theme-switch-button:visible").first.click()
        seen.add(page.evaluate(colour))
    assert len(seen) == 2 and before in seen


def test_mathematics_comes_from_the_site_itself(open_page, address):
    page = open_page(f"{address}{PAGE}")
    page.wait_for_selector("mjx-container", state="attached")
    own = [url for url in page.asked if "mathjax" in url]
    assert own and all(url.startswith(address) for url in own)
    assert page.locator("mjx-merror").count() == 0


def test_head_of_the_first_page(open_page, address, site):
    page = open_page(f"{address}index.html")
    for name in ("og:title", "og:description", "og:image"):
        assert page.locator(f'meta[property="{name}"]').get_attribute("content")
    assert page.locator('meta[name="description"]').first.get_attribute("content")
    assert "favicon" in page.locator('link[rel="icon"]').get_attribute("href")
    assert (site / "404.html").is_file()
    pages = (site / "sitemap.xml").read_text("utf-8").count("<loc>")
    assert pages >= 9
