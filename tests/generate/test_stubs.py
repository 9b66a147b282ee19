"""Stubs: what is taken out, what must stay, and every file that is refused."""

import pytest

from autograder.generate.stubs import BadMarker, regions, signature, stub

GOOD = '''"""Chapter."""


class Buffer:
    """A buffer."""

    def add(self, item: int, *, twice: bool = False) -> None:
        """Add."""
        ### BEGIN SOLUTION 5.1
        secret = item

        self.items = secret
        ### END SOLUTION


def double(x: int) -> int:
    """Double."""
    y = 2
    ### BEGIN SOLUTION 5.2
    return y * x
    ### END SOLUTION
'''


def test_a_stub_raises_and_keeps_everything_else() -> None:
    text = stub(GOOD, "q_learning")
    assert "secret" not in text and "y * x" not in text and "SOLUTION" not in text
    assert 'raise NotImplementedError("Exercise 5.2: write double")' in text
    assert "(2 lines in our solution)" in text and "(1 line in our solution)" in text
    assert '"""Double."""' in text and "    y = 2\n" in text
    assert "solutions/q_learning.py" in text.splitlines()[0], "the header names its source"
    names: dict[str, object] = {}
    exec(compile(text, "stub", "exec"), names)
    with pytest.raises(NotImplementedError, match=r"Exercise 5\.2"):
        names["double"](1)  # type: ignore[operator]


def test_regions_are_found_in_order() -> None:
    first, second = regions(GOOD)
    assert (first.number, first.size, second.number, second.size) == ("5.1", 2, "5.2", 1)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("    ### END SOLUTION\n\n\ndef", "\n\n\ndef", "BEGIN SOLUTION inside exercise 5.1"),
        ("### BEGIN SOLUTION 5.2", "### BEGIN SOLUTION", "malformed marker"),
        ("### BEGIN SOLUTION 5.2", "### begin solution 5.2", "malformed marker"),
        ("### BEGIN SOLUTION 5.2", "### BEGIN SOLUTION 5.2 (easy)", "malformed marker"),
        ("    ### BEGIN SOLUTION 5.2\n", "", "END SOLUTION without a BEGIN"),
        ("    return y * x\n    ### END SOLUTION\n", "    return y * x\n", "no END SOLUTION"),
        ("    return y * x\n", "\n", "nothing to solve"),
        (
            "    ### END SOLUTION\n",
            "    ### END SOLUTION\n    print('after')\n",
            "run to the end of its function",
        ),
        ("    return y * x\n", "    def inner(): ...\n    return y * x\n", "changes a name"),
    ],
)
def test_bad_files_are_refused(before: str, after: str, message: str) -> None:
    head, found, tail = GOOD.rpartition(before)
    assert found
    with pytest.raises((BadMarker, SyntaxError), match=message):
        stub(head + after + tail, "q_learning")


def test_a_region_outside_a_function_is_refused() -> None:
    text = "x = 1\n### BEGIN SOLUTION 5.1\ny = 2\n### END SOLUTION\n"
    with pytest.raises(BadMarker, match="end of its function"):
        stub(text, "q_learning")


def test_signatures() -> None:
    assert signature(GOOD, "double") == "def double(x: int) -> int: ..."
    assert "def add(self, item: int, *, twice: bool=False) -> None: ..." in signature(
        GOOD, "Buffer"
    )
    with pytest.raises(KeyError):
        signature(GOOD, "missing")
