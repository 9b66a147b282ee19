"""The warm parent of sandboxes: torch imported, one optimizer step taken, no secrets; it forks.

Started as a file by `prefork.Prefork`; every request makes one sandbox (``isolation.guardian``).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import json
import os
import socket
from typing import Any

from autograder.sandbox import prefork
from autograder.sandbox.isolation import guardian, rlimits
from autograder.sandbox.isolation.confinement import Confinement
from autograder.sandbox.student_process import Settled, warm_up


def main() -> None:
    """Warm up, then fork a guardian for each request."""
    control = socket.socket(fileno=int(sys.argv[1]))
    shell = warm_up()

    def handle(request: dict[str, Any], descriptors: list[int]) -> None:
        channel, status = (socket.socket(fileno=number) for number in descriptors)
        limits = dict(request["limits"])
        if os.geteuid() != 0 and request["tier"] == "landlock":
            limits["processes_of_user"] = rlimits.count_processes(os.geteuid())
        text = json.dumps({**request["confinement"], "limits": limits, "slot": os.getpid()})
        confinement = Confinement.from_json(text)
        settled = Settled(confinement, channel, shell)
        guardian.main_guard(request["tier"], confinement, channel, status, settled.run)

    prefork.serve(control, handle)


if __name__ == "__main__":
    main()
