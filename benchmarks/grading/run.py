"""CPU seconds per further submission: stock nbgrader against split execution, interleaved.

Both grade the same submissions of chapter 2 into a real gradebook with ``nbgrader autograde``; only
the preprocessor that runs the tests differs. The first submission of each is left out: it pays for
imports and the warm parents. Run ``python benchmarks/grading/run.py --rounds 3``.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ["PYTHONPATH"] = str(REPOSITORY)
os.environ["OMP_NUM_THREADS"] = "1"

from nbgrader.api import Gradebook  # noqa: E402
from nbgrader.apps import NbGraderAPI  # noqa: E402
from traitlets.config import Config  # noqa: E402

from autograder.sandbox import grader as sandbox  # noqa: E402
from autograder.sandbox.results import SubmissionResult  # noqa: E402

CHAPTER, MODULE = "ch02", "policy_gradient.py"


@dataclass(frozen=True)
class Cost:
    """What one submission took."""

    cpu: float
    wall: float
    score: float


class Course:
    """A course folder of its own, graded by one of the two."""

    def __init__(self, root: Path, split: bool) -> None:
        """Lay out the folder and release the assignment."""
        self.root, self.split = root, split
        config = Config()
        config.CourseDirectory.root = str(root)
        config.CourseDirectory.db_url = f"sqlite:///{root}/gradebook.db"
        config.Autograde.exclude_overwriting = {CHAPTER: [MODULE]}
        config.ClearSolutions.code_stub = {"python": "..."}
        if split:
            usual = ["IgnorePattern", "LimitOutput", "SaveAutoGrades", "AssignLatePenalties"]
            config.Autograde.autograde_preprocessors = [
                "autograder.sandbox.execute.SplitExecute",
                *(f"nbgrader.preprocessors.{name}" for name in usual),
            ]
        else:
            config.Execute.timeout = 120
        shutil.copytree(REPOSITORY / "autograder" / "source" / CHAPTER, root / "source" / CHAPTER)
        self.api = NbGraderAPI(config=config)
        self.api.log_level = "CRITICAL"
        _succeed(self.api.generate_assignment(CHAPTER))

    def submit(self, student: str, module: str) -> None:
        """Hand in the released notebook with this module."""
        folder = self.root / "submitted" / student / CHAPTER
        shutil.copytree(self.root / "release" / CHAPTER, folder)
        (folder / MODULE).write_text(module, "utf-8")

    def grade(self, student: str) -> Cost:
        """Autograde one submission; count the CPU time of every process that takes part."""
        kept: list[SubmissionResult] = []
        real = sandbox.Grader.grade

        def keep(*args: object) -> SubmissionResult:
            kept.append(real(*args))  # type: ignore[arg-type]
            return kept[-1]

        sandbox.Grader.grade = keep  # type: ignore[method-assign,assignment]
        try:
            cpu, wall = _cpu(), time.perf_counter()
            _succeed(self.api.autograde(CHAPTER, student))
            cpu, wall = _cpu() - cpu, time.perf_counter() - wall
        finally:
            sandbox.Grader.grade = real  # type: ignore[method-assign]
        with Gradebook(f"sqlite:///{self.root}/gradebook.db") as gradebook:
            score = gradebook.find_submission(CHAPTER, student).score
        return Cost(cpu + sum(result.cpu_seconds for result in kept), wall, score)


def _cpu() -> float:
    """CPU seconds of this process and of the kernels that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _succeed(answer: dict[str, object]) -> None:
    if not answer["success"]:
        raise SystemExit(f"nbgrader failed:\n{answer.get('error')}\n{answer.get('log')}")


def modules() -> dict[str, str]:
    """Return the submissions: complete, one exercise wrong, two missing, untouched."""
    solution = (REPOSITORY / "solutions" / MODULE).read_text("utf-8")
    stub = (REPOSITORY / "rlcourse" / MODULE).read_text("utf-8")
    wrong = solution + "\n\ndef discounted_returns(rewards, discounts):\n    return rewards\n"
    missing = solution + "\n\ndel exact_policy_gradient, bandit_gradient\n"
    return {"complete": solution, "wrong": wrong, "missing": missing, "stub": stub}


def main() -> None:
    """Grade every submission by both, in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        courses = {name: Course(Path(folder, name), name == "split") for name in ("stock", "split")}
        costs = _measure(courses, options.rounds)
    _report(costs, options.json)


def _measure(courses: dict[str, Course], rounds: int) -> dict[str, dict[str, list[Cost]]]:
    costs: dict[str, dict[str, list[Cost]]] = {name: {} for name in courses}
    for turn in range(rounds + 1):
        for kind, module in modules().items():
            for name, course in courses.items():
                course.submit(f"{kind}-{turn}", module)
                cost = course.grade(f"{kind}-{turn}")
                if turn:  # the first round warms up
                    costs[name].setdefault(kind, []).append(cost)
            if not turn:
                break
    return costs


def _report(costs: dict[str, dict[str, list[Cost]]], file: Path | None) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    print(f"{'submission':<12}{'score':>7}{'stock':>9}{'split':>9}{'ratio':>8}   (CPU s)")
    for kind in costs["stock"]:
        stock, split = costs["stock"][kind], costs["split"][kind]
        if {cost.score for cost in stock} != {cost.score for cost in split}:
            raise SystemExit(f"{kind}: scores differ: {stock} and {split}")
        one, two = (statistics.median(c.cpu for c in found) for found in (stock, split))
        print(f"{kind:<12}{stock[0].score:>7.1f}{one:>9.2f}{two:>9.2f}{one / two:>7.1f}x")
    means = {
        name: statistics.mean(statistics.median(c.cpu for c in found) for found in kinds.values())
        for name, kinds in costs.items()
    }
    ratio = means["stock"] / means["split"]
    print(f"{'mean':<12}{'':>7}{means['stock']:>9.2f}{means['split']:>9.2f}{ratio:>7.1f}x")
    if file is not None:
        file.write_text(json.dumps({"cpu_seconds": means, "ratio": ratio}, indent=1) + "\n")


if __name__ == "__main__":
    main()
