"""Look for what must never reach a student: lines of solutions, and code of the author's side of the checks."""

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SHORTEST = 16
"""Shorter lines, such as ``return loss``, say nothing and stand anywhere."""
TELLING = 36
"""One line of this length gives something away; of shorter ones, three of the same region do."""
TOGETHER = 3
FORBIDDEN = ("### BEGIN HIDDEN TESTS", "check_hidden(")


class SecretFound(RuntimeError):
    """Something that belongs to the author's side lies in what students get."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A line that students must not get."""

    where: str
    region: str
    """The exercise of a solution, or the file of checks, that it stands in."""


def solution_lines(repository: Path) -> dict[str, Secret]:
    """Every line inside a solution region that says something.

    Lines that the same module also shows outside of a region are no secret.
    """
    secret: dict[str, Secret] = {}
    public: set[str] = set()
    for file in sorted((repository / "solutions").glob("*.py")):
        region = ""
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            text = plain(line)
            if BEGIN in line or END in line:
                region = f"{file.name} {line.split()[-1]}" if BEGIN in line else ""
            elif region and len(text) >= SHORTEST:
                secret.setdefault(text, Secret(f"solutions/{file.name}:{number}", region))
            elif not region:
                public.add(text)
    return {text: found for text, found in secret.items() if text not in public}


@lru_cache
def author_lines(repository: Path) -> dict[str, Secret]:
    """Every telling line of code of the author's checks that the student's side does not have itself."""
    secret: dict[str, Secret] = {}
    for file in sorted((repository / "autograder" / "checks").rglob("*.py")):
        code = _without_strings(file.read_text("utf-8"))
        for number, line in enumerate(code.splitlines(), 1):
            text = plain(line)
            if len(text) >= SHORTEST and re.search(r"[=(]", text) and "import" not in text:
                secret.setdefault(
                    text, Secret(f"autograder/checks/{file.name}:{number}", file.name)
                )
    return _not_shared(secret, repository)


def plain(line: str) -> str:
    """A line without its comment and its spaces, so that a reformatted copy is still found."""
    return re.sub(r"\s+", "", line.split("  #")[0])


def _without_strings(source: str) -> str:
    """The code with its texts emptied: statements and messages are meant for students."""
    tokens = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            kind, text = token.type, token.string
            if kind == tokenize.STRING and "\n" in text:
                text = '""' + "\n" * text.count("\n")
            tokens.append((kind, text))
    except tokenize.TokenError:
        return source
    return tokenize.untokenize(tokens)


def find_secrets(folder: Path, repository: Path) -> Iterator[str]:
    """Where something secret stands, as ``file:line: what``."""
    secret = solution_lines(repository) | author_lines(repository)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if name.split("/")[0] in ("autograder", "solutions"):
            yield f"{name}: belongs to the author's side"
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix in (".ipynb", ".json"):
            text = text.replace("\\n", "\n").replace('\\"', '"')
            if any(mark in text for mark in FORBIDDEN):
                yield f"{name}: a hidden test"
        yield from _in_text(name, text, secret)


def _in_text(name: str, text: str, secret: dict[str, Secret]) -> Iterator[str]:
    """Lines of one file that give something away, alone or together."""
    hits: dict[str, list[tuple[int, str]]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for content in {plain(line), plain(line).strip('",')} & secret.keys():
            hits.setdefault(secret[content].region, []).append((number, content))
    for region in hits.values():
        together = len({content for _, content in region}) >= TOGETHER
        for number, content in region:
            if together or len(content) >= TELLING:
                yield f"{name}:{number}: a line of {secret[content].where}"


def _not_shared(lines: dict[str, Secret], repository: Path) -> dict[str, Secret]:
    """Without the lines that the student's side has itself, such as the same line of plumbing."""
    shared = {
        plain(line)
        for file in (repository / "rlcourse").rglob("*.py")
        for line in file.read_text("utf-8").splitlines()
    }
    return {text: found for text, found in lines.items() if text not in shared}


def assert_free_of_secrets(folder: Path, repository: Path) -> None:
    """Refuse a folder with anything secret in it.

    Raises:
        SecretFound: with the first places.
    """
    found = list(find_secrets(folder, repository))
    if found:
        more = f"\n... and {len(found) - 5} more" if len(found) > 5 else ""
        raise SecretFound("not for students:\n" + "\n".join(found[:5]) + more)
