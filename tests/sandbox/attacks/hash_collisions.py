# ruff: noqa
# fmt: off
# Returns a dict of keys that all have one hash.
# score: 0
def double(x): return {k * (2 ** 61 - 1): 0 for k in range(15000)}
def total(x): return set(k * (2 ** 61 - 1) for k in range(15000))
