"""No solution on the public site; all of them on the instructor's."""

import html
import importlib.util
import re
import shutil
import zipfile
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from autograder.pipeline.secrets import TELLING, TOGETHER, plain, solution_lines

ROOT = Path(__file__).resolve().parents[2]
TEXT = {".html", ".md", ".txt", ".js", ".json", ".ipynb", ".py", ".xml", ".inv"}


def public_code():
    """All code that students hold; a line of it is no secret."""
    return "".join(plain(file.read_text("utf-8")) for file in (ROOT / "rlcourse").rglob("*.py"))


@pytest.fixture(scope="session")
def secrets():
    shown = public_code()
    lines = solution_lines(ROOT)
    return {text: secret for text, secret in lines.items() if text not in shown}


def visible(name, data):
    """The text of a file with markup, escapes and spaces taken out."""
    text = data.decode("utf-8", "replace")
    if name.endswith(".html"):
        text = html.unescape(re.sub(r"<[^>]+>", "", text))
    return re.sub(r"\s+", "", text.replace("\\n", "\n").replace('\\"', '"'))


def texts(folder):
    """``(name, text)`` of every file of a site, also inside its archives."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(file.relative_to(folder))
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                for inner in archive.namelist():
                    yield f"{name}/{inner}", visible(inner, archive.read(inner))
        elif file.suffix in TEXT and "vendor" not in file.parts:
            yield name, visible(name, file.read_bytes())


def leaks(folder, secrets):
    """Files with one telling line of an exercise, or several short ones; a hint may quote one."""
    found = []
    for name, text in texts(folder):
        regions = defaultdict(list)
        for line, secret in secrets.items():
            if line in text:
                regions[secret.region].append(line)
        for region, lines in regions.items():
            if len(lines) >= TOGETHER or max(map(len, lines)) >= TELLING:
                found.append(f"{name}: {region}: {lines}")
    return found


def test_there_are_secrets_to_look_for(secrets):
    chapters = {secret.where.split(":")[0] for secret in secrets.values()}
    assert chapters == {f"solutions/{file.name}" for file in (ROOT / "solutions").glob("*.py")}


def test_the_sources_of_the_book_hold_no_solution(secrets):
    assert leaks(ROOT / "book", secrets) == []


@pytest.mark.slow
def test_the_public_site_holds_no_solution(site, secrets):
    assert leaks(site, secrets) == []
    names = [str(file.relative_to(site)) for file in site.rglob("*")]
    assert not [name for name in names if "solution" in name.lower()]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["page.html", "_sources/page.md", "searchindex.js", "page.zip"])
def test_a_planted_line_is_found(site, secrets, tmp_path, place):
    line = max(secrets, key=len)
    source = "".join(file.read_text("utf-8") for file in (ROOT / "solutions").glob("*.py"))
    original = next(each for each in source.splitlines() if plain(each) == line)
    target = tmp_path / place
    target.parent.mkdir(exist_ok=True)
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("module.py", original)
    else:
        coloured = re.sub(r"(\w+)", r"<span>\1</span>", html.escape(original))
        target.write_text(coloured if target.suffix == ".html" else original)
    assert len(leaks(tmp_path, secrets)) == 1


@pytest.mark.slow
def test_the_instructors_site_holds_every_solution(instructor_site, secrets):
    shown = "".join(text for name, text in texts(instructor_site) if name.startswith("solutions/"))
    assert [secret.where for line, secret in secrets.items() if line not in shown] == []


@pytest.mark.slow
def test_pages_of_an_earlier_build_are_removed(site, tmp_path):
    copy = shutil.copytree(site, tmp_path / "html")
    (copy / "solutions").mkdir()
    (copy / "solutions" / "page.html").write_text("secret")
    (copy / "_sources" / "solutions").mkdir()
    (copy / "_sources" / "solutions" / "page.md").write_text("secret")
    spec = importlib.util.spec_from_file_location("sitemap", ROOT / "book" / "_ext" / "sitemap.py")
    sitemap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sitemap)
    known = {file.relative_to(site).with_suffix("").as_posix() for file in site.rglob("*.html")}
    app = SimpleNamespace(
        builder=SimpleNamespace(format="html"), outdir=copy, env=SimpleNamespace(found_docs=known)
    )
    sitemap.remove_old_pages(app, None)
    assert not list(copy.rglob("solutions/page.*"))
    assert (copy / "index.html").is_file() and (copy / "search.html").is_file()
