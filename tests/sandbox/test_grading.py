"""Verdicts, points and what a part may cost: only itself."""

import dataclasses
import hashlib
import threading
from pathlib import Path

import pytest

from autograder.sandbox import GradedModule, Grader, GraderError, SubmissionResult, Verdict
from tests.sandbox.helpers import COUNTING, FULL, HERE, PARTS, SOLUTION, notebook

RIGHT = "def double(x): return 2 * x\ndef total(x): return x.sum()\n"


def grade(grader: Grader, module: str | None, **options: object) -> SubmissionResult:
    files = {} if module is None else {COUNTING.file: module.encode()}
    return grader.grade(notebook(**options), files, COUNTING)  # type: ignore[arg-type]


def verdicts(result: SubmissionResult) -> list[str]:
    return [part.verdict.value for part in result.parts]


def test_the_reference_gets_full_marks_and_the_digest_of_its_bytes(grader: Grader) -> None:
    result = grader.grade(notebook(), {COUNTING.file: SOLUTION}, COUNTING)
    assert result.points == result.max_points == FULL
    assert result.sha256 == hashlib.sha256(SOLUTION).hexdigest()
    assert [part.part for part in result.parts] == list(PARTS)


def test_the_same_submission_gives_the_same_bytes(grader: Grader) -> None:
    module = "import torch\ndef double(x):\n    print(object(), torch.rand(1))\n    return 2 * x\n"
    one, two = grade(grader, module), grade(grader, module)
    assert one.to_json() == two.to_json()
    assert SubmissionResult.from_json(one.to_json()) == one
    assert "tensor([" in one.parts[0].output


def test_a_missing_module_has_no_other_source(grader: Grader) -> None:
    result = grade(grader, None)
    assert verdicts(result) == ["missing"] * 4 and result.points == 0 and result.sha256 is None


def test_the_graded_module_is_the_submitted_one_also_for_own_cells(grader: Grader) -> None:
    own = ["from rlcourse import counting\nprint(counting.__file__, counting.mine)"]
    result = grade(grader, RIGHT + "mine = 'this is mine'\n", own=own)
    assert "this is mine" in result.cells[0].output and "/counting.py" in result.cells[0].output


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("return x + 1", "fail"),
        ("raise NotImplementedError('Exercise 90.1')", "error"),
        ("import os; os._exit(3)", "crash"),
        ("while True: pass", "timeout"),
        ("return bytearray(1 << 40)", "out of memory"),
    ],
)
def test_one_part_loses_only_itself(grader: Grader, body: str, verdict: str) -> None:
    module = f"def double(x):\n    {body}\ndef total(x): return x.sum()\n"
    result = grade(grader, module)
    assert verdicts(result) == [verdict, verdict, "pass", "pass"]
    assert result.points == 5.0
    assert all(part.message for part in result.parts[:2])


def test_a_check_that_swallows_the_end_does_not_pass(grader: Grader) -> None:
    parts = {"swallows": (1.0, "try: counting.double(1)\nexcept BaseException: pass")}
    module = "import os\ndef double(x): os._exit(0)\n"
    assert verdicts(grade(grader, module, parts=parts)) == ["crash"]


def test_messages_are_the_students_own(grader: Grader) -> None:
    result = grade(grader, "def double(x): raise NotImplementedError('Exercise 90.1: later')\n")
    assert result.parts[0].message.startswith("NotImplementedError: Exercise 90.1: later")
    assert "counting.py" in result.parts[0].message
    assert "autograder" not in result.parts[0].message


def test_own_cells_are_replayed_after_a_death(grader: Grader) -> None:
    parts = {
        "dies": (1.0, "counting.double(1)"),
        "lives": (1.0, "assert helper(3) == 4 and counting.total(0) == 'kept'"),
    }
    own = ["def helper(n): return n + 1", "import os; os._exit(0)", "counting.state = 'kept'"]
    module = "import os\ndef double(x): os._exit(0)\ndef total(x): return state\n"
    result = grade(grader, module, own=own, parts=parts)
    assert verdicts(result) == ["crash", "pass"]
    assert [cell.index for cell in result.cells] == [2] and "crash" in result.cells[0].message


def test_partial_credit_by_the_value_of_a_cell(grader: Grader) -> None:
    parts = {
        "third": (3.0, "1.0"),
        "more": (3.0, "99"),
        "less": (3.0, "-1"),
        "none": (3.0, "float('nan')"),
    }
    assert [part.points for part in grade(grader, RIGHT, parts=parts).parts] == [1.0, 3.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "source",
    [
        "undefined_name",
        "assert 1 / 0",
        "import nowhere",
        "def broken(:",
        "raise OSError('disk full')",
    ],
)
def test_a_broken_check_is_never_a_zero(grader: Grader, source: str) -> None:
    with pytest.raises(GraderError):
        grade(grader, RIGHT, parts={"broken": (1.0, source)})


def test_a_check_confused_by_a_submission_is_not_the_graders_fault(grader: Grader) -> None:
    parts = {"sum": (1.0, "assert counting.double(torch.ones(1)).sum() == 2")}
    assert verdicts(grade(grader, "def double(x): return 'two'", parts=parts)) == ["error"]
    assert verdicts(grade(grader, RIGHT, parts=parts)) == ["pass"]


