# ruff: noqa
# fmt: off
# Returns an integer of a million digits.
# score: 0
def double(x): return 10 ** 1000000
def total(x): return 1 << 10000000
