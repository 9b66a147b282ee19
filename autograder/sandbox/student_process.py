"""What runs inside a sandbox: the last limits, then the student's end of the conversation."""

import importlib
import pkgutil
import socket
import sys
from typing import Any

from autograder.sandbox.isolation.confinement import Confinement
from autograder.sandbox.isolation.settle import look_around, settle
from autograder.sandbox.wire import Channel

_OUTPUT_KB = "output_kb"


def warm_up() -> Any:
    """Import what submissions import; return an IPython shell.

    The first optimizer step imports a good part of torch; to take it here saves it in every child.
    """
    import matplotlib.pyplot
    import torch

    import rlcourse.checks
    import rlcourse.support
    from autograder.sandbox import cells, guest, submission

    assert cells and guest and submission and matplotlib.pyplot and rlcourse.checks
    torch.set_num_threads(1)
    for module in pkgutil.walk_packages(rlcourse.support.__path__, "rlcourse.support."):
        importlib.import_module(module.name)
    layer = torch.nn.Linear(2, 2)
    for kind in (torch.optim.SGD, torch.optim.Adam):
        optimizer = kind(layer.parameters(), lr=0.1)
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    logits = torch.zeros(2, requires_grad=True)
    torch.distributions.Categorical(logits=logits).sample()
    torch.autograd.grad(logits.log_softmax(0).sum(), logits)
    return cells.make_shell()


class Settled:
    """The body of a sandbox forked from the warm parent."""

    def __init__(self, confinement: Confinement, channel: socket.socket, shell: Any) -> None:
        """Serve this channel."""
        self._confinement, self._socket, self._shell = confinement, channel, shell

    def run(self, work: str) -> None:
        """Set the last limits and serve until the judge hangs up. Runs inside of the sandbox."""
        settle(self._confinement, work)
        if self._confinement.limits.get("look_around"):
            import json

            self._socket.sendall(json.dumps(look_around(self._confinement)).encode())
            return
        serve(self._confinement, self._socket, self._shell, work)


def serve(confinement: Confinement, channel: socket.socket, shell: Any, work: str) -> None:
    """Be the student's end of the conversation."""
    from autograder.sandbox.cells import Cells
    from autograder.sandbox.guest import Guest

    sys.path[:] = [work, *(path for path in sys.path if not _is_repository(path))]
    output_limit = int(confinement.limits[_OUTPUT_KB]) << 10
    guest = Guest(Channel(channel), Cells(shell, output_limit), work)
    guest.serve_forever()


def _is_repository(path: str) -> bool:
    import autograder

    return any(path == home.rpartition("/")[0] for home in autograder.__path__)
