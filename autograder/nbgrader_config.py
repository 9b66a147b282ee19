"""nbgrader's configuration: run ``nbgrader`` and its formgrader in this folder.

Everything is set in ``autograder/pipeline/nbgrader_tools.py`` (folders, preprocessors) and ``grading.toml`` (due
dates, late policy), so that nbgrader's own commands and ``python -m autograder`` agree.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT.parent))

from autograder.pipeline.course import Course, put_environment_first  # noqa: E402
from autograder.pipeline.nbgrader_tools import nbgrader_config  # noqa: E402

put_environment_first()
get_config().merge(nbgrader_config(Course(ROOT)))  # type: ignore[name-defined]  # noqa: F821
