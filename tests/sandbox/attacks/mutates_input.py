# ruff: noqa
# fmt: off
# Doubles in place.
# score: 7
def double(x):
    if x.requires_grad: return 2 * x
    return x.mul_(2)
def total(x): return x.sum()
