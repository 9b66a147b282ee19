"""The book's own Sphinx extension: directives for authors, files for readers, repairs to the stock pages."""

import os
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata

sys.path[:0] = [str(Path(__file__).parents[2])]

PARTS = ("tags", "quiz", "widget", "drawing", "chapter_pages", "course_path", "reference", "downloads", "vendored", "tidy")


def use_execution_cache(app: Sphinx, config: Config) -> None:
    """Keep the outputs of executed pages where the build command says, a folder named after the code's hash."""
    if folder := os.environ.get("RLCOURSE_EXECUTION_CACHE"):
        config.nb_execution_cache_path = folder


def setup(app: Sphinx) -> ExtensionMetadata:
    """Set up every part."""
    app.connect("config-inited", use_execution_cache)
    for part in PARTS:
        app.setup_extension(part)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
