"""Check a built site without a browser: links, anchors, and resources asked from other servers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

RESOURCE_ATTRIBUTES = ("src", "srcset", "data", "poster")
NOT_LOADED = ("canonical", "search", "index", "next", "prev")
"""Relations of a ``link`` element that a browser does not fetch when it shows the page."""


@dataclass
class Page(HTMLParser):
    """What one HTML file refers to, and the anchors it offers."""

    links: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value for key, value in attrs if value}
        self.anchors.update(values[key] for key in ("id", "name") if key in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and values.get("rel") not in NOT_LOADED and "href" in values:
            self.resources.append(values["href"])
        self.resources += [values[key] for key in RESOURCE_ATTRIBUTES if key in values]


def read_pages(site: Path) -> dict[Path, Page]:
    """Parse every page of a site."""
    pages = {}
    for file in sorted(site.rglob("*.html")):
        if "_static" not in file.relative_to(site).parts:
            pages[file] = Page()
            pages[file].feed(file.read_text(encoding="utf-8"))
    return pages


def broken_links(site: Path) -> Iterator[str]:
    """Every link or resource of a site that leads nowhere, or that another server must answer."""
    pages = read_pages(site)
    for file, page in pages.items():
        for url in [*page.links, *page.resources]:
            if problem := _problem(site, file, url, pages, url in page.resources):
                yield f"{file.relative_to(site)}: {problem}: {url}"


def _problem(
    site: Path, file: Path, url: str, pages: dict[Path, Page], resource: bool
) -> str | None:
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return "asked from another server" if resource and parts.scheme != "data" else None
    path = unquote(parts.path)
    target = site / path.lstrip("/") if path.startswith("/") else file.parent / path
    target = (target if path else file).resolve()
    if not target.exists():
        return "missing"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "no such anchor"
    return None
