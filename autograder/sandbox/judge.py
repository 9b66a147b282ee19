"""The warm parent of judges: checks imported, hidden cases worked out; forks one for each submission.

Started as a file by `prefork.Prefork`. A judge is trusted; it is forked so that nothing of one
submission is left for the next.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import json
import os
import resource
import signal
import socket
import traceback
from functools import cache
from typing import Any

import torch

import rlcourse
from autograder.sandbox import own_time, prefork
from autograder.sandbox.assignment import GradedModule
from autograder.sandbox.errors import GraderError
from autograder.sandbox.grading import Grading
from autograder.sandbox.isolation import kernel
from autograder.sandbox.limits import Limits
from autograder.sandbox.notebook import read_cells
from autograder.sandbox.session import Cell, compiled
from autograder.sandbox.wire import REPLY, Channel


@cache
def warm_chapter(name: str, earlier: tuple[str, ...], solutions: str) -> None:
    """Import a chapter's checks and work its hidden cases out, once for all submissions."""
    compiled(Path(solutions), earlier)
    rlcourse.overlay(solutions)
    try:
        from autograder.checks.build import hidden_exercise
        from autograder.checks.registry import specs
        from rlcourse.checks.exercise import find_exercise

        for spec in specs(name):
            find_exercise(spec.number)
            hidden_exercise(spec.number)
    except ModuleNotFoundError:
        return  # a module without checks of its own: its test cells are plain code


def handle(warm_control: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
    """Grade the submission that comes over the descriptor; send the result back over it."""
    kernel.die_with_parent()
    channel = Channel(socket.socket(fileno=descriptors[0]))
    torch.set_num_threads(1)
    os.chdir(request["folder"])
    reply: dict[str, Any]
    try:
        reply = {"result": _grade(warm_control, request, channel)}
    except GraderError as error:
        reply = {"error": str(error)}
    except Exception:
        reply = {"error": traceback.format_exc()}
    channel.send(REPLY, {}, json.dumps({**reply, "cpu": _own_cpu()}).encode())


def _grade(
    warm_control: socket.socket, request: dict[str, Any], channel: Channel
) -> dict[str, Any]:
    _, head, blob = channel.receive()
    texts = [bytes(blob[start : start + size]) for start, size in head["places"]]
    files = dict(zip(head["names"], texts[1:], strict=True))
    limits = Limits(**request["limits"])
    _bound_memory(limits)
    notebook = texts[0].decode("utf-8")
    count = len(read_cells(notebook))
    signal.signal(signal.SIGALRM, _too_long)
    own_seconds = own_time.seconds_for(limits.cpu_seconds)
    signal.alarm(int((limits.wall_seconds + 10 * own_seconds) * (count + 3)))
    own_time.bound_all(count, limits.cpu_seconds)
    about = request["module"]
    module = GradedModule(about["name"], tuple(about["earlier"]), Path(about["solutions"]))
    sandbox = Cell(warm_control, request["tier"], request["confinement"])
    result = Grading(sandbox, module, files, limits).run(notebook)
    return {"text": result.to_json(), "tier": result.tier, "cpu": result.cpu_seconds}


def _bound_memory(limits: Limits) -> None:
    """Let what a submission sends fill so much memory on this side as well, and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (limits.memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _own_cpu() -> float:
    times = os.times()
    return times.user + times.system


def _too_long(*_: object) -> None:
    raise GraderError("the judge itself took too long")


def main() -> None:
    """Warm up, then fork a judge for each request."""
    control = socket.socket(fileno=int(sys.argv[1]))
    warm_control = socket.socket(fileno=int(sys.argv[2]))
    torch.set_num_threads(1)

    def prepare(request: dict[str, Any]) -> None:
        about = request["module"]
        warm_chapter(about["name"], tuple(about["earlier"]), about["solutions"])

    prefork.serve(control, lambda request, got: handle(warm_control, request, got), prepare)


if __name__ == "__main__":
    main()
