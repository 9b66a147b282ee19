"""Beside the pages: a complete sitemap, and nothing of pages that are gone."""

import shutil
from pathlib import Path
from xml.sax.saxutils import escape

from sphinx.application import Sphinx

SCHEMA = "http://www.sitemaps.org/schemas/sitemap/0.9"
WITHOUT_SOURCE = {"404", "genindex", "prf-prf", "py-modindex", "search"}
"""Pages that Sphinx makes by itself."""


def write_sitemap(app: Sphinx, error: Exception | None) -> None:
    """List all pages of the book, also those that this build did not need to write again."""
    if error or app.builder.format != "html":
        return
    base = app.config.html_baseurl
    urls = [
        f"<url><loc>{escape(base + page)}.html</loc></url>" for page in sorted(app.env.found_docs)
    ]
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="{SCHEMA}">'
    text = "\n".join([head, *urls, "</urlset>\n"])
    (Path(app.outdir) / "sitemap.xml").write_text(text, encoding="utf-8")


def remove_old_pages(app: Sphinx, error: Exception | None) -> None:
    """Take away pages whose sources are gone: one of them could hold a solution."""
    if error or app.builder.format != "html":
        return
    known = app.env.found_docs | WITHOUT_SOURCE
    out = Path(app.outdir)
    for file in out.rglob("*.html"):
        page = file.relative_to(out).with_suffix("").as_posix()
        if not page.startswith(("_static/", "_modules/")) and page not in known:
            file.unlink()
            for source in (out / "_sources").glob(f"{page}.*"):
                source.unlink()


def forget_sources(app: Sphinx) -> None:
    """Show sources afresh: Sphinx keeps their pages while links into them change."""
    shutil.rmtree(Path(app.outdir) / "_modules", ignore_errors=True)


def setup(app: Sphinx) -> None:
    """Connect to the beginning and the end of the build."""
    app.connect("builder-inited", forget_sources)
    app.connect("build-finished", write_sitemap)
    app.connect("build-finished", remove_old_pages)
