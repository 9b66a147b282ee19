# ruff: noqa
# fmt: off
# Aborts.
# score: 5
# verdict: crash
import os
def double(x): os.abort()
def total(x): return x.sum()
