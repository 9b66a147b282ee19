# ruff: noqa
# fmt: off
# Sleeps for ever.
# score: 5
# verdict: timeout
import time
def double(x): time.sleep(1e6)
def total(x): return x.sum()
