"""nbgrader, called from Python: its configuration for this course, and its commands with their errors made plain."""

import logging
import re
import warnings
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from autograder.pipeline.course import Course, put_environment_first
from autograder.pipeline.feedback_html import safe_markdown
from autograder.pipeline.settings import Settings, load_settings
from rlcourse.chapters import CHAPTERS


class NbgraderError(RuntimeError):
    """nbgrader reported an error; the text is its own."""


def nbgrader_config(course: Course, settings: Settings | None = None) -> Config:
    """Everything nbgrader needs to know, for its own commands and formgrader as for ours."""
    settings = settings or load_settings(course.root)
    config = Config()
    config.CourseDirectory.root = str(course.root)
    config.CourseDirectory.course_id = "rlcourse"
    config.CourseDirectory.db_url = course.gradebook_url
    config.CourseDirectory.submitted_directory = "normalized"
    # without this the stub would take the place of a correct module
    modules = {chapter.assignment: [f"{chapter.module}.py"] for chapter in CHAPTERS}
    config.Autograde.exclude_overwriting = modules
    config.Autograde.autograde_preprocessors = [
        "autograder.pipeline.replay.ReplayResult",
        "nbconvert.preprocessors.ClearMetadataPreprocessor",
        "nbgrader.preprocessors.LimitOutput",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    config.ClearMetadataPreprocessor.preserve_cell_metadata_mask = {("nbgrader",), ("tags",)}
    config.ReplayResult.root = str(course.root)
    config.AssignLatePenalties.plugin_class = "autograder.pipeline.replay.LatePenalty"
    config.LatePenalty.grace_minutes = float(settings.late.grace_minutes)
    config.LatePenalty.per_day = float(settings.late.per_day)
    config.LatePenalty.at_most = float(settings.late.at_most)
    config.GenerateFeedback.preprocessors = [
        "nbgrader.preprocessors.GetGrades",
        "autograder.pipeline.feedback_html.HideInstructorsSide",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]
    # Formgrader shows a student's own cells to the instructor: no script of theirs may run there.
    config.HTMLExporter.sanitize_html = True  # outputs; nbgrader's template leaves text out
    config.HTMLExporter.filters = {"markdown2html": f"{safe_markdown.__module__}.safe_markdown"}
    config.GenerateFeedback.exporter_class = "autograder.pipeline.feedback_html.SafeHTMLExporter"
    return config


def nbgrader_api(course: Course) -> NbGraderAPI:
    """nbgrader's own interface, on this course's gradebook."""
    put_environment_first()
    warnings.filterwarnings("ignore", category=SAWarning)
    api = NbGraderAPI(config=nbgrader_config(course))
    api.log_level = logging.WARNING
    return api


def open_gradebook(course: Course) -> Gradebook:
    """The gradebook; use it as a context, so that it is closed."""
    put_environment_first()
    return Gradebook(course.gradebook_url, "rlcourse")


def succeed(what: str, answer: dict[str, Any]) -> str:
    """The log of a successful nbgrader command.

    Raises:
        NbgraderError: with what nbgrader said, if it failed.
    """
    log = re.sub(r"\x1b\[[0-9;]*m", "", str(answer.get("log") or ""))
    if not answer.get("success"):
        raise NbgraderError(f"{what} failed:\n{answer.get('error') or ''}\n{log}".rstrip())
    return log
