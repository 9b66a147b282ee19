# ruff: noqa
# fmt: off
# Loops for ever in one function; the other is right.
# score: 5
# verdict: timeout
def double(x):
    while True: pass
def total(x): return x.sum()
