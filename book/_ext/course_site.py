"""The book's own Sphinx extension: directives, downloads, repairs to the stock pages."""

import os
import sys
import zlib
from pathlib import Path
from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata

sys.path[:0] = [str(Path(__file__).parents[2])]

PARTS = (
    "tags",
    "quiz",
    "widget",
    "drawing",
    "chapter_links",
    "chapter_pages",
    "course_path",
    "reference",
    "docstrings",
    "downloads",
    "vendored",
    "sitemap",
    "tidy",
)


def use_execution_cache(app: Sphinx, config: Config) -> None:
    """Keep the outputs of executed pages where the build command says."""
    if folder := os.environ.get("RLCOURSE_EXECUTION_CACHE"):
        config.nb_execution_cache_path = folder


def follow_base_url(app: Sphinx, config: Config) -> None:
    """Take from the one address in ``_config.yml`` what other extensions ask for separately."""
    config.ogp_site_url = config.html_baseurl
    config.ogp_image = config.html_baseurl + "_static/preview.png"
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path


def own_version() -> int:
    """A number that changes with this code, so that Sphinx then reads every page again."""
    code = b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))
    return zlib.crc32(code)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Set up every part."""
    app.connect("config-inited", use_execution_cache)
    app.connect("config-inited", follow_base_url)
    for part in PARTS:
        app.setup_extension(part)
    return {"env_version": own_version(), "parallel_read_safe": True, "parallel_write_safe": True}
