"""Which submissions are alike: copydetect's fingerprints (winnowing, as in MOSS), with the stub taken off.

A high number is a reason to look, never a verdict: short exercises have few right answers.
"""

from dataclasses import dataclass
from html import escape
from itertools import combinations
from pathlib import Path

from copydetect import CodeFingerprint, compare_files

from autograder.pipeline.course import Course
from autograder.pipeline.export import Table, as_csv
from autograder.pipeline.feedback_html import page
from autograder.pipeline.result import write_atomically
from rlcourse.chapters import Chapter

GRAM, WINDOW = 25, 1
LISTED = 0.3


@dataclass(frozen=True, slots=True)
class Pair:
    """Two submissions, and how much of each is in the other."""

    first: str
    second: str
    share_of_first: float
    share_of_second: float
    common: tuple[str, ...]
    """The passages of the first that the second has too."""

    @property
    def likeness(self) -> float:
        return max(self.share_of_first, self.share_of_second)


def similarity(course: Course, chapter: Chapter) -> tuple[list[Pair], Path]:
    """Compare the modules that count, each with each; return the pairs, most alike first, and the report.

    Raises:
        ValueError: if fewer than two modules are there to compare.
    """
    pattern = f"*/{chapter.assignment}/{chapter.module}.py"
    modules = sorted((course.root / "normalized").glob(pattern))
    if len(modules) < 2:
        raise ValueError(
            f"nothing to compare: {len(modules)} graded modules of {chapter.assignment}"
        )
    stub = CodeFingerprint(str(course.release(chapter) / f"{chapter.module}.py"), GRAM, WINDOW)
    prints = {path.parents[1].name: _fingerprint(path, stub) for path in modules}
    pairs = [_compare(a, b, prints) for a, b in combinations(sorted(prints), 2)]
    pairs.sort(key=lambda pair: (-pair.likeness, pair.first, pair.second))
    return pairs, _report(course, chapter, pairs)


def _fingerprint(path: Path, stub: CodeFingerprint) -> CodeFingerprint:
    with path.open(encoding="utf-8", errors="replace") as text:
        return CodeFingerprint(str(path), GRAM, WINDOW, boilerplate=sorted(stub.hashes), fp=text)


def _compare(first: str, second: str, prints: dict[str, CodeFingerprint]) -> Pair:
    a, b = prints[first], prints[second]
    if not a.hashes or not b.hashes:
        return Pair(first, second, 0.0, 0.0, ())
    _, (share_a, share_b), (slices, _) = compare_files(a, b)
    common = tuple(a.raw_code[start:end] for start, end in slices.T.tolist())
    return Pair(first, second, round(float(share_a), 4), round(float(share_b), 4), common)


def _report(course: Course, chapter: Chapter, pairs: list[Pair]) -> Path:
    table: Table = [["first", "second", "share_of_first", "share_of_second"]]
    table += [[p.first, p.second, p.share_of_first, p.share_of_second] for p in pairs]
    write_atomically(
        course.exports / f"{chapter.assignment}-similarity.csv", as_csv(table).encode()
    )
    body = [f"<h1>{escape(chapter.title)}: submissions that are alike</h1>"]
    body.append(
        "<p>Released code is not counted. A high share is a reason to look, no verdict.</p>"
    )
    for pair in pairs:
        if pair.likeness >= LISTED:
            shares = f"{pair.share_of_first:.0%} and {pair.share_of_second:.0%}"
            body.append(f"<h2>{escape(pair.first)}, {escape(pair.second)}: {shares}</h2>")
            body += [f"<pre>{escape(text)}</pre>" for text in pair.common]
    path = course.exports / f"{chapter.assignment}-similarity.html"
    write_atomically(path, page(f"Similarity: {chapter.title}", "\n".join(body)).encode())
    return path
