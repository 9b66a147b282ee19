"""A judge that needs no sandbox: the module's text says itself what becomes of each exercise.

A module such as ``# 2.3 fail`` fails exercise 2.3; what is not named passes. So these tests see the engine alone.
"""

import os
import re
import time
from pathlib import Path

import nbformat

from autograder.pipeline.result import PASS, Part
from autograder.pipeline.work import Work, graded_cells


def execute(work: Work) -> list[Part]:
    text = (work.module or b"").decode()
    verdicts = dict(re.findall(r"^# (\d\.\d) (.+)$", text, re.MULTILINE))
    if "# raise" in text:
        raise RuntimeError("the judge broke")
    pause = float(os.environ.get("STAND_IN_SECONDS", "0"))
    time.sleep(pause)
    if log := os.environ.get("STAND_IN_LOG"):
        with Path(log).open("a") as file:
            file.write(f"{work.student}/{work.attempt}\n")
    parts = []
    for cell in graded_cells(nbformat.reads(work.notebook, as_version=4)):
        grade_id, most = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
        number = ".".join(grade_id.split("-")[1:3])
        verdict = verdicts.get(number, PASS)
        points = most if verdict == PASS else 0.0
        message = "" if verdict == PASS else f"{number}: {verdict}"
        parts.append(Part(grade_id, verdict, points, most, message))
    return parts


def forget_one(work: Work) -> list[Part]:
    return execute(work)[1:]


def too_generous(work: Work) -> list[Part]:
    first, *others = execute(work)
    return [Part(first.grade_id, PASS, first.max_points + 1.0, first.max_points), *others]
