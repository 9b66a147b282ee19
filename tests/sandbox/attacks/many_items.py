# ruff: noqa
# fmt: off
# Returns millions of items.
# score: 0
def double(x): return list(range(5_000_000))
def total(x): return "x" * (1 << 28)
