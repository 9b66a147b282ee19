"""Starts the warm parents and grades submissions, from any number of threads."""

import atexit
import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from autograder.sandbox.assignment import GradedModule, graded_module
from autograder.sandbox.errors import GraderError
from autograder.sandbox.isolation.choose import choose_tier, why_not
from autograder.sandbox.isolation.confinement import TierUnavailable
from autograder.sandbox.isolation.paths import default_view
from autograder.sandbox.limits import Limits
from autograder.sandbox.prefork import Prefork
from autograder.sandbox.results import SubmissionResult
from autograder.sandbox.wire import REQUEST, Channel, PeerClosed, WireError


class Grader:
    """Two warm parents: one forks sandboxes, one forks judges. Close it, or use it as a context."""

    def __init__(
        self, limits: Limits | None = None, tier: str | None = None, solutions: Path | None = None
    ) -> None:
        """Choose a tier and start the warm parents.

        Args:
            limits: what one part may use.
            tier: the isolation tier; by default the best one that works here.
            solutions: a further folder that no sandbox may see.

        Raises:
            GraderError: if the tier (or, by default, every tier) does not work here.
        """
        self.limits = limits or Limits()
        secrets = () if solutions is None else (str(solutions),)
        self._view = default_view((*secrets, str(graded_module_home())))
        self.tier = self._check(tier)
        self._folder = tempfile.mkdtemp(prefix="rlcourse-sandbox-")
        os.chmod(self._folder, 0o711)
        for name in ("root", "judge", "home"):
            os.mkdir(f"{self._folder}/{name}", 0o711)
        home = f"{self._folder}/home"
        self._warm = Prefork("warm", home)
        self._judges = Prefork("judge", home, [self._warm.control.fileno()])

    def _check(self, tier: str | None) -> str:
        try:
            if tier is None:
                return choose_tier(self._view)
            reason = why_not(tier, self._view)
        except TierUnavailable as error:
            raise GraderError(str(error)) from None
        if reason is not None:
            raise GraderError(f"isolation by {tier} does not work here: {reason}")
        return tier

    def grade(
        self, notebook: str, files: Mapping[str, bytes], chapter: str | GradedModule
    ) -> SubmissionResult:
        """Grade one submission.

        Args:
            notebook: text of the normalized notebook, hidden tests included.
            files: the submission's other files by relative path.
            chapter: any name of a chapter, or a module described by hand.

        Raises:
            GraderError: if the grader is at fault. The work is to be left ungraded.
        """
        module = graded_module(chapter)
        ours, theirs = socket.socketpair()
        with theirs:
            self._judges.fork(self._request(module), [theirs.fileno()])
        channel = Channel(ours)
        try:
            return _converse(channel, notebook, files)
        except (PeerClosed, WireError) as error:
            raise GraderError(f"the judge ended without a result: {error}") from None
        finally:
            channel.close()

    def _request(self, module: GradedModule) -> dict[str, Any]:
        about = {
            "name": module.name,
            "earlier": list(module.earlier),
            "solutions": str(Path(module.solutions).resolve()),
        }
        confinement = {"view": asdict(self._view), "mount_point": f"{self._folder}/root"}
        return {
            "module": about,
            "tier": self.tier,
            "limits": asdict(self.limits),
            "confinement": confinement,
            "folder": f"{self._folder}/judge",
        }

    def close(self) -> None:
        """End the warm parents and everything they forked."""
        self._judges.close()
        self._warm.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Grader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def graded_module_home() -> Path:
    """Return the author's folder of solutions."""
    return GradedModule("").solutions


def _converse(channel: Channel, notebook: str, files: Mapping[str, bytes]) -> SubmissionResult:
    texts = [notebook.encode("utf-8"), *files.values()]
    places, start = [], 0
    for text in texts:
        places.append((start, len(text)))
        start += len(text)
    head = {"names": list(files), "places": places}
    channel.send(REQUEST, head, b"".join(texts))
    _, _, blob = channel.receive()
    reply = json.loads(bytes(blob))
    if "error" in reply:
        raise GraderError(reply["error"])
    found = reply["result"]
    result = SubmissionResult.from_json(found["text"])
    return replace(result, tier=found["tier"], cpu_seconds=found["cpu"] + reply["cpu"])


_lock = threading.Lock()
_graders: dict[tuple[int, Limits, str | None], Grader] = {}


def grade_submission(
    notebook: str,
    files: Mapping[str, bytes],
    chapter: str | GradedModule,
    *,
    limits: Limits | None = None,
    tier: str | None = None,
) -> SubmissionResult:
    """Grade one submission with a grader that this process keeps for the next one.

    Raises:
        GraderError: if the grader is at fault. The work is to be left ungraded.
    """
    with _lock:
        key = (os.getpid(), limits or Limits(), tier)
        if key not in _graders:
            _graders[key] = Grader(limits, tier)
            atexit.register(_graders[key].close)
    return _graders[key].grade(notebook, files, chapter)
