# ruff: noqa
# fmt: off
# Another program takes the place of the process, and writes to what it finds open.
# score: 5
# verdict: crash
import os, sys
def double(x):
    for fd in range(3, 64):
        try: os.set_inheritable(fd, True)
        except OSError: pass
    code = "import os\nfor fd in range(3, 64):\n try: os.write(fd, b'x' * 1000)\n except OSError: pass"
    os.execv(sys.executable, [sys.executable, "-S", "-c", code])
def total(x): return x.sum()
