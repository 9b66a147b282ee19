# ruff: noqa
# fmt: off
# One long call into C.
# score: 5
# verdict: timeout
def double(x): return 3 ** (10 ** 9)
def total(x): return x.sum()