def test_a_broken_notebook_is_the_graders_fault(grader: Grader) -> None:
    with pytest.raises(GraderError, match="notebook"):
        grader.grade("{", {COUNTING.file: SOLUTION}, COUNTING)


def test_an_unknown_chapter_is_named(grader: Grader) -> None:
    with pytest.raises(ValueError, match="ch77"):
        grader.grade(notebook(), {}, "ch77")


def test_a_missing_reference_of_an_earlier_chapter_is_the_graders_fault(grader: Grader) -> None:
    with pytest.raises(GraderError, match="no reference"):
        grader.grade(
            notebook(), {COUNTING.file: SOLUTION}, dataclasses.replace(COUNTING, earlier=("gone",))
        )


def test_earlier_chapters_are_the_reference_without_source(grader: Grader, tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_bytes(SOLUTION)
    (tmp_path / "before.py").write_text("def reference(): return 'right'  # the secret way\n")
    chapter = GradedModule("counting", ("before",), tmp_path)
    module = (
        "from rlcourse.before import reference\nimport inspect, glob\n"
        "def double(x):\n"
        "    print(reference(), [open(f).read() for f in glob.glob('./**/before*')])\n"
        "    try: print(inspect.getsource(reference))\n"
        "    except OSError: print('no source')\n"
        "    return 2 * x\n"
        "def total(x): return x.sum()\n"
    )
    files = {"counting.py": module.encode(), "before.py": b"def reference(): return 'mine'"}
    result = grader.grade(notebook(), files, chapter)
    said = "".join(part.output for part in result.parts)
    assert result.points == FULL
    assert "right" in said and "no source" in said and "secret way" not in said


def test_files_cannot_be_put_outside(grader: Grader) -> None:
    files = {COUNTING.file: SOLUTION, "../../tmp/escaped": b"x"}
    with pytest.raises(GraderError, match="leads out"):
        grader.grade(notebook(), files, COUNTING)


def test_several_threads_share_a_grader(grader: Grader) -> None:
    results: list[float] = []
    threads = [
        threading.Thread(target=lambda: results.append(grade(grader, RIGHT).points))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [FULL] * 4


def test_nothing_of_one_submission_is_left_for_the_next(grader: Grader) -> None:
    parts = {
        "count": (1.0, "import builtins\nbuiltins.n = getattr(builtins, 'n', 0) + 1\nassert n == 1")
    }
    for _ in range(2):
        assert verdicts(grade(grader, RIGHT, parts=parts)) == ["pass"]


def test_output_is_kept_within_bounds(grader: Grader) -> None:
    module = RIGHT + "def double(x):\n    for _ in range(50): print('x' * 100_000)\n"
    output = grade(grader, module).parts[0].output
    assert 1_000_000 < len(output) < 1_200_000 and "dropped" in output


def test_a_locked_cells_names_never_come_from_the_students_notebook(grader: Grader) -> None:
    """The cell ends where it first needs the student's module, before it defines the check."""
    setup = "import torch\nfrom rlcourse import counting\ncounting.double\n"
    setup += "def check(): assert counting.double(2) == 4"
    own = ["def check(*_): return None"]
    for module, verdict in (("1 / 0", "error"), ("import os; os._exit(0)", "crash")):
        result = grade(grader, module, own=own, setup=setup, parts={"one": (1.0, "check()")})
        assert verdicts(result) == [verdict], result
    right = grade(grader, RIGHT, own=own, setup=setup, parts={"one": (1.0, "check()")})
    assert verdicts(right) == ["pass"]


def test_a_message_is_of_bounded_length(grader: Grader) -> None:
    parts = {"echo": (1.0, "value = counting.double(1)\nassert value == 2, repr(value)")}
    result = grade(grader, "def double(x): return chr(0) * 600_000", parts=parts)
    assert verdicts(result) == ["fail"] and len(result.parts[0].message) < 30_000


def test_what_a_submission_sends_cannot_fill_the_judges_memory(grader: Grader) -> None:
    source = "import resource\nassert 0 < resource.getrlimit(resource.RLIMIT_AS)[0] < 1 << 40"
    module = """
def double(callback):
    import torch
    from autograder.sandbox.guest import Guest
    Guest._mirror = lambda *_: None  # keeps nothing of what comes back
    for _ in range(1000): callback(torch.zeros(60_000_000))
"""
    lend = "w = torch.ones(1, requires_grad=True)\ncounting.double(lambda t: t * w)"
    parts = {"limit": (1.0, source), "greedy": (1.0, lend), "after": (1.0, "assert True")}
    result = grade(grader, module, parts=parts)
    assert verdicts(result)[0] == "pass" and verdicts(result)[2] == "pass"
    assert verdicts(result)[1] in ("error", "crash", "out of memory", "timeout")


def test_no_grading_without_isolation(monkeypatch: pytest.MonkeyPatch) -> None:
    from autograder.sandbox.isolation import choose

    monkeypatch.setattr(choose, "why_not", lambda tier, view=None: "switched off")
    with pytest.raises(GraderError, match="nothing is graded"):
        Grader()


def test_verdicts_are_those_of_the_pipeline() -> None:
    from autograder.pipeline.result import VERDICTS

    assert {verdict.value for verdict in Verdict} == set(VERDICTS)
    assert HERE.name == "sandbox"
