# ruff: noqa
# fmt: off
# Stops itself and everything it can.
# score: 5
# verdict: timeout
import os, signal, time
def double(x):
    os.kill(os.getpid(), signal.SIGSTOP); time.sleep(1e6)
def total(x): return x.sum()
