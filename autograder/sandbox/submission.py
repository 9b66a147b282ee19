"""Student's side: puts the submission's files in place and decides what ``rlcourse.<module>`` is.

The graded module is the submitted file and nothing else; chapters before it are the reference.
"""

import importlib.machinery
import importlib.util
import marshal
import os
import sys
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from typing import Any


def write_files(work: str, files: dict[str, bytes]) -> None:
    """Write the submission's files below the work folder.

    Raises:
        ValueError: for a path that leads out of it.
    """
    for name, data in files.items():
        path = Path(os.path.normpath(os.path.join(work, name)))
        if not path.is_relative_to(work):
            raise ValueError(f"{name!r} leads out of the submission")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class _Compiled(Loader):
    """Loads a reference module from code; its source stays with the author."""

    def __init__(self, code: bytes) -> None:
        self._code = code

    def exec_module(self, module: types.ModuleType) -> None:
        exec(marshal.loads(self._code), vars(module))


class ChapterFinder(MetaPathFinder):
    """Finds the graded module and the chapters before it, in front of every other finder."""

    def __init__(self, graded: str, work: str, earlier: dict[str, bytes]) -> None:
        """Know the submitted file and the compiled earlier chapters."""
        self._graded = f"rlcourse.{graded}"
        self._file = f"{work}/{graded}.py"
        self._earlier = {f"rlcourse.{name}": code for name, code in earlier.items()}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where a chapter's module comes from; None for every other module.

        Raises:
            ModuleNotFoundError: if the graded file was not handed in. There is no other source.
        """
        if name in self._earlier:
            return importlib.util.spec_from_loader(name, _Compiled(self._earlier[name]))
        if name != self._graded:
            return None
        if not os.path.isfile(self._file):
            raise ModuleNotFoundError(f"{os.path.basename(self._file)} was not handed in")
        return importlib.util.spec_from_file_location(name, self._file)


def prepare(work: str, graded: str, files: dict[str, bytes], earlier: dict[str, bytes]) -> None:
    """Make the process ready to import the submission; runs none of its code."""
    import rlcourse

    write_files(work, files)
    sys.meta_path.insert(0, ChapterFinder(graded, work, earlier))
    for name in (graded, *earlier):
        sys.modules.pop(f"rlcourse.{name}", None)
    setattr(rlcourse, "use_solutions", lambda module: None)  # noqa: B010 - they are the reference
    sys.dont_write_bytecode = True
