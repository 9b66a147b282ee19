"""Reinforcement learning for language models, from policy gradient to InstructGPT.

A chapter's module exists several times: with holes (this folder), filled in by a student (a chapter's
folder), and solved (the author's ``solutions``). All code imports it by the same name; the *overlay*,
a list of folders that come first on this package's search path, decides whose file that is.
"""

import importlib.util
import os
import sys
from pathlib import Path

__version__ = "0.1.0"


def overlay(folder: str | os.PathLike[str]) -> None:
    """Let the chapter modules in ``folder`` stand in front of those of the package.

    Modules already imported are forgotten, so that the next import finds the new file.

    Args:
        folder: a folder that holds modules such as ``policy_gradient.py``.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    path = Path(folder).resolve()
    if not path.is_dir():
        raise FileNotFoundError(f"no folder {path} to take chapter modules from")
    if str(path) in __path__:
        __path__.remove(str(path))
    __path__.insert(0, str(path))
    for file in path.glob("*.py"):
        sys.modules.pop(f"{__name__}.{file.stem}", None)
        globals().pop(file.stem, None)


def use_solutions(module: str) -> Path:
    """Work on with the solution of one earlier chapter, when you are stuck there.

    Looks for ``released_solutions/<module>.py`` in this folder and those above it (your instructor puts it there), then
    for the authors' ``solutions``. Only this one module is replaced.

    Args:
        module: the chapter's module, such as ``"policy_gradient"``.

    Returns:
        the file that is used from now on.

    Raises:
        FileNotFoundError: if that chapter's solution has not been released to you.
    """
    name = f"{module}.py"
    authors = Path(__file__).resolve().parent.parent / "solutions" / name
    here = Path.cwd()
    released = [folder / "released_solutions" / name for folder in (here, *here.parents)]
    for file in (*released, authors):
        if file.is_file():
            full = f"{__name__}.{module}"
            spec = importlib.util.spec_from_file_location(full, file)
            assert spec is not None and spec.loader is not None  # a .py file always has both
            found = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(found)
            sys.modules[full] = globals()[module] = found
            return file
    raise FileNotFoundError(
        f"the solution of {module} has not been released: ask your instructor for released_solutions/{name}"
    )


for _folder in reversed(os.environ.get("RLCOURSE_OVERLAY", "").split(os.pathsep)):
    if _folder:
        overlay(_folder)
