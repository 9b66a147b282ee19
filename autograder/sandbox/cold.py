"""The student's process where a tier starts a program instead of forking: imports everything anew."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import socket

from autograder.sandbox.isolation import kernel
from autograder.sandbox.isolation.confinement import Confinement, become
from autograder.sandbox.isolation.guardian import close_all_but
from autograder.sandbox.isolation.paths import WORK
from autograder.sandbox.student_process import Settled, warm_up


def main() -> None:
    """Give up what privileges are left, then do as a forked child does."""
    number, text = int(sys.argv[1]), sys.argv[2]
    confinement = Confinement.from_json(text)
    close_all_but({number})
    shell = None if confinement.limits.get("look_around") else warm_up()
    become(int(confinement.limits["user"]))
    kernel.drop_capabilities()
    kernel.die_with_parent()
    Settled(confinement, socket.socket(fileno=number), shell).run(WORK)


if __name__ == "__main__":
    main()
