# ruff: noqa
# fmt: off
# One function was renamed.
# score: 5
def Double(x): return 2 * x
def total(x): return x.sum()
