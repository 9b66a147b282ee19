# ruff: noqa
# fmt: off
# Ends the process from within a function.
# score: 5
# verdict: crash
import os
def double(x): os._exit(0)
def total(x): return x.sum()
