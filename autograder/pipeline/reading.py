"""How much of one submission is read: the same bounds whether it is a folder, an archive, or archives in an archive."""

from dataclasses import dataclass

from autograder.pipeline.safe_files import FILE_LIMIT, Item, Refusal, Refused

TOTAL_LIMIT = 16 << 20
COUNT_LIMIT = 500
UNPACKED_LIMIT = 4 * TOTAL_LIMIT
"""Bytes read in all, those of refused files among them: finding out what is too much must not take for ever."""
NAMED = 200
"""Refusals of one submission that are told one by one."""


@dataclass(slots=True)
class Room:
    """What is left of the bounds of one submission."""

    files: int = COUNT_LIMIT
    size: int = TOTAL_LIMIT
    unpacked: int = UNPACKED_LIMIT

    def read(self, item: Item) -> bytes:
        """The bytes of a file.

        Raises:
            Refused: if there is no more room for it.
        """
        if self.files <= 0:
            raise Refused(f"more than {COUNT_LIMIT} files")
        if self.unpacked <= 0:
            raise Refused("not looked at: the submission is much too large")
        try:
            data = item.read()
        except Refused:
            self.unpacked -= FILE_LIMIT
            raise
        self.unpacked -= len(data)
        if len(data) > self.size:
            raise Refused(f"the submission is larger than {TOTAL_LIMIT >> 20} MiB")
        self.files -= 1
        self.size -= len(data)
        return data


def read_all(
    items: list[Item], refusals: list[Refusal], room: Room | None = None
) -> dict[str, bytes]:
    """The bytes of all items for which there is room; the rest is added to the refusals."""
    room = room or Room()
    files: dict[str, bytes] = {}
    for item in sorted(items, key=_importance):
        try:
            files[item.name] = room.read(item)
        except Refused as error:
            refusals.append(Refusal(item.name, str(error)))
    return files


def _importance(item: Item) -> tuple[bool, int, str]:
    """Code and notebooks first, the outer folders before the inner ones."""
    return not item.name.endswith((".py", ".ipynb")), item.name.count("/"), item.name


def in_brief(refusals: list[Refusal]) -> list[Refusal]:
    """The refusals of one submission as far as a person reads them."""
    more = len(refusals) - NAMED
    rest = [Refusal(f"{more} more files", "not named one by one")] if more > 0 else []
    return refusals[:NAMED] + rest
