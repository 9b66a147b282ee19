# ruff: noqa
# fmt: off
# Recurses without end.
# score: 5
def double(x): return double(x)
def total(x): return x.sum()
